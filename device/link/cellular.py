"""The way over 4G: dials, knows whether PPP still stands, hangs up. The dialogue itself is loaded
for a dialling and let go of again; what stays is this.
"""

from device.compat import const, forget_module, sleep_ms, ticks_diff, ticks_ms
from device.errors import DeviceError, Transient

_PPP_UP_MS = const(40_000)  # LCP, authentication, IPCP: 3 s each for ten tries at worst
_PPP_DOWN_MS = const(8_000)  # two terminate requests, 3 s each
_STEP_MS = const(100)
_STEPS = ("dial", "redial", "power")
LIMIT_MS = const(600_000)  # above the sum of what dialling waits for


class Cellular:
    """modem: port; settings: dict with apn, user, auth, roaming; secrets: port."""

    kind = "4g"
    name = "4g"
    limit_ms = LIMIT_MS
    step = ""

    def __init__(self, modem, settings, secrets, log):
        self._modem = modem
        self._settings = settings
        self._secrets = secrets
        self._log = log
        self._facts = {"csq_dbm": None, "roaming": False}
        self._is_stuck = False

    async def start(self, rung):
        """Dial; returns when there is an address. Raises Transient or NeedsOperator."""
        from device.link import dialling

        modem, settings = self._modem, self._settings
        if self._is_stuck:
            rung = max(rung, dialling.RUNG_POWER)
        self.step = _STEPS[min(rung, dialling.RUNG_POWER)]
        try:
            await dialling.call(modem, settings, self._secrets, rung, self._facts, self._log)
        finally:
            forget_module("device.link.dialling")
            forget_module("device.link.at")
        password = self._secrets.get("cellular:password") or ""
        modem.start_data(settings["auth"], settings["user"], password)
        started = ticks_ms()
        while ticks_diff(ticks_ms(), started) < _PPP_UP_MS:
            status = modem.data_status()
            if status == "up":
                self._is_stuck = False
                return
            if status == "failed":
                break
            await sleep_ms(_STEP_MS)
        raise Transient("ppp_failed", modem.data_status())

    async def leave(self):
        """End data mode and put the modem's radio off. Bounded; a modem that does not follow loses
        its power at the next start.
        """
        from device.link import dialling

        try:
            self._modem.stop_data()
            started = ticks_ms()
            while self._modem.data_status() != "idle":
                if ticks_diff(ticks_ms(), started) > _PPP_DOWN_MS:
                    self._is_stuck = True
                    self._log.warning("PPP does not end")
                    break
                await sleep_ms(_STEP_MS)
            if not await dialling.hang_up(self._modem):
                self._is_stuck = True
        except DeviceError as e:
            self._is_stuck = True
            self._log.warning("hanging up failed %s", e)
        finally:
            forget_module("device.link.dialling")
            forget_module("device.link.at")
        self._modem.close()

    def is_up(self):
        return self._modem.data_status() == "up"

    def address(self):
        return self._modem.address()

    def rssi_dbm(self):
        """As it was at the dialling: a modem in data mode hears no question."""
        return self._facts["csq_dbm"]

    def as_dict(self):
        return {"roaming": self._facts["roaming"]}
