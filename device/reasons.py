"""Why anything waits: one vocabulary for lane, clips, log, status, indicator and heartbeat.

Each line is a code and what would end the wait. A code that is not in its table cannot be shown:
`Reason` refuses it, so that no place invents its own. One text a table: as a dict the same words
cost three times the heap.
"""

LANE = """
nothing_to_send: a clip is closed
sending: the clip in hand is delivered
starting: the start-up is through
link_down: Wi-Fi connects
wifi_not_found: the network comes into reach
wifi_refused: the Wi-Fi password is corrected
no_wifi_configured: a network is put into the settings
dns_failed: the name server answers
connect_failed: the server accepts a connection
connection_lost: the connection holds for a whole transfer
timeout: the server answers in time
bad_answer: the server answers as its contract says
portal: a sign-in page stops answering in place of the cloud
throttled: the cool-down that the server asked for is over
server_error: the server recovers
no_token: a device token is provisioned
auth_refused: the device token is renewed or its binding restored
tls_untrusted: the server shows a certificate that our roots sign
tls_wrong_name: the server shows a certificate for its own name
tls_dates: the certificate is renewed, or the clock set
clock_wait: the time is known, or the wait for it is over
verification_pending: the cloud has hashed what it stored
url_refused: storage accepts a fresh upload URL
config_refused: the settings are corrected
low_memory: memory for a connection is free
storage_full: there is room for a record again
storage_failed: the medium is exchanged or mounts again
"""
CLIP = """
refused: somebody looks at what the cloud said and requeues it
gone_in_cloud: somebody decides whether to send it again
conflict: somebody compares it with the cloud
integrity_failure: it is sent again
probably_uploaded: somebody finds it in the cloud
too_short: nothing: it holds less than one second
damaged: somebody looks at the file
file_missing: nothing: the audio is gone
record_unreadable: somebody looks at the record
collected: its receipt comes over the cable, or somebody requeues it
other_epoch: the recorder is bound to its former user again, or somebody decides
"""
RECORDER = """
idle: the button is pressed
recording: the take is stopped
storage_full: sent clips are freed
storage_failed: the medium is exchanged or mounts again
microphone_failed: the microphone is repaired
low_memory: memory is free again
"""


def is_reason(table, code):
    """True if code is one of table's (LANE, CLIP, RECORDER)."""
    return isinstance(code, str) and ("\n" + code + ": ") in table


def ends_when(table, code):
    """What would end a wait with this code, in words."""
    start = table.index("\n" + code + ": ") + len(code) + 3
    return table[start : table.index("\n", start)]


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
