"""Is the way open? One small exchange that nobody but the cloud can answer; loaded for it alone.

proof   any answer over verified TLS, whatever it says: GET /health of the API
away    no such answer, but the time server answers our own nonce: the way is open, and the
        cloud is not at its end now
"""

from device.compat import const
from device.errors import DeviceError

_MAX_BODY_BYTES = const(2048)
# What the time server could not add anything to.
_SAID = ("portal", "tls_untrusted", "tls_wrong_name", "tls_dates", "low_memory")


async def ask(http, api_origin, net, ntp_server, nonce):
    """None if the way is proved; "away"; or the reason why not (a code of reasons.LANE).

    Waits at most for the limits of http and of one datagram.
    """
    try:
        await http.request("GET", api_origin + "/health", [], b"", _MAX_BODY_BYTES)
        return None
    except DeviceError as e:
        code = e.code
    if code == "bad_answer":
        return None
    if code in _SAID:
        return code
    from device.link import ntp

    try:
        await ntp.ask(net, ntp_server, nonce)
        return "away"
    except DeviceError:
        return code
