"""The board's self-test: a progress line a test, facts and a reason code; words are the laptop's.

Parts are run by name (args["parts"]), in order; each is bounded and leaves nothing behind.
    microphone   level, noise floor, and the tone if args["tone_hz"] is played
    storage      speed, longest stall, free space
    battery      level, charging
    indicator    shows args["code"]; a person looks
    button       waits args["wait_s"] for a press
    roots        name and end of each trusted root of TLS
    network      each network joined, signal, clock, the token by a heartbeat: with the
                 uploader's own client, and again with `requests` (probe.py)
"""

import asyncio
import gc
import json
import math
import os

from device.compat import WAIT_ERRORS, sleep_ms, sync_file, ticks_diff, ticks_ms, wait_for_ms
from device.dates import iso8601
from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import quiet_log, settings_in_force

_BLOCK_FRAMES = 512
_HEAR_MS = 2_000
_CARD_BLOCKS = 64
_CARD_BLOCK_BYTES = 4096
_JOIN_MS = 20_000
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
    asyncio.run(_all_networks(board, settings))


async def _all_networks(board, settings):
    from device.http.client import HttpClient
    from device.link import ntp
    from device.link.clock import Clock
    from device.transfer.cloud import Cloud

    names = settings["wifi.networks"]
    joined = None
    for name in names:
        board.wifi.connect(name, board.secrets.get("wifi:" + name) or "")
        status = await _joined(board.wifi)
        code = {"up": "", "not_found": "wifi_not_found", "refused": "wifi_refused"}.get(status)
        code = "link_down" if code is None else code
        progress(test="wifi", ok=not code, code=code, name=name, rssi_dbm=board.wifi.rssi_dbm())
        joined = name if not code else joined
    if joined is None:
        if not names:
            progress(test="wifi", ok=False, code="no_wifi_configured")
        return
    board.wifi.connect(joined, board.secrets.get("wifi:" + joined) or "")
    await _joined(board.wifi)
    clock = Clock(board.clock, board.secrets.counter("boot"), quiet_log(board))
    try:
        unix_ms, _ = await ntp.ask(board.net, settings["clock.ntp_server"], os.urandom(8))
        clock.witness(unix_ms, 50, "ntp")
        progress(test="clock", ok=True, code="", unix_s=unix_ms // 1000)
    except DeviceError as e:
        progress(test="clock", ok=False, code=e.code, detail=str(e.detail))
    client = HttpClient(board.net, memoryview(bytearray(2048)), [bytearray(512)])
    body = json.dumps({"device_state": "idle", "connection_type": ["wifi"]}).encode()
    url = settings["cloud.api_url"].rstrip("/")
    try:
        cloud = Cloud(client, url, board.secrets, clock)
        await cloud.heartbeat(body)
        progress(test="heartbeat", ok=True, code="")
    except DeviceError as e:
        progress(test="heartbeat", ok=False, code=e.code, detail=str(e.detail))
    client.close()
    gc.collect()
    _second_opinion(board, url, body)


def _second_opinion(board, url, body):
    from device.field.probe import fetch
    from device.transfer.cloud import clean_token

    url = (url[:-3] if url.endswith("/v1") else url) + "/v1/devices/me/heartbeat"
    token = clean_token(board.secrets.get("token"))
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    try:
        if not token:
            raise DeviceError("no_token")
        status, _ = fetch(board.net, "POST", url, headers, body)
        code = "" if status < 300 else "auth_refused" if status < 500 else "server_error"
        progress(test="second_opinion", ok=not code, code=code, status=status)
    except DeviceError as e:
        progress(test="second_opinion", ok=False, code=e.code, detail=str(e.detail))
    except ImportError:
        progress(test="second_opinion", ok=None, code="no_requests")


async def _joined(wifi):
    begun = ticks_ms()
    while ticks_diff(ticks_ms(), begun) < _JOIN_MS:
        status = wifi.status()
        if status not in ("joining", "idle"):
            return status
        await sleep_ms(100)
    return "failed"


_PARTS = {
    "microphone": _microphone,
    "storage": _storage,
    "battery": _battery,
    "indicator": _indicator,
    "button": _button,
    "roots": _roots,
    "network": _network,
}
