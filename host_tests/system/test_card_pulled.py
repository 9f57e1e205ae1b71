"""A card that is pulled in the middle of a take and put back: the spare medium takes over, and
what lies on the card is delivered when it is there again. On two flash images.
"""

import random

import numpy as np
import pytest

from tools.sim import proof
from tools.sim.board import find_micropython
from tools.sim.proof import flash_leftovers

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="CPython's flash is a folder: it cannot be pulled"
)
RATE_HZ = 16000
SPARE = 1 << 27


def noise(seconds, seed):
    """Samples that occur only once."""
    return np.random.default_rng(seed).integers(-999, 999, seconds * RATE_HZ, "<i2")


def places(proofs, truth):
    """[(first sample, end, clip)] of each recording, in the order in which it was heard."""
    text, found = truth.tobytes(), []
    for one in proofs:
        assert one.faults == [], one
        at = text.find(one.samples[:256].tobytes())
        assert at >= 0 and at % 2 == 0
        end = at // 2 + len(one.samples)
        assert np.array_equal(truth[at // 2 : end], one.samples), one.number
        found.append((at // 2, end, one.number))
    return sorted(found)


def wait_heard(made, seconds, limit_s=60):
    made.wait_status(lambda status: made.heard_samples() > seconds * RATE_HZ, limit_s)


def test_a_card_that_is_pulled_in_a_take_and_put_back(bench):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    made = bench("micropython", 1)
    samples = noise(110, seed)
    made.samples = samples
    made.heard.write_bytes(samples.tobytes())
    made.equip(
        recording={"mode": "continuous", "codec": "wav"},
        speed=8,
        driver_ms=600_000,  # however busy this host is
        spare_kb=4096,
    )
    made.board.start()
    wait_heard(made, 37)
    made.board.command("card", out=True)
    status = made.wait_status(lambda status: status["medium"]["code"] == "medium_lost")
    assert "again_in_s" in status["medium"] and "put in again" in status["medium"]["ends_when"]
    status = made.wait_status(lambda status: status["recorder"]["take"] >= SPARE)
    assert (
        status["recorder"]["code"] == "recording" and status["queue"]["code"] != "storage_failed"
    )
    wait_heard(made, 72)  # a clip of the spare medium is full, and sent
    status = made.wait_status(lambda status: status["medium"]["waiting_spare"] <= 1)
    made.board.command("card", out=False)
    made.wait_status(lambda status: status["medium"]["code"] == "in_use")
    made.board.control.wait_event("microphone_end", 60)
    made.board.command("press")
    made.wait_delivered()
    assert made.board.resets == []
    proofs = proof.collect(made.cloud, made.board.serial())
    found = places(proofs, made.truth())
    on_spare = [number for _, _, number in found if number >= SPARE]
    assert len(on_spare) >= 1 and len(set(number for _, _, number in found)) == len(found)
    assert found[-1][2] < SPARE, "new clips go to the card again"
    missing = found[0][0] + len(samples) - found[-1][1]
    for one, two in zip(found, found[1:], strict=False):
        assert one[1] <= two[0], "nothing twice"
        missing += two[0] - one[1]
    assert missing <= 2 * RATE_HZ, (missing, found)
    made.board.kill()
    assert flash_leftovers(made.board.folder) == []
