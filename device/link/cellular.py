"""The way over 4G: dials and hangs up. Loaded for that alone, as the dialogue itself."""

from device.compat import const, forget_module, sleep_ms, ticks_diff, ticks_ms
from device.errors import DeviceError, Transient
from device.link import dialling

_PPP_UP_MS = const(40_000)  # LCP, authentication, IPCP: 3 s each for ten tries at worst
_PPP_DOWN_MS = const(8_000)  # two terminate requests, 3 s each
_STEP_MS = const(100)
_STEPS = ("dial", "redial", "power")


async def start(way, log):
    """Dial; returns when there is an address. Raises Transient or NeedsOperator; within seconds
    once way.is_held.
    """
    modem, settings, secrets = way.port, way.settings, way.secrets
    forget_module("device.link.dialling")
    forget_module("device.link.at")
    rung = dialling.RUNG_POWER if way.is_stuck else min(way.rung, dialling.RUNG_POWER)
    way.step = _STEPS[rung]
    await dialling.call(modem, settings, secrets, rung, log, way)
    password = secrets.get("cellular:password") or ""
    modem.start_data(settings["auth"], settings["user"], password)
    started = ticks_ms()
    while not way.is_held and ticks_diff(ticks_ms(), started) < _PPP_UP_MS:
        status = modem.data_status()
        if status == "up":
            way.is_stuck = False
            return
        if status == "failed":
            break
        await sleep_ms(_STEP_MS)
    raise Transient("ppp_failed", modem.data_status())


async def leave(way, log):
    """End data mode and put the modem's radio off. Bounded; a modem that does not follow loses its
    power at the next start.
    """
    modem = way.port
    forget_module("device.link.dialling")
    forget_module("device.link.at")
    try:
        modem.stop_data()
        started = ticks_ms()
        while modem.data_status() != "idle":
            if ticks_diff(ticks_ms(), started) > _PPP_DOWN_MS:
                way.is_stuck = True
                log.warning("PPP does not end")
                break
            await sleep_ms(_STEP_MS)
        if not await dialling.hang_up(modem):
            way.is_stuck = True
    except DeviceError as e:
        way.is_stuck = True
        log.warning("hanging up failed %s", e)
    modem.close()
