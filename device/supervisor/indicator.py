"""What the light says: one table, the same for every board. The port knows how to show a code."""

from device.compat import const, sleep_ms

_LOOK_MS = const(500)
_NEEDS_SOMEBODY = (
    "no_token",
    "auth_refused",
    "tls_untrusted",
    "tls_wrong_name",
    "tls_dates",
    "wifi_refused",
    "no_wifi_configured",
    "config_refused",
    "storage_failed",
)

CODES = {
    "idle": "ready, nothing to send",
    "recording": "a take runs",
    "uploading": "a clip is on its way",
    "waiting": "clips wait for the network or the cloud",
    "error": "somebody must act: look at the status",
}


class IndicatorTask:
    """Follows recorder and lane and shows one code of CODES at a time."""

    def __init__(self, indicator, recorder, lane):
        self._indicator = indicator
        self._recorder = recorder
        self._lane = lane
        self.code = None

    async def run(self, check_in):
        while True:
            check_in(60_000)
            code = self._choose()
            if code != self.code:
                self.code = code
                self._indicator.show(code)
            await sleep_ms(_LOOK_MS)

    def _choose(self):
        if self._recorder.reason.code in ("storage_full", "storage_failed", "microphone_failed"):
            return "error"
        if self._recorder.is_recording():
            return "recording"
        code = self._lane.reason.code
        if code == "sending":
            return "uploading"
        if code in ("nothing_to_send", "starting"):
            return "idle"
        return "error" if code in _NEEDS_SOMEBODY else "waiting"
