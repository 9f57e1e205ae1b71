# Two commands do everything: `make simulate` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Files of tests that run at the same time; many of them mostly wait for a virtual board.
JOBS ?= 4

help:
	@echo "make simulate              record sample speech on a virtual recorder and deliver it"
	@echo "make simulate AUDIO=my.wav the same with any PCM WAV"
	@echo "make simulate QUALITY=30dB near-lossless FLAC; CODEC=wav for PCM"
	@echo "make simulate KEEP=1       a recorder to play with on its page; REPLAY=knobs.json, UI=terminal"
	@echo "make simulate ENGINE=cpython   with CPython in place of MicroPython's unix port"
	@echo "make image BOARD=esp32-s3  what a board carries, in build/image/ (esp32, esp32-c3, virtual)"
	@echo "make bundle BOARD=esp32-s3 KEY=key.pem   a signed update, in build/bundle/"
	@echo "make test                  the whole test suite (JOBS=1: one file after the other)"
	@echo "make bench                 fourteen metrics beside other clients (QUICK=1, ONLY=M1,M4, COMPARE=file)"
	@echo "make torture SEEDS=10000  months of virtual time, power cuts and more; one table at the end"
	@echo "make fleet N=50            many recorders behind one project's limits: table and picture"
	@echo "make pictures              the pictures of the page in docs/pictures/ (needs Chromium)"
	@echo "make asr                   add offline speech recognition to the simulated cloud"
	@echo "make clean                 remove build/ and .venv"

setup:
	@$(PYTHON) tools/bootstrap.py

asr:
	@$(PYTHON) tools/bootstrap.py --asr

simulate: setup
	@$(VENV_PYTHON) -m tools.simulate $(if $(AUDIO),--audio "$(AUDIO)") $(if $(ENGINE),--engine $(ENGINE)) $(if $(CODEC),--codec $(CODEC)) $(if $(QUALITY),--quality $(QUALITY)) $(if $(KEEP),--keep) $(if $(REPLAY),--replay "$(REPLAY)") $(if $(UI),--ui $(UI)) $(ARGS)

image: setup
	@$(VENV_PYTHON) -m tools.image $(or $(BOARD),esp32-s3) $(ARGS)

bundle: setup
	@$(VENV_PYTHON) -m tools.bundle make --board $(or $(BOARD),esp32-s3) $(if $(KEY),--key "$(KEY)") $(ARGS)

# Also where the environment forbids compiled files: without them each worker takes ten seconds of
# processor more before its first test, and each program under test a part of one.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup
	@$(VENV_PYTHON) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

torture: setup
	@$(VENV_PYTHON) -m tools.torture $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

bench: setup
	@$(VENV_PYTHON) -m tools.bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(COMPARE),--compare "$(COMPARE)") $(ARGS)

fleet: setup
	@$(VENV_PYTHON) -m tools.fleet $(or $(N),50) $(ARGS)

pictures: setup
	@$(VENV_PYTHON) -m host_tests.page

clean:
	rm -rf build .venv

.PHONY: help setup asr simulate image bundle test torture bench fleet pictures clean
.DEFAULT_GOAL := help
