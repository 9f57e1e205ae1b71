"""Why anything waits: one vocabulary for lane, clips, log, status, indicator and heartbeat.

A code that is not in its table cannot be shown: `Reason` refuses it, so that no place invents its
own. What would end the wait stands in reason_words.py. One text a table: as a tuple the same codes
cost three times the heap.
"""

from device.compat import forget_module

LANE = (
    " nothing_to_send sending starting link_down wifi_not_found wifi_refused wifi_error "
    "no_wifi_configured link_dead link_changing modem_silent sim_absent sim_busy sim_blocked "
    "sim_pin_needed sim_pin_wrong cellular_not_found cellular_denied roaming apn_refused "
    "no_carrier ppp_failed dns_failed connect_failed connection_lost timeout bad_answer portal "
    "throttled server_error no_token auth_refused tls_untrusted tls_wrong_name tls_dates "
    "clock_wait verification_pending link_too_slow url_refused config_refused low_memory "
    "read_failed storage_full storage_failed battery_low brown_out cap_day cap_month off_peak "
    "taking_turns other_epoch "
)
CLIP = (
    " refused gone_in_cloud conflict integrity_failure probably_uploaded too_short damaged "
    "file_missing record_unreadable collected other_epoch "
    "kills_device "
)
RECORDER = (
    " idle recording armed off_schedule time_unknown storage_full storage_failed "
    "microphone_failed microphone_dead microphone_stuck microphone_blocked low_memory battery_low "
    "dozing "
)
MEDIUM = " in_use medium_lost "  # the first of two media
UPDATE = (
    " no_key bad_signature bad_bundle bad_hash wrong_arch too_old installed no_room on_trial "
    "storage_failed low_memory "
)


def is_reason(table, code):
    """True if code is one of table's (LANE, CLIP, RECORDER)."""
    return isinstance(code, str) and " " not in code and (" " + code + " ") in table


def ends_when(table, code):
    """What would end a wait with this code, in words."""
    from device import reason_words as words

    texts = (
        (LANE, words.LANE),
        (CLIP, words.CLIP),
        (UPDATE, words.UPDATE),
        (MEDIUM, words.MEDIUM),
    )
    text = words.RECORDER
    for known, said in texts:
        if table is known:
            text = said
    forget_module("device.reason_words")
    start = text.index("\n" + code + ": ") + len(code) + 3
    return text[start : text.index("\n", start)]


class Reason:
    """Exactly one code at a time, since when, and when it will be looked at again.

    since_up_ms and again_up_ms are milliseconds of uptime; again_up_ms is None where only an
    event ends the wait.
    """

    def __init__(self, table, code, uptime_ms):
        self._table = table
        self._uptime_ms = uptime_ms
        self.code = None
        self.set(code)

    def set(self, code, detail="", again_up_ms=None):
        if not is_reason(self._table, code):
            raise ValueError("not a reason: " + code)
        if code != self.code:
            self.since_up_ms = self._uptime_ms()
        self.code = code
        self.detail = detail
        self.again_up_ms = again_up_ms

    def as_dict(self):
        now = self._uptime_ms()
        state = {
            "code": self.code,
            "since_s": (now - self.since_up_ms) // 1000,
            "ends_when": ends_when(self._table, self.code),
        }
        if self.detail:
            state["detail"] = self.detail
        if self.again_up_ms is not None:
            state["again_in_s"] = max(0, self.again_up_ms - now) // 1000
        return state
