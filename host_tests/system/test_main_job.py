"""The main job through every real part: what a newcomer runs, and what its server saw."""

import hashlib
import pathlib
import shutil
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT
from tools.sim.build import build, device_sources
from tools.sim.proof import flash_leftovers


def test_simulate_proves_every_clip(engine, simulate):
    result = simulate("--engine", engine)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" equal ") == 3
    assert "PROVED 3 clips, 74.2 s" in result.stdout
    # FLAC, lossless: the samples in storage are those that were heard, in about half the bytes.
    sizes = [int(line.split()[-4]) for line in result.stdout.splitlines() if " equal " in line]
    assert 0.4 < sum(sizes) / (74.19 * 32_000) < 0.6, sizes
    assert f"({engine}" in result.stdout


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux)")
def test_simulate_as_an_ordinary_user():
    """User 1000 without any capability; the other tests run as whoever runs the suite."""
    become = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    name = subprocess.run([*become, "id", "-u"], capture_output=True, text=True)
    if name.returncode != 0:
        pytest.skip("this kernel allows no user namespaces")
    assert name.stdout.strip() == "1000"
    command = [*become, sys.executable, "-m", "tools.simulate"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PROVED 3 clips" in result.stdout


def test_the_process_under_test_is_the_unix_port_with_its_heap_capped(bench):
    made = bench("micropython")
    made.board.heap_kb = 336  # 324 run short (docs/memory.md)
    made.equip(recording={"codec": "wav"})
    made.board.start()
    made.record_all()
    made.wait_delivered()
    words = pathlib.Path(f"/proc/{made.board.pid}/cmdline").read_bytes().decode().split("\0")
    assert "heapsize=336K" in words
    maps = pathlib.Path(f"/proc/{made.board.pid}/maps").read_text()
    assert "micropython" in maps
    # The whole heap is what was asked for: the device itself says how much of it is free.
    assert 0 < made.board.status()["heap_free_bytes"] < 336 * 1024
    # Nothing under device/ is replaced: the code that ran is today's source, compiled, and alone.
    code = ROOT / "build" / "device"
    fresh = build(made.board.folder / "fresh")
    for source in device_sources():
        name = source.with_suffix(".mpy")
        assert (code / name).read_bytes() == (fresh / name).read_bytes()
    assert not list((code / "device").rglob("*.py"))
    assert {path.name for path in code.glob("*.py")} == {"boot.py", "main.py"}


def test_a_long_take_is_cut_and_joined_without_losing_a_sample(bench, engine):
    seconds = 1200.25 if engine == "micropython" else 120.25
    made = bench(engine, seconds)
    made.equip(recording={"clip_length_s": 60})
    made.board.start()
    made.record_all(200)
    made.wait_delivered(120)
    proofs, missing = made.prove()
    assert missing == 0
    assert len(made.truth()) == len(made.samples) and (made.truth() == made.samples).all()
    assert [p.index for p in proofs] == list(range(len(proofs)))
    assert [p.is_last for p in proofs] == [False] * (len(proofs) - 1) + [True]
    assert len({p.take for p in proofs}) == 1
    position = 0
    for p in proofs:
        assert p.first_sample == position
        position += len(p.samples)
    assert position == len(made.samples)
    made.board.kill()
    assert flash_leftovers(made.board.folder) == []
    assert made.board.resets == [], made.board.serial()[-3000:]


@pytest.mark.parametrize("clip_length_s", [30, 480])
def test_the_heap_does_not_grow_with_backlog_or_clip(bench, clip_length_s):
    """Forty clips of 1 MB waiting, or three of up to 15 MB: the same 352 KiB, and never short."""
    made = bench("micropython", 1200, rate_limits=False)
    made.board.heap_kb = 352
    made.equip(recording={"clip_length_s": clip_length_s, "codec": "wav"})
    made.board.start()
    made.board.command("wifi", in_reach=False)
    made.record_all(100)
    status = made.wait_status(lambda status: status["queue"]["code"] == "wifi_not_found")
    assert status["queue"]["waiting"] == -(-1200 // clip_length_s)
    made.board.command("wifi", in_reach=True)
    made.wait_delivered(100)
    assert made.prove()[1] == 0
    assert made.board.resets == []
    assert "memory" not in made.board.serial()


def test_what_the_server_saw(bench, engine):
    """No bearer on storage, no ids from the device, one key a clip, complete after the PUT."""
    made = bench(engine, 80)
    made.equip()
    made.board.start()
    made.record_all()
    made.wait_delivered()
    made.prove()
    requests = made.device_requests()
    puts = [r for r in requests if r.origin == "storage"]
    creates = [r for r in requests if r.route == "create"]
    completes = [r for r in requests if r.route == "complete"]
    assert len(puts) == len(creates) == len(completes) == 3
    for put in puts:
        assert put.credential == "" and "authorization" not in put.header_names
        assert not put.transfer_encoding and put.body_complete
    for create in creates:
        assert "device_id" not in create.body_json and "end_user_id" not in create.body_json
        assert create.credential == "device_token"
    keys = [create.idempotency_key for create in creates]
    assert len(set(keys)) == 3 and None not in keys
    for complete in completes:
        rid = complete.path.split("/")[3]
        put = next(p for p in puts if f"/{rid}/" in p.path)
        assert put.answer_status == 200 and put.ended_s <= complete.began_s
        assert complete.body_json == {"content_sha256": put.body_sha256}
    # One handshake per origin: nothing but a close by the server would excuse another.
    connections = [c for c in made.cloud.log.connections if c.origin != "operator"]
    assert sorted(c.origin for c in connections) == ["api", "storage"]
    assert all(c.tls == "ok" for c in connections), connections


def test_no_secret_leaves_the_places_where_it_must_be(bench, engine):
    made = bench(engine)
    made.equip(log={"level": "debug"})
    made.board.start()
    made.record_all()
    status = str(made.wait_delivered())
    folder = made.board.folder
    written = [status, made.board.serial(), str(made.board.control.events)]
    written.append((folder / "config.json").read_text())
    image = folder / "flash.img"
    flash = (
        image.read_bytes()
        if image.exists()
        else b"".join(
            path.read_bytes() for path in (folder / "flash").rglob("*") if path.is_file()
        )
    )
    for secret in (made.token, "X-Amz-Signature", "bench-password"):
        assert all(secret not in text for text in written)
        assert secret.encode() not in flash
    command = pathlib.Path(f"/proc/{made.board.pid}/cmdline").read_bytes()
    environment = pathlib.Path(f"/proc/{made.board.pid}/environ").read_bytes()
    assert made.token.encode() not in command + environment


def test_the_hash_in_the_log_is_that_of_the_object(bench):
    made = bench("cpython")
    made.equip()
    made.board.start()
    made.record_all()
    made.wait_delivered()
    proofs, _ = made.prove()
    for p in proofs:
        assert hashlib.sha256(made.cloud.object_bytes(p.recording)).hexdigest() == p.sha256
