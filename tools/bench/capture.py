"""What capture stands: samples lost against the length of a stall, and how long a block holds the
loop.

    python -m tools.bench.capture

The stall table is counted in virtual time with the recorder's own ring and the simulator's
microphone: every ten seconds the consumer stands still, as a card or a TLS handshake makes it.
"""

import argparse
import array
import shutil
import sys
import tempfile
from pathlib import Path

from device.capture.ring import BlockRing
from device.config import defaults
from device.hal.sim import microphone
from tools.bench import codec

DRIVER_MS = 500  # docs/hardware.md: what the DMA buffers of the boards are sized for
RATES_HZ = (16000, 48000)
STALLS_MS = (50, 100, 250, 500, 750, 1000, 1250, 1500, 2000, 3000)
PERIOD_MS = 10_000


class _Pause:
    """What the virtual sleep_ms gives: the runner below reads how long."""

    def __init__(self, duration_ms):
        self.duration_ms = duration_ms

    def __await__(self):
        yield self.duration_ms


def frames_lost(rate_hz: int, stall_ms: int, driver_ms: int = DRIVER_MS, turns: int = 6) -> float:
    """Frames that one stall of so many ms costs, on average over turns."""
    settings = defaults()
    block_frames = rate_hz * settings["recording.block_ms"] // 1000
    ring = BlockRing(settings["recording.ring_blocks"], block_frames)
    now_ms = 0
    replaced = microphone.ticks_ms, microphone.sleep_ms
    microphone.ticks_ms = lambda: now_ms
    microphone.sleep_ms = _Pause
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "heard"
        with heard.open("wb") as f:
            f.truncate(2 * rate_hz * (turns + 1) * PERIOD_MS // 1000)
        port = microphone.Microphone(
            str(heard), folder + "/truth", rate_hz, 1, driver_ms, lambda *_, **__: None
        )
        try:
            with heard.open("rb") as source, (Path(folder) / "truth").open("wb", 0) as truth:
                paced = port._paced(ring, source, truth)
                wake_ms = 0
                while now_ms < turns * PERIOD_MS:
                    if now_ms >= wake_ms:
                        wake_ms = now_ms + paced.send(None)
                    stalled = now_ms % PERIOD_MS >= PERIOD_MS - stall_ms
                    while not stalled and ring.oldest() is not None:
                        ring.release()
                    now_ms += 1
                paced.close()
        finally:
            microphone.ticks_ms, microphone.sleep_ms = replaced
    return ring.lost_frames / turns


def print_stalls() -> None:
    print(f"milliseconds lost by a stall (ring of the defaults, {DRIVER_MS} ms in the driver)\n")
    print(f"{'stall ms':>9}" + "".join(f"{rate // 1000:>8} kHz" for rate in RATES_HZ))
    for stall_ms in STALLS_MS:
        lost = [1000 * frames_lost(rate, stall_ms) / rate for rate in RATES_HZ]
        print(f"{stall_ms:>9}" + "".join(f"{ms:>12.0f}" for ms in lost))


def print_hold() -> None:
    """Derived as in tools.bench.codec: instructions x assumed cycles / clock."""
    if not shutil.which("valgrind"):
        print("\nvalgrind is not installed: no figures for how long a block holds the loop")
        return
    sound = array.array("h", [0] * 16000 * 3)
    files = sorted(codec._AUDIO.glob("*.wav"))
    if files:
        sound = array.array("h", codec.read_wav(files[0])[0].tobytes())
    block_ms = defaults()["recording.block_ms"]
    with tempfile.TemporaryDirectory() as folder:
        pcm_path = Path(folder) / "pcm"
        pcm_path.write_bytes(sound.tobytes())
        code = Path(folder) / "code"
        codec.compile_codec(code)
        print(f"\nms that encoding a block of {block_ms} ms holds the loop (derived, limit 50):\n")
        print(f"{'setting':<10}" + "".join(f"{rate // 1000:>8} kHz" for rate in RATES_HZ))
        for snr in (0, 30):
            a_sample = codec.instructions_per_sample(code, pcm_path, snr)
            cells = ""
            for rate in RATES_HZ:
                cycles = a_sample * codec.ASSUMED_CYCLES_PER_IR * rate * block_ms / 1000
                cells += f"{1000 * cycles / codec.S3_HZ:>12.1f}"
            print(f"{f'{snr} dB' if snr else 'lossless':<10}" + cells)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.capture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    print_stalls()
    print_hold()
    return 0


if __name__ == "__main__":
    sys.exit(main())
