"""What the FLAC encoder achieves: sizes and SNR beside other codecs, instructions, expected load.

    python -m tools.bench.codec [--audio DIR] [--quick]

Programs that are not installed (flac, ffmpeg, opusenc, valgrind) leave their rows out.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import soundfile

from device.codec.flac import BLOCK_SAMPLES, FlacEncoder
from tools.bench import callgrind
from tools.sim.build import HOST_ARCH, compile_module

_ROOT = Path(__file__).resolve().parents[2]
_AUDIO = _ROOT.parent / "shared" / "audio"
SETTINGS_DB = (0, 36, 30, 25)

# The board runs about as many instructions as x86-64: viper emits the same steps for both, and
# the code bytes agree (x64 about 3.9 bytes an instruction, xtensawin about 2.7). Two cycles each
# is an assumption, for load-use stalls, taken branches and memory.
ASSUMED_CYCLES_PER_IR = 2
S3_HZ = 240_000_000

_WORK = """
import sys
from device.codec.flac import FlacEncoder
path, snr_db, blocks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, "rb") as f:
    pcm = memoryview(f.read())
encoder = FlacEncoder(16000, snr_db)
out = memoryview(bytearray(encoder.max_encoded_bytes(1024)))
pieces = [pcm[i : i + 2048] for i in range(0, len(pcm) - 2047, 2048)]
for i in range(blocks):
    encoder.encode(pieces[i % len(pieces)], out)
"""


def read_wav(path):
    with wave.open(str(path)) as f:
        return np.frombuffer(f.readframes(f.getnframes()), "<i2"), f.getframerate()


def encode(x, rate_hz, snr_db):
    """Return the stream as it leaves the recorder."""
    encoder = FlacEncoder(rate_hz, snr_db)
    out = memoryview(bytearray(encoder.max_encoded_bytes(len(x)) + encoder.header_bytes))
    n = encoder.header_bytes
    n += encoder.encode(memoryview(x.tobytes()), out[n:])
    n += encoder.finish(out[n:])
    encoder.upload_header(len(x), encoder.facts(), out)
    return bytes(out[:n])


def snr_db(pairs):
    """Return the SNR over all (original, decoded) pairs together, None if they are equal."""
    signal = sum(float((x.astype(float) ** 2).sum()) for x, _ in pairs)
    noise = sum(float(((x.astype(float) - y) ** 2).sum()) for x, y in pairs)
    return 10 * np.log10(signal / noise) if noise else None


def _tool(command, made):
    subprocess.run([str(c) for c in command], check=True, capture_output=True, timeout=120)
    return made.stat().st_size


def reference_bytes(path, folder, *options):
    """Return the size that the reference encoder makes of a WAV file, without padding."""
    made = Path(folder) / "reference.flac"
    command = ["flac", "-s", "-f", "--no-padding", "--no-seektable", *options, "-o", made, path]
    return _tool(command, made)


def _adpcm(path, folder):
    made = Path(folder) / "adpcm.wav"
    back = Path(folder) / "back.wav"
    quiet = ["ffmpeg", "-v", "error", "-y", "-i"]
    size = _tool([*quiet, path, "-c:a", "adpcm_ima_wav", "-block_size", "256", made], made)
    _tool([*quiet, made, "-c:a", "pcm_s16le", back], back)
    return size, soundfile.read(back, dtype="int16")[0]


def _opus(path, folder):
    made = Path(folder) / "voice.opus"
    return _tool(["opusenc", "--quiet", "--bitrate", "32", path, made], made)


def compile_codec(folder, viper=True):
    """Compile the codec for the unix port into folder; without viper the plain twin will run."""
    for source in [_ROOT / "device" / "compat.py", *(_ROOT / "device" / "codec").glob("*.py")]:
        if viper or "_viper" not in source.name:
            name = source.relative_to(_ROOT).with_suffix(".mpy")
            compile_module(source, Path(folder) / name, str(name), HOST_ARCH)


def instructions(folder, pcm_path, snr, blocks):
    """Return the instructions that callgrind counts for encoding that many blocks."""
    script = Path(folder) / "work.py"
    script.write_text(_WORK)
    path = f"{folder}:.frozen"
    words = [pcm_path, snr, blocks]
    return callgrind.instructions(script, *words, heap_kb=8192, path=path, cwd=folder)


def instructions_per_sample(folder, pcm_path, snr, short=8, long=48):
    """Start-up and reading cancel in the difference of two lengths."""
    more = instructions(folder, pcm_path, snr, long) - instructions(folder, pcm_path, snr, short)
    return more / ((long - short) * BLOCK_SAMPLES)


def opcodes_per_sample(x, snr):
    """Return the bytecodes that CPython runs for a sample: work that no other load disturbs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    encoder = FlacEncoder(16000, snr)
    out = memoryview(bytearray(encoder.max_encoded_bytes(len(x))))
    pcm = memoryview(x.tobytes())
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        encoder.encode(pcm, out)
    finally:
        sys.settrace(before)
    return count / len(x)


def _row(name, size, pcm_bytes, seconds, ratio):
    kbit = size * 8 / seconds / 1000
    exact = "exact" if ratio is None else ratio if isinstance(ratio, str) else f"{ratio:.1f} dB"
    print(f"{name:<26}{size:>9}{100 * size / pcm_bytes:>8.2f} %{kbit:>8.1f}{exact:>10}")


def _sizes(files, folder):
    sounds = [read_wav(p) for p in files]
    seconds = sum(len(x) / rate for x, rate in sounds)
    pcm_bytes = sum(2 * len(x) for x, _ in sounds)
    print(f"{len(files)} files, {seconds:.1f} s\n")
    print(f"{'setting':<26}{'bytes':>9}{'of PCM':>10}{'kbit/s':>8}{'SNR':>10}")
    speed = []
    for snr in SETTINGS_DB:
        begun = time.perf_counter()
        streams = [encode(x, rate, snr) for x, rate in sounds]
        speed.append((snr, seconds / (time.perf_counter() - begun)))
        pairs = []
        for (x, _), data in zip(sounds, streams, strict=True):
            path = Path(folder) / "ours.flac"
            path.write_bytes(data)
            pairs.append((x, soundfile.read(path, dtype="int16")[0]))
        name = f"ours, {snr} dB" if snr else "ours, lossless"
        _row(name, sum(map(len, streams)), pcm_bytes, seconds, snr_db(pairs))
    if shutil.which("flac"):
        for options in ("-l 0 -b 512", "-0", "-5 -b 512", "-5 -b 1024", "-5", "-8"):
            size = sum(reference_bytes(p, folder, *options.split()) for p in files)
            _row("flac " + options, size, pcm_bytes, seconds, None)
    if shutil.which("ffmpeg"):
        made = [_adpcm(p, folder) for p in files]
        pairs = [(x, y[: len(x)]) for (x, _), (_, y) in zip(sounds, made, strict=True)]
        pairs = [(x[: len(y)], y) for x, y in pairs]
        _row("IMA-ADPCM (ffmpeg)", sum(s for s, _ in made), pcm_bytes, seconds, snr_db(pairs))
    if shutil.which("opusenc"):
        size = sum(_opus(p, folder) for p in files)
        _row("Opus 32 kbit/s (opusenc)", size, pcm_bytes, seconds, "-")
    print("\nplain twin on CPython, times real time (wall clock):")
    print("  " + ", ".join(f"{snr or 'lossless'}: {factor:.0f}" for snr, factor in speed))
    x = sounds[0][0][20480:22528]
    counts = [f"{snr or 'lossless'}: {opcodes_per_sample(x, snr):.0f}" for snr in SETTINGS_DB]
    print("plain twin on CPython, bytecodes a sample:\n  " + ", ".join(counts))


def _speed(files, folder):
    if not shutil.which("valgrind"):
        print("\nvalgrind is not installed: no instruction counts")
        return
    pcm_path = Path(folder) / "pcm"
    pcm_path.write_bytes(read_wav(files[0])[0].tobytes())
    viper = Path(folder) / "viper"
    plain = Path(folder) / "plain"
    compile_codec(viper)
    compile_codec(plain, viper=False)
    print("\ninstructions a sample on MicroPython's unix port (callgrind, start-up subtracted):")
    print(f"{'setting':<12}{'viper':>8}{'plain':>9}{'ratio':>8}{'S3 at 16 kHz':>14}{'48 kHz':>9}")
    for snr in SETTINGS_DB:
        fast = instructions_per_sample(viper, pcm_path, snr)
        slow = instructions_per_sample(plain, pcm_path, snr, 2, 6)
        load = 100 * fast * ASSUMED_CYCLES_PER_IR / S3_HZ
        name = f"{snr} dB" if snr else "lossless"
        print(
            f"{name:<12}{fast:>8.0f}{slow:>9.0f}{slow / fast:>7.0f}x"
            f"{load * 16000:>12.1f} %{load * 48000:>7.1f} %"
        )
    print(
        f"ESP32-S3 load is derived, not measured: instructions a sample x rate x "
        f"{ASSUMED_CYCLES_PER_IR} cycles (assumed) / {S3_HZ // 1000000} MHz, one core."
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=_AUDIO, help="folder of mono 16-bit WAV")
    parser.add_argument("--quick", action="store_true", help="leave out the instruction counts")
    args = parser.parse_args(argv)
    files = sorted(args.audio.glob("*.wav"))
    if not files:
        print(f"no WAV files in {args.audio}: name a folder with --audio", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        _sizes(files, folder)
        if not args.quick:
            _speed(files, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
