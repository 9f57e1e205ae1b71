"""A fixed small number of spoilt inputs for each target; many: python -m host_tests.fuzz"""

import random
import subprocess
import sys

import pytest

from host_tests.conftest import ROOT
from host_tests.fuzz import on_port
from host_tests.fuzz.engine import Result, Target, feed, fuzz, mutated
from host_tests.fuzz.network import _JSON_SEEDS, ANSWERS
from host_tests.fuzz.targets import TARGETS
from tools.sim.board import find_micropython

SEED = 20260301
INPUTS = 60
PORT_INPUTS = 1500


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_comes_is_taken_or_refused(target):
    result = fuzz(target, INPUTS, SEED)
    print("seed", SEED, dict(result.outcomes))
    assert result.failures == []
    assert result.inputs == INPUTS + len(target.seeds)


def test_every_good_input_is_good():
    """A target whose seeds are refused tests nothing but its own seeds."""
    refused = []
    for target in TARGETS:
        result = Result(target.name)
        for seed in target.seeds:
            feed(target, seed, result)
        if result.failures or sum(result.outcomes[e.__name__] for e in target.errors) == len(
            target.seeds
        ):
            refused.append(target.name)
    assert refused == []


def test_the_engine_sees_what_goes_wrong():
    def raises(data):
        if b"\xff" in data:
            raise KeyError("surprise")
        return "fine"

    def grows(data):
        return "fine" if bytearray(300_000) else ""

    assert fuzz(Target("raises", (b"a" * 40,), raises), 2000, SEED).failures
    assert not fuzz(Target("raises", (b"a" * 40,), raises, (KeyError,)), 2000, SEED).failures
    assert fuzz(Target("grows", (b"a",), grows, most_bytes=100_000), 10, SEED).failures
    again = [fuzz(Target("raises", (b"abc",), raises), 300, SEED).outcomes for _ in range(2)]
    assert again[0] == again[1], "the same seed, the same inputs"


@pytest.mark.skipif(find_micropython() is None, reason="no unix port on this machine")
def test_the_unix_port_makes_the_same_of_it(tmp_path):
    """Its JSON, bytes and text differ from CPython's; what the product takes must not."""
    rng = random.Random(SEED)
    inputs = []
    for word, seeds in (("http", ANSWERS), ("body", _JSON_SEEDS), ("json", _JSON_SEEDS)):
        inputs += [(word, seed) for seed in seeds]
        inputs += [(word, mutated(rng, rng.choice(seeds), seeds)) for _ in range(PORT_INPUTS // 3)]
    path = tmp_path / "inputs"
    path.write_text("".join(f"{word} {data.hex()}\n" for word, data in inputs))
    command = [find_micropython(), "-X", "heapsize=1M", on_port.__file__, str(ROOT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert len(said) == len(inputs)
    differ = [
        (word, data, ours, theirs)
        for (word, data), theirs in zip(inputs, said, strict=True)
        if (ours := on_port.said(word, data)) != theirs
    ]
    print("seed", SEED, sys.implementation.name)
    assert differ == []
