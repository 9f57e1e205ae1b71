"""M10: instructions that FLAC costs a sample, and how many more its plain twin takes."""

from tools.bench import callgrind, codec
from tools.bench.rows import Row
from tools.bench.upload import need_micropython
from tools.sim.audio import SAMPLE, read_samples

_MOST_A_SAMPLE = 800
_LEAST_OVER_PLAIN = 15
_RATE_HZ = 16000


def measure(session):
    callgrind.needed()
    need_micropython()
    pcm_path = session.folder / "speech.pcm"
    pcm_path.write_bytes(read_samples(SAMPLE, _RATE_HZ)[: 60 * 1024].tobytes())
    viper, plain = session.folder / "viper", session.folder / "plain"
    codec.compile_codec(viper)
    session.say("lossless")
    each = codec.instructions_per_sample(viper, pcm_path, 0)
    rows = [Row("M10", "instructions a sample, lossless", each, most=_MOST_A_SAMPLE)]
    if session.quick:
        return _spread(rows)
    session.say("the plain twin")
    codec.compile_codec(plain, viper=False)
    slow = codec.instructions_per_sample(plain, pcm_path, 0, 2, 6)
    rows.append(Row("M10", "plain twin over viper", slow / each, least=_LEAST_OVER_PLAIN))
    session.say("30 dB")
    near = codec.instructions_per_sample(viper, pcm_path, 30)
    rows.append(Row("M10", "instructions a sample, near-lossless 30 dB", near))
    return _spread(rows)


def _spread(rows):
    for row in rows:
        row.spread = callgrind.SPREAD * row.value
    return rows
