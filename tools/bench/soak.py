"""Clip after clip through record, upload and free: does the heap hold, or crumble?

    python -m tools.bench.soak [--clips 1000]

The whole recorder on the unix port, TLS and simulated cloud and all, hears takes of one to four
seconds at full speed. After each delivery it collects and says what is free and how large the
largest block of it is (soak_board.py). The clips at the beginning are set apart: there the heap
finds its shape. After them the low-water mark of neither may fall.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from tools.cloud import Cloud
from tools.sim import proof
from tools.sim.audio import SAMPLE, read_samples
from tools.sim.board import HEAP_KB, SSID, VirtualBoard

SCRIPT = pathlib.Path(__file__).with_name("soak_board.py")
RATE_HZ = 16000
LONGEST_TAKE_S = 5
APART = 100
# S13 of the design's invariants: the same heap after a thousand cycles, within a percent of it.
TOLERANCE_PCT = 1
_LIMIT_S_A_CLIP = 5
_HEAP = re.compile(
    r"^soak (?P<line>\{.*\})\n(?:.*\n){2}GC: total: (?P<total>\d+).*\n"
    r".*max free sz: (?P<largest>\d+)$",
    re.MULTILINE,
)
_GC_BLOCK_BYTES = 32  # four words of 64 bits


@dataclasses.dataclass
class Sample:
    """The heap after so many delivered clips, collected."""

    clip: int
    free_bytes: int
    largest_bytes: int


@dataclasses.dataclass
class Soak:
    """samples: one after each delivery; faults: what must not be, in words."""

    samples: list[Sample]
    faults: list[str]
    heap_bytes: int
    delivered: int

    def low_water(self, first: int, last: int) -> tuple[int, int]:
        """Lowest free bytes and lowest largest block among the clips first to last."""
        part = [s for s in self.samples if first <= s.clip <= last]
        return min(s.free_bytes for s in part), min(s.largest_bytes for s in part)


def run(clips: int, folder: pathlib.Path, codec: str = "wav", heap_kb: int = HEAP_KB) -> Soak:
    """Soak one board with so many clips; everything lies in folder."""
    heard = folder / "heard.pcm"
    samples = np.resize(read_samples(SAMPLE, RATE_HZ), clips * LONGEST_TAKE_S * RATE_HZ)
    heard.write_bytes(samples.tobytes())
    with Cloud.start(folder / "cloud", rate_limits=False) as cloud:
        _, token = cloud.register_recorder("SOAK-0001")
        board = VirtualBoard(folder / "board", heap_kb=heap_kb)
        config = {
            "recording": {"mode": "button", "codec": codec},
            "wifi": {"networks": [SSID]},
            "cloud": {"api_url": cloud.api_origin, "heartbeat_s": 0},
            "upload": {"retry_first_s": 1, "retry_cap_s": 2},
            "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}"},
        }
        board.equip(
            audio=heard,
            rate_hz=RATE_HZ,
            speed=0,
            hosts=cloud.hosts,
            root_der=cloud.ca_der,
            config=config,
            token=token,
            flash_kb=4096,
        )
        try:
            said = _soak(board, clips)
        finally:
            board.stop()
        with cloud.operator() as operator:
            delivered = len(proof.list_recordings(operator))
    return _read(said, clips, delivered)


def _soak(board: VirtualBoard, clips: int) -> str:
    board.write_spec(cause="power_on", control=None)
    command = board.command_line(SCRIPT) + [str(clips)]
    with (board.folder / "serial.log").open("w+") as serial:
        try:
            subprocess.run(
                command,
                cwd=board.folder,
                stdin=subprocess.DEVNULL,
                stdout=serial,
                stderr=subprocess.STDOUT,
                env=board._environment(),
                timeout=60 + clips * _LIMIT_S_A_CLIP,
            )
        except subprocess.TimeoutExpired:
            serial.write("\nit did not come to an end\n")
        serial.seek(0)
        return serial.read()


def _read(said: str, clips: int, delivered: int) -> Soak:
    found = list(_HEAP.finditer(said))
    samples = [
        Sample(
            json.loads(f["line"])["clip"],
            json.loads(f["line"])["free_bytes"],
            int(f["largest"]) * _GC_BLOCK_BYTES,
        )
        for f in found
    ]
    faults = []
    if not samples or samples[-1].clip != clips or delivered != clips:
        faults.append(f"{delivered} of {clips} clips were delivered; it ended with {said[-600:]}")
    shortages = re.findall(r"^.*memory.*$", said, re.MULTILINE | re.IGNORECASE)
    faults += [f"it was short of memory: {line}" for line in shortages[:3]]
    return Soak(samples, faults, int(found[0]["total"]) if found else 0, delivered)


def judge(soak: Soak, clips: int, apart: int) -> list[str]:
    """What must not be: faults of the run, and a low-water mark that fell after `apart` clips."""
    if soak.faults:
        return soak.faults
    middle = apart + (clips - apart) // 2
    before, after = soak.low_water(apart + 1, middle), soak.low_water(middle + 1, clips)
    allowed = soak.heap_bytes * TOLERANCE_PCT // 100
    faults = []
    for what, early, late in zip(("free heap", "largest free block"), before, after, strict=True):
        # The largest block breathes with what lies at its edges; what crumbles falls for good.
        slack = allowed if what == "free heap" else 4 * allowed
        if late < early - slack:
            faults.append(f"the low-water mark of the {what} fell from {early} to {late} bytes")
    return faults


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.soak", description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--codec", choices=("wav", "flac"), default="wav")
    parser.add_argument("--heap", type=int, default=HEAP_KB, help="KiB")
    options = parser.parse_args(argv)
    apart = min(APART, options.clips // 4)
    with tempfile.TemporaryDirectory() as folder:
        soak = run(options.clips, pathlib.Path(folder), options.codec, options.heap)
    show(soak, options.clips, apart)
    faults = judge(soak, options.clips, apart)
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    return 1 if faults else 0


def show(soak: Soak, clips: int, apart: int) -> None:
    """The low-water marks, tenth by tenth of the run."""
    print(f"heap {soak.heap_bytes:,} bytes; clips delivered {soak.delivered}")
    print("      clips   lowest free   lowest largest block")
    bounds = [1, apart + 1] + [apart + (clips - apart) * n // 9 + 1 for n in range(1, 10)]
    for first, end in zip(bounds, bounds[1:], strict=False):
        if any(first <= s.clip < end for s in soak.samples):
            free, largest = soak.low_water(first, end - 1)
            note = "  (set apart)" if first == 1 else ""
            print(f"{first:5}-{end - 1:5}   {free:11,}   {largest:20,}{note}")


if __name__ == "__main__":
    sys.exit(main())
