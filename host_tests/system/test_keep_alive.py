"""Handshakes, counted at the server: one costs the board a second, as 1.5 MiB of upload do.

A backlog of clips of a second each lies on the flash before the power comes on.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit"))

import fakes  # noqa: E402


def fill(folder, clips):
    """The backlog, made by the device's own store. (The flash of a CPython board is a folder.)"""
    folder.mkdir(parents=True, exist_ok=True)
    store = fakes.make_store(folder)
    for number in range(clips):
        fakes.add_clip(store, boot=0, take=number, epoch=1)


def handshakes(cloud):
    connections = [c for c in cloud.log.connections if c.origin in ("api", "storage")]
    assert all(c.tls == "ok" for c in connections)
    return len(connections)


@pytest.mark.parametrize(
    "clips, connections, closes, most",
    [
        (100, 2, 0, 2 + 5),  # 0.05 a clip
        (30, 2, 6, 2 + 1 + 6),  # beyond the closes that the server announced
        # One at a time: API and storage take turns, twice a clip, and the first one comes before.
        (20, 1, 0, 1 + 2 * 20),
    ],
)
def test_handshakes_of_a_backlog(bench, clips, connections, closes, most):
    made = bench("cpython", 1, rate_limits=False)
    fill(made.board.folder / "flash", clips)
    announced = made.cloud.faults.add("any", "close_after", times=closes, skip=7)
    made.equip(upload={"retry_first_s": 1, "retry_cap_s": 2, "max_connections": connections})
    made.board.start()
    status = made.wait_status(lambda status: status["queue"]["delivered"] == clips, 90)
    assert status["queue"]["aside"] == 0 and announced.hits == closes
    counted = handshakes(made.cloud)
    print(f"{counted} handshakes for {clips} clips, {closes} closes by the server")
    assert counted <= most
    requests = [r for r in made.device_requests() if r.route != "heartbeat"]
    assert len(requests) <= 4 * clips + 5, "and four round trips a clip"
