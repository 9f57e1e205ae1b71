"""A board with clips on it, a cloud, and the commands that a technician types."""

import json
import pathlib
import time

from tools.cloud.client import loopback_client
from tools.recorder import delivery
from tools.recorder.cli import main
from tools.recorder.port import Board

STORE_ID = "0a0b0c0d"
RATE_HZ = 8000  # every byte goes over the cable: the lowest rate does

# Writes clips as capture does, with the store's own code. LAST: what the last record gets besides.
_MAKE = """
from device.hal.sim.board import build
from device.store.store import ClipStore
board = build()
secrets = board.secrets
secrets.set("store_id", %r)
secrets.raise_counter("epoch", 1)
store = ClipStore(board.storage, secrets)
store.prepare()
from device.codec.wav import WavCodec
codec = WavCodec(8000)
header = memoryview(bytearray(44))
codec.write_header(header)
for seconds in %r:
    clip, writer = store.open(dict(codec="wav", hz=8000, take=0, index=0, first=0, boot=1, up=9,
                                   epoch=1, start=1772366400000))
    writer.write_header(header)
    for second in range(seconds):
        block = memoryview(bytes([clip.number, second & 255]) * 8000)
        writer.write(block, 8000)
    store.close(clip, writer, samples=seconds * 8000, last=1)
print("@field " + '{"answer": ' + str(store.highest) + "}")
"""

# Changes the record of one clip; keys with None are dropped.
_CHANGE = """
from device.hal.sim.board import build
from device.store.store import ClipStore
board = build()
clip = ClipStore(board.storage, board.secrets).clip(%d)
clip.load()
changes = %r
for name in [name for name in changes if changes[name] is None]:
    del changes[name]
    clip.record.pop(name, None)
clip.save(**changes)
print('@field {"answer": 1}')
"""


def wait_until(is_so, limit_s: float = 20.0):
    """Return when is_so() is true."""
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.02)


def make_clips(serial, *seconds):
    return Board(serial.device).run(_MAKE % (STORE_ID, list(seconds)), 60, "make")


def change_record(serial, number, **changes):
    Board(serial.device).run(_CHANGE % (number, changes), 60, "change")


def clips_on(serial) -> dict[int, dict]:
    """Number -> what the board's own list says."""
    found = []
    Board(serial.device).call("clips", {}, 60, lambda m: found.append(m["clip"]))
    return {clip["n"]: clip for clip in found}


def pcm(number: int, seconds: int) -> bytes:
    return b"".join(bytes([number, second & 255]) * RATE_HZ for second in range(seconds))


class Person:
    """Types commands; run() is (exit code, the document of --json)."""

    def __init__(self, capsys, monkeypatch, cloud=None):
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        if cloud is not None:
            monkeypatch.setattr(
                delivery, "open_client", lambda ca: loopback_client("", cloud.ca_pem)
            )

    def run(self, *words):
        self._capsys.readouterr()
        code = main([str(word) for word in words] + ["--json"])
        out = self._capsys.readouterr().out
        return code, json.loads(out)

    def has(self, **environment):
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)


def recordings(cloud) -> list[dict]:
    with cloud.operator() as operator:
        return operator.get("/recordings", params={"limit": 100}).json()["data"]


def files(folder: pathlib.Path, ending: str) -> list[str]:
    return sorted(path.name for path in folder.rglob("*" + ending))
