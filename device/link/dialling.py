"""From a modem in an unknown state to a call that carries data. Loaded for a dialling only.

Steps, each bounded, each with its reason if it fails:
    wake       speed, a data mode left over from before a reset, power key      modem_silent
    SIM        present, PIN once and never a wrong one twice                    sim_…
    context    access point; the radio goes on after it                         apn_refused
    register   home, roaming where allowed                                      cellular_…, roaming
    attach     packet service                                                   cellular_denied
    dial       ATD*99#, else AT+CGDATA                                          no_carrier

Commands as in 3GPP TS 27.007: +CPIN 8.3, +CFUN 8.2, +CGDCONT 10.1.1, +CREG 7.2, +CGREG 10.1.20,
+CEREG 10.1.22, +CGATT 10.1.9, +CGDATA 10.1.12, +CSQ 8.5; how many tries a PIN has left: SIMCom
SIM7500_SIM7600 Series AT Command Manual V1.12 (4.6, AT+SPIC), Quectel EC20 AT Commands Manual V1.3
(AT+QPINC).
"""

from device.compat import const, is_digits, sleep_ms, ticks_diff, ticks_ms
from device.errors import NeedsOperator, Transient
from device.link.at import At, fields

_DEFAULT_BAUD = const(115_200)
_BOOT_MS = const(30_000)  # from the power key to the first OK
_OFF_MS = const(3_000)  # without supply, so that its capacitors are empty
_SHORT_MS = const(1_000)
_LONG_MS = const(10_000)
_SIM_MS = const(20_000)  # a SIM that is busy or was just switched on
_REGISTER_MS = const(120_000)
_DENIED_MS = const(45_000)  # a modem says so of one cell too; then it looks for others
_ATTACH_MS = const(75_000)
_DIAL_MS = const(60_000)
_STEP_MS = const(1_000)
_SAFE_TRIES = const(3)  # of a PIN nobody has got wrong yet
RUNG_RADIO = const(1)
RUNG_POWER = const(2)

_HOME, _DENIED, _AWAY = "1", "3", "5"  # <stat> of TS 27.007 7.2, as far as it carries data


async def call(modem, settings, secrets, rung, log, way=None):
    """Bring the modem to CONNECT; the byte port then belongs to PPP.

    settings: dict with apn, roaming. rung: of the ladder in docs/link.md. The modem port's
    signal_dbm and is_roaming are set. way: see At. Raises Transient or NeedsOperator (codes of
    reasons.LANE); interrupted within ten seconds, and whoever leaves the way then hangs up.
    """
    at = At(modem, way)
    await _wake(at, modem, rung, log)
    await _unlock(at, secrets, log)
    await _set_context(at, settings["apn"], rung)
    modem.is_roaming = await _register(at, settings["roaming"])
    modem.signal_dbm = await signal_dbm(at)
    await _attach(at)
    await _dial(at)


async def hang_up(modem):
    """After PPP has ended: out of the call, radio off. True if the modem answered."""
    at = At(modem)
    if not await at.sync(3):
        await at.escape()
        if not await at.sync(2):
            return False
    await at.ask("ATH", _SHORT_MS)
    await at.ask("AT+CFUN=4", _LONG_MS)
    return True


async def signal_dbm(at):
    """Signal strength in dBm, or None where the modem does not know (TS 27.007 8.5)."""
    _, lines = await at.ask("AT+CSQ", _SHORT_MS, "+CSQ:")
    for line in lines:
        first = fields(line)[0]
        if is_digits(first) and int(first) <= 31:
            return -113 + 2 * int(first)
    return None


async def _wake(at, modem, rung, log):
    if rung >= RUNG_POWER:
        log.warning("modem power is cycled")
        await _power_cycle(modem)
    elif await _answers(at, modem):
        return
    else:
        # Perhaps it still carries the data of a call that a reset of ours has forgotten.
        modem.open(modem.baud)
        await at.escape()
        if await _answers(at, modem):
            return
        await _press(modem, modem.key_on_ms)
    # A key that only toggles may have switched it off just now: then once more.
    for _ in range(2):
        started = ticks_ms()
        while ticks_diff(ticks_ms(), started) < _BOOT_MS:
            if await _answers(at, modem):
                return
            await at.pause(_STEP_MS)
        await _press(modem, modem.key_on_ms)
    raise Transient("modem_silent", "no answer to AT")


async def _answers(at, modem):
    """True if it answers at its speed, which is set if it still has the one of the factory."""
    modem.open(modem.baud)
    if await at.sync(3):
        return True
    if modem.baud == _DEFAULT_BAUD:
        return False
    modem.open(_DEFAULT_BAUD)
    if not await at.sync(3):
        modem.open(modem.baud)
        return False
    await at.ask("AT+IPR=%d" % modem.baud, _SHORT_MS)
    modem.open(modem.baud)
    return await at.sync(3)


async def _power_cycle(modem):
    if modem.supply(False):
        await sleep_ms(_OFF_MS)
        modem.supply(True)
        await sleep_ms(_STEP_MS)
    else:
        await _press(modem, modem.key_off_ms)
        await sleep_ms(2 * _OFF_MS)
    await _press(modem, modem.key_on_ms)


async def _press(modem, duration_ms):
    modem.key(True)
    try:
        await sleep_ms(duration_ms)
    finally:
        modem.key(False)


async def _unlock(at, secrets, log):
    started = ticks_ms()
    is_tried = False
    while True:
        result, lines = await at.ask("AT+CPIN?", _LONG_MS, "+CPIN:")
        state = lines[0] if lines else ""
        if state == "READY":
            if secrets.get("cellular:tried"):
                secrets.set("cellular:tried", "")
            return
        if state == "SIM PIN" and not is_tried:
            await _enter_pin(at, secrets, log)
            is_tried = True
        elif "PUK" in state or state.startswith("PH-") or result == "CME 12":
            raise NeedsOperator("sim_blocked", state[:24] or "SIM PUK")
        elif ticks_diff(ticks_ms(), started) > _SIM_MS:
            if result in ("CME 10", "CME 13", "CME 15") or "NOT" in state or "REMOVED" in state:
                raise Transient("sim_absent", state[:24] or result)
            raise Transient("sim_busy", state[:24] or result or "no answer")
        await at.pause(_STEP_MS)


async def _enter_pin(at, secrets, log):
    """One try of the PIN. That it is tried is durable before, and forgotten when the SIM opens."""
    pin = (secrets.get("cellular:pin") or "").strip()
    if not is_digits(pin) or not 4 <= len(pin) <= 8:
        raise NeedsOperator("sim_pin_needed", "no PIN" if not pin else "a PIN has 4 to 8 digits")
    left = await _tries_left(at)
    if secrets.get("cellular:tried") == pin and (left is None or left < _SAFE_TRIES):
        raise NeedsOperator("sim_pin_wrong", _left_text(left))
    if left is not None and left < 2:
        raise NeedsOperator("sim_pin_wrong", _left_text(left) + ": it is left for a person")
    secrets.set("cellular:tried", pin)
    result, _ = await at.ask('AT+CPIN="%s"' % pin, _LONG_MS)
    if result in ("CME 16", "CME 12", "ERROR", "CME 3"):
        raise NeedsOperator("sim_pin_wrong", _left_text(await _tries_left(at)))
    log.info("SIM PIN entered result=%s", result or "-")


async def _tries_left(at):
    """How many tries of the PIN the SIM has left, or None: no standard asks for it."""
    for command, prefix, place in (("AT+QPINC?", "+QPINC:", 1), ("AT+SPIC", "+SPIC:", 0)):
        _, lines = await at.ask(command, _SHORT_MS, prefix)
        for line in lines:
            found = fields(line)
            if prefix == "+QPINC:" and found[0] != "SC":
                continue
            if len(found) > place and is_digits(found[place]):
                return int(found[place])
    return None


def _left_text(left):
    return "tries left unknown" if left is None else "%d tries left" % left


async def _set_context(at, apn, rung):
    """Context 1 is ours; the radio goes on after it is set, because LTE attaches with it."""
    _, lines = await at.ask("AT+CGDCONT?", _SHORT_MS, "+CGDCONT:")
    is_set = False
    for line in lines:
        found = fields(line) + ["", ""]
        is_set = is_set or (found[0], found[1], found[2]) == ("1", "IP", apn)
    if not is_set or rung >= RUNG_RADIO:
        await at.ask("AT+CFUN=4", _LONG_MS)
        result, _ = await at.ask('AT+CGDCONT=1,"IP","%s"' % apn, _SHORT_MS)
        if result != "OK":
            raise Transient("apn_refused", result or "no answer")
    result, _ = await at.ask("AT+CFUN=1", _LONG_MS)
    if result != "OK":
        raise Transient("modem_silent", "CFUN " + (result or "no answer"))


async def _register(at, may_roam):
    """Wait for a network; returns True if it is not the SIM's own."""
    started = ticks_ms()
    while True:
        states = [await _state(at, "AT+CEREG?", "+CEREG:")]
        if states[0] != _HOME:
            states.append(await _state(at, "AT+CREG?", "+CREG:"))
            states.append(await _state(at, "AT+CGREG?", "+CGREG:"))
        waited_ms = ticks_diff(ticks_ms(), started)
        if _HOME in states:
            return False
        if _AWAY in states:
            if may_roam:
                return True
            raise Transient("roaming", "not allowed by cellular.roaming")
        if _DENIED in states and waited_ms > _DENIED_MS:
            raise Transient("cellular_denied", "registration")
        if waited_ms > _REGISTER_MS:
            raise Transient("cellular_not_found", "no network")
        await at.pause(2 * _STEP_MS)


async def _state(at, command, prefix):
    """<stat> of a registration. A report has it first, an answer second (TS 27.007 7.2)."""
    _, lines = await at.ask(command, _SHORT_MS, prefix)
    for line in lines:
        found = fields(line)
        is_answer = len(found) > 1 and is_digits(found[1]) and '"' not in line.split(",")[1]
        return found[1] if is_answer else found[0]
    return ""


async def _attach(at):
    _, lines = await at.ask("AT+CGATT?", _LONG_MS, "+CGATT:")
    if lines and lines[0] == "1":
        return
    result, _ = await at.ask("AT+CGATT=1", _ATTACH_MS)
    if result != "OK":
        raise Transient("cellular_denied", "attach " + (result or "no answer"))


async def _dial(at):
    for command in ("ATD*99#", 'AT+CGDATA="PPP",1'):
        result, _ = await at.ask(command, _DIAL_MS)
        if result == "CONNECT":
            return
        if result != "ERROR":
            break  # it understood; the other command would say the same
    raise Transient("no_carrier", result or "no answer")
