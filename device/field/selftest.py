"""The board's self-test: a progress line a test, facts and a reason code; words are the laptop's.

Parts are run by name (args["parts"]), in order; each is bounded and leaves nothing behind.
    microphone   level, noise floor, and the tone if args["tone_hz"] is played
    storage      speed, longest stall, free space
    battery      level, charging
    indicator    shows args["code"]; a person looks
    button       waits args["wait_s"] for a press
    roots        name and end of each trusted root of TLS
    network      each Wi-Fi and the modem, names, clock, TLS, the token (field/network.py)
    trial        two seconds of a tone go the whole way, as a clip of their own (same file)
"""

import asyncio
import gc
import math
import os

from device.compat import WAIT_ERRORS, sleep_ms, sync_file, ticks_diff, ticks_ms, wait_for_ms
from device.dates import iso8601
from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import settings_in_force

_BLOCK_FRAMES = 512
_HEAR_MS = 2_000
_CARD_BLOCKS = 64
_CARD_BLOCK_BYTES = 4096
_ROOT_DAYS = 365  # so long before its end a root is to be replaced


def run(board, args):
    """args: parts (list), and what single parts take. Returns {"device", "parts"}."""
    settings = settings_in_force(board)
    for name in args["parts"]:
        try:
            _PARTS[name](board, settings, args)
        except DeviceError as e:
            progress(test=name, ok=False, code=e.code, detail=str(e.detail))
        except OSError as e:
            progress(test=name, ok=False, code="errno", detail=str(e))
        gc.collect()
    return {"device": board.system.device_id, "parts": args["parts"]}


def _microphone(board, settings, args):
    levels, tones = asyncio.run(_hear(board.microphone, args.get("tone_hz") or 0))
    if not levels:
        progress(test="microphone", ok=False, code="silent", detail="no samples came")
        return
    levels.sort()
    facts = {"level_dbfs": _db(sum(levels) / len(levels)), "loudest_dbfs": _db(levels[-1])}
    facts["noise_dbfs"] = _db(levels[len(levels) // 10])
    code = "stuck" if levels[-1] == 0 else "clipped" if facts["level_dbfs"] > -3 else ""
    if tones:
        facts["tone_share_pct"] = round(100 * sum(tones) / len(tones))
        code = code or ("no_tone" if facts["tone_share_pct"] < 25 else "")
    progress(test="microphone", ok=not code, code=code, **facts)


async def _hear(microphone, tone_hz):
    """(mean square of each block, share of the tone in each) of two seconds."""
    from device.capture.ring import BlockRing

    ring = BlockRing(8, _BLOCK_FRAMES)
    levels, tones = [], []
    turn = 2 * math.cos(2 * math.pi * tone_hz / microphone.rate_hz)
    begun = ticks_ms()
    microphone.start(ring)
    try:
        while ticks_diff(ticks_ms(), begun) < _HEAR_MS:
            try:
                await wait_for_ms(ring.wait(), 500)
            except WAIT_ERRORS:
                break
            while True:
                found = ring.oldest()
                if not found:
                    break
                level, tone = _measure(found[0], found[1], turn)
                levels.append(level)
                if tone_hz and level:
                    tones.append(tone)
                ring.release()
    finally:
        microphone.stop()
        await sleep_ms(0)
    return levels, tones


def _measure(block, frames, turn):
    """(mean square without the constant part, share of the tone): Goertzel's recurrence."""
    total = squares = 0
    a = b = 0.0
    for i in range(frames):
        sample = block[2 * i] | block[2 * i + 1] << 8
        if sample & 0x8000:
            sample -= 0x10000
        total += sample
        squares += sample * sample
        a, b = sample + turn * a - b, a
    frames = max(1, frames)
    mean_square = max(0.0, squares / frames - (total / frames) ** 2)
    power = 2 * (a * a + b * b - turn * a * b) / frames / frames
    return mean_square, min(1.0, power / mean_square) if mean_square else 0.0


def _db(mean_square):
    """Of full scale, in dB with one decimal; -120 for silence."""
    if mean_square <= 0:
        return -120.0
    return round(10 * math.log(mean_square / 32768.0**2) / math.log(10), 1)


def _storage(board, settings, args):
    storage = board.storage
    path = storage.root + "/selftest.tmp"
    block = bytearray(_CARD_BLOCK_BYTES)
    stall_ms = 0
    free_kb = storage.free_bytes() // 1024
    blocks = min(_CARD_BLOCKS, max(0, free_kb - settings["storage.reserve_kb"]) // 4)
    begun = ticks_ms()
    try:
        with open(path, "wb") as f:
            for i in range(blocks):
                block[0] = i
                before = ticks_ms()
                f.write(block)
                sync_file(f)
                stall_ms = max(stall_ms, ticks_diff(ticks_ms(), before))
        write_ms = max(1, ticks_diff(ticks_ms(), begun))
        with open(path, "rb") as f:
            intact = all([f.read(_CARD_BLOCK_BYTES)[:1] == bytes([i]) for i in range(blocks)])
    finally:
        try:
            os.remove(path)
        except OSError:
            pass
    cover_ms = settings["recording.ring_blocks"] * settings["recording.block_ms"]
    code = "" if intact else "damaged"
    if not blocks:
        code = "storage_full"
    elif stall_ms > cover_ms // 2:
        code = code or "slow"
    facts = {"free_kb": free_kb, "total_kb": storage.total_bytes() // 1024, "stall_ms": stall_ms}
    facts["write_kb_s"] = blocks * 4 * 1000 // write_ms
    progress(test="storage", ok=not code, code=code, **facts)


def _battery(board, settings, args):
    percent = board.battery.percent()
    code = (
        "low" if percent is not None and percent < 15 and not board.battery.is_charging() else ""
    )
    progress(test="battery", ok=not code, code=code, percent=percent,
             charging=board.battery.is_charging())  # fmt: skip


def _indicator(board, settings, args):
    board.indicator.show(args.get("code", "error"))
    progress(test="indicator", ok=None, code=args.get("code", "error"))


def _button(board, settings, args):
    async def wait():
        await wait_for_ms(board.button.pressed(), args.get("wait_s", 10) * 1000)

    try:
        asyncio.run(wait())
        progress(test="button", ok=True, code="")
    except WAIT_ERRORS:
        progress(test="button", ok=False, code="not_pressed")


def _roots(board, settings, args):
    from device.update import certificate

    now_unix_s = max(board.clock.rtc_unix_s() or 0, board.clock.build_unix_s)
    count = 0
    for der in board.trusted_roots():
        count += 1
        name, ends_unix_s = certificate.read(der)
        left_days = (ends_unix_s - now_unix_s) // 86400
        code = "root_ended" if left_days < 0 else "root_ends" if left_days < _ROOT_DAYS else ""
        ends = iso8601(ends_unix_s * 1000)[:10]
        progress(test="roots", ok=not code, code=code, name=name, ends=ends)
    if not count:
        progress(test="roots", ok=False, code="no_roots")


def _network(board, settings, args):
    from device.field.network import test_network

    asyncio.run(test_network(board, settings))


def _trial(board, settings, args):
    from device.field.network import test_trial

    asyncio.run(test_trial(board, settings))


_PARTS = {
    "microphone": _microphone,
    "storage": _storage,
    "battery": _battery,
    "indicator": _indicator,
    "button": _button,
    "roots": _roots,
    "network": _network,
    "trial": _trial,
}
