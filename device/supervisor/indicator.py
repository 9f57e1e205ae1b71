"""Which code the light shows. What each looks like is hal/lights.py, the same for every board."""

from device.compat import const, sleep_ms

_LOOK_MS = const(500)

_LINK = (
    "link_down wifi_not_found wifi_error link_dead link_changing modem_silent sim_busy "
    "cellular_not_found roaming no_carrier ppp_failed dns_failed connect_failed connection_lost "
    "portal link_too_slow"
).split()
_CLOUD = "timeout bad_answer throttled server_error url_refused taking_turns".split()
_MOMENT = (
    "clock_wait verification_pending low_memory read_failed storage_full brown_out cap_day "
    "cap_month off_peak"
).split()


def waiting_code(lane_code):
    """The code for what the lane waits for; a reason that no class has needs somebody."""
    if lane_code in _LINK:
        return "waiting_link"
    if lane_code == "battery_low":
        return "battery_low"
    if lane_code in _CLOUD:
        return "waiting_cloud"
    return "waiting" if lane_code in _MOMENT else "error"


class IndicatorTask:
    """Follows recorder and lane and shows one code of hal/lights.py at a time."""

    def __init__(self, indicator, recorder, lane):
        self._indicator = indicator
        self._recorder = recorder
        self._lane = lane
        self.code = None
        self.is_asleep = False  # set by who puts the board to sleep

    async def run(self, check_in):
        while True:
            check_in(60_000)
            code = "asleep" if self.is_asleep else self._choose()
            if code != self.code:
                self.code = code
                self._indicator.show(code)
            await sleep_ms(_LOOK_MS)

    def shown(self):
        """The code that the light shows now, None before its first."""
        return self.code

    def _choose(self):
        recorder = self._recorder.reason.code
        if recorder.startswith("storage_") or recorder.startswith("microphone_"):
            return "error"
        if self._recorder.is_recording():
            return "recording"
        if recorder == "battery_low":
            return "battery_low"
        if recorder == "armed":
            return "armed"
        code = self._lane.reason.code
        if code == "sending":
            return "uploading"
        if code in ("nothing_to_send", "starting", "other_epoch"):
            return "idle"
        return waiting_code(code)
