"""The part of the self-test that needs a network: the way to the cloud, step by step, so that the
first line that is bad names the step that fails.

    wifi            each network of the settings joined: signal
    modem           SIM, registration, signal, a call that is ended again
    dns             the API's name has an address
    clock           the time from NTP
    tls             the API answers over TLS with a certificate that is trusted (no token is sent)
    heartbeat       the token is accepted, with the uploader's own client
    second_opinion  the same with `requests` (probe.py)

and test_trial, a clip of its own through create, storage and completion.
"""

import gc
import json
import os

from device.compat import WAIT_ERRORS, sleep_ms, ticks_diff, ticks_ms, wait_for_ms
from device.errors import DeviceError
from device.field.entry import progress
from device.field.opened import open_store, quiet_log

_JOIN_MS = 20_000
_TRIAL_MS = 180_000  # two seconds of WAV over the slowest link
_TRIAL_RATE_HZ = 16000
_TRIAL_S = 2
_TRIAL_TONE_HZ = 1000


async def test_network(board, settings):
    """A progress line a step; what depends on a step that failed is left out."""
    await _test_modem(board, settings)
    if not await _join_each(board, settings):
        return
    clock = await _test_clock(board, settings)
    client, cloud, base = _client(board, settings, clock)
    try:
        await _test_tls(client, base)
        await _test_token(board, cloud)
    finally:
        client.close()
    gc.collect()
    _second_opinion(board, base)


async def test_trial(board, settings):
    """Two seconds of a tone as a clip of their own: create, storage (TLS included), completion.

    It stands in the store like any other clip: what a fault leaves of it the recorder sends.
    """
    from device.identity import seeded_bits, store_id
    from device.transfer.whole_file import WholeFile

    if not await _join_one(board, settings):
        progress(test="trial_clip", ok=False, code="link_down")
        return
    clock, _ = await _clock_of(board, settings)
    client, cloud, _ = _client(board, settings, clock)
    secrets, device_id = board.secrets, board.system.device_id
    store = open_store(board)
    bits = seeded_bits(device_id, secrets.counter("boot"))
    way = WholeFile(store, cloud, clock, device_id, store_id(secrets, bits), quiet_log(board))
    clip = _make_clip(store, secrets, clock)
    begun = ticks_ms()
    try:
        await wait_for_ms(way.advance(clip), _TRIAL_MS)
        recording = clip.record.get("rid")
        took_ms = ticks_diff(ticks_ms(), begun)
        store.free(clip)
        progress(test="trial_clip", ok=True, code="", recording=recording, took_ms=took_ms)
    except DeviceError as e:
        progress(test="trial_clip", ok=False, code=e.code, detail=_where(clip) + str(e.detail))
    except WAIT_ERRORS:
        progress(test="trial_clip", ok=False, code="timeout", detail=_where(clip))
    finally:
        client.close()


def _where(clip):
    """How far a clip came: what failed is what comes after it."""
    return "clip %d is %s; " % (clip.number, clip.state)


def _make_clip(store, secrets, clock):
    """A closed clip with a tone, as capture would have left it."""
    from math import pi, sin

    from device.codec.wav import WavCodec

    codec = WavCodec(_TRIAL_RATE_HZ)
    header = memoryview(bytearray(64))
    header = header[: codec.write_header(header)]
    period = _TRIAL_RATE_HZ // _TRIAL_TONE_HZ
    block = bytearray(512 * 2)
    for i in range(512):
        value = int(8000 * sin(2 * pi * (i % period) / period))
        block[2 * i], block[2 * i + 1] = value & 0xFF, value >> 8 & 0xFF
    facts = {"codec": "wav", "hz": _TRIAL_RATE_HZ, "take": 0, "index": 0, "first": 0}
    facts.update(boot=secrets.counter("boot"), up=clock.uptime_ms())
    facts["epoch"] = secrets.counter("epoch")
    start = clock.unix_ms()
    if start is not None:
        facts["start"] = start
    clip, writer = store.open(facts)
    writer.write_header(header)
    left = _TRIAL_S * _TRIAL_RATE_HZ
    while left:
        frames = min(left, 512)
        writer.write(memoryview(block)[: 2 * frames], frames)
        left -= frames
    store.close(clip, writer, samples=_TRIAL_S * _TRIAL_RATE_HZ, last=1)
    return clip


def _client(board, settings, clock):
    """(HttpClient, Cloud, origin of the API without /v1)."""
    from device.http.client import HttpClient
    from device.transfer.cloud import Cloud

    client = HttpClient(board.net, memoryview(bytearray(2048)), [bytearray(512)])
    base = settings["cloud.api_url"].rstrip("/")
    base = base[:-3] if base.endswith("/v1") else base
    return client, Cloud(client, base, board.secrets, clock), base


async def _test_modem(board, settings):
    """Dial as the recorder does, tell the signal, hang up: no data goes over it."""
    modem = board.open_modem()
    if not settings["cellular.apn"]:
        said = "none on board" if modem is None else "on board, but no cellular.apn is set"
        progress(test="modem", ok=None, code="", said=said)
        return
    if modem is None:
        progress(test="modem", ok=False, code="no_modem")
        return
    from device.link import dialling

    part = {name: settings["cellular." + name] for name in ("apn", "roaming")}
    try:
        await dialling.call(modem, part, board.secrets, 0, quiet_log(board))
        said = "abroad (roaming)" if modem.is_roaming else "home network"
        progress(test="modem", ok=True, code="", rssi_dbm=modem.signal_dbm, said=said)
    except DeviceError as e:
        progress(test="modem", ok=False, code=e.code, detail=str(e.detail))
    finally:
        await dialling.hang_up(modem)
        modem.close()


async def _join_each(board, settings):
    """True if one of the networks lets the board in; it is left joined."""
    names = settings["wifi.networks"]
    joined = None
    for name in names:
        code = await _join(board, name)
        progress(test="wifi", ok=not code, code=code, name=name, rssi_dbm=board.wifi.rssi_dbm())
        joined = name if not code else joined
    if not names:
        progress(test="wifi", ok=False, code="no_wifi_configured")
    elif joined is not None and joined != names[-1]:
        await _join(board, joined)
    return joined is not None


async def _join_one(board, settings):
    for name in settings["wifi.networks"]:
        if board.wifi.status() == "up" or not await _join(board, name):
            return True
    return False


async def _join(board, name):
    """Join one network; "" or the reason why not."""
    board.wifi.connect(name, board.secrets.get("wifi:" + name) or "")
    begun = ticks_ms()
    status = "joining"
    while status in ("joining", "idle") and ticks_diff(ticks_ms(), begun) < _JOIN_MS:
        await sleep_ms(100)
        status = board.wifi.status()
    codes = {"up": "", "not_found": "wifi_not_found", "refused": "wifi_refused"}
    return codes.get(status, "link_down")


async def _clock_of(board, settings):
    """(clock, None) set by NTP, or (clock, DeviceError) as it was."""
    from device.link import ntp
    from device.link.clock import Clock

    clock = Clock(board.clock, board.secrets.counter("boot"), quiet_log(board))
    try:
        unix_ms, _ = await ntp.ask(board.net, settings["clock.ntp_server"], os.urandom(8))
        clock.witness(unix_ms, 50, "ntp")
    except DeviceError as e:
        return clock, e
    return clock, None


async def _test_clock(board, settings):
    clock, fault = await _clock_of(board, settings)
    if fault:
        progress(test="clock", ok=False, code=fault.code, detail=str(fault.detail))
    else:
        progress(test="clock", ok=True, code="", unix_s=clock.unix_s())
    return clock


async def _test_tls(client, base):
    """Names and TLS, apart from the token: any answer of the API is a good one."""
    code = detail = ""
    try:
        response = await client.request("GET", base + "/health", [])
        detail = "status=%d" % response.status_code
    except DeviceError as e:
        code, detail = e.code, str(e.detail)
    is_name = code == "dns_failed"
    progress(test="dns", ok=not is_name, code=code if is_name else "", detail=detail)
    if not is_name:
        progress(test="tls", ok=not code, code=code, detail=detail)


async def _test_token(board, cloud):
    try:
        await cloud.heartbeat(_heartbeat())
        progress(test="heartbeat", ok=True, code="")
    except DeviceError as e:
        progress(test="heartbeat", ok=False, code=e.code, detail=str(e.detail))


def _heartbeat():
    return json.dumps({"device_state": "idle", "connection_type": ["wifi"]}).encode()


def _second_opinion(board, base):
    from device.field.probe import fetch
    from device.transfer.tokens import clean_token

    url = base + "/v1/devices/me/heartbeat"
    token = clean_token(board.secrets.get("token"))
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    try:
        if not token:
            raise DeviceError("no_token")
        status, _ = fetch(board.net, "POST", url, headers, _heartbeat())
        code = "" if status < 300 else "auth_refused" if status < 500 else "server_error"
        progress(test="second_opinion", ok=not code, code=code, status=status)
    except DeviceError as e:
        progress(test="second_opinion", ok=False, code=e.code, detail=str(e.detail))
    except ImportError:
        progress(test="second_opinion", ok=None, code="no_requests")
