"""The way over one Wi-Fi network: joins it and leaves it. Loaded for that alone."""

from device.compat import const, sleep_ms, ticks_diff, ticks_ms
from device.errors import DeviceError, Transient

_JOIN_LIMIT_MS = const(20_000)
_JOIN_STEP_MS = const(200)
_RADIO_OFF_MS = const(30_000)
_RADIO_STEP_MS = const(1_000)
_RUNG_RADIO_OFF = const(2)
_STEPS = ("join", "rejoin", "radio_off")

REASONS = {"not_found": "wifi_not_found", "refused": "wifi_refused"}


async def start(way, log):
    """Join; returns when there is an address. Raises Transient."""
    way.step = _STEPS[min(way.rung, _RUNG_RADIO_OFF)]
    if way.rung >= _RUNG_RADIO_OFF:  # leaving has put it off
        began = ticks_ms()
        while not way.is_held and ticks_diff(ticks_ms(), began) < _RADIO_OFF_MS:
            await sleep_ms(_RADIO_STEP_MS)
        if way.is_held:
            raise Transient("link_changing", "joining was interrupted")
    wifi = way.port
    wifi.connect(way.name, way.secrets.get("wifi:" + way.name) or "")
    started = ticks_ms()
    status = "joining"
    while not way.is_held and ticks_diff(ticks_ms(), started) < _JOIN_LIMIT_MS:
        status = wifi.status()
        if status == "up":
            return
        if status in ("not_found", "refused", "failed"):
            break
        await sleep_ms(_JOIN_STEP_MS)
    raise Transient(REASONS.get(status, "link_down"), status)


async def leave(way, log):
    try:
        way.port.disconnect()
    except DeviceError as e:
        log.warning("leaving failed %s", e)  # the next join begins with the radio off again
