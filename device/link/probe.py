"""Is the way open? One small exchange that nobody but the cloud can answer; loaded for it alone.

proof   any answer over verified TLS, whatever it says: GET /health of the API
away    no such answer, but the time server answers our own nonce: the way is open, and the
        cloud is not at its end now
"""

from device.compat import const
from device.errors import DeviceError

_MAX_BODY_BYTES = const(2048)
# It was the cloud that spoke, or its speech could not be read for a reason of ours.
_PROVES = ("tls_dates", "bad_answer", "low_memory")
_IN_THE_WAY = ("portal", "tls_untrusted", "tls_wrong_name")


async def ask(http, api_origin, net, ntp_server, nonce):
    """None if the way is proved; "away"; or the reason why not (a code of reasons.LANE).

    Waits at most for the limits of http and of one datagram.
    """
    try:
        await http.request("GET", api_origin + "/health", [], b"", _MAX_BODY_BYTES)
        return None
    except DeviceError as e:
        code = e.code
    if code in _PROVES:
        return None
    if code in _IN_THE_WAY:
        return code
    from device.link import ntp

    try:
        await ntp.ask(net, ntp_server, nonce)
        return "away"
    except DeviceError:
        return code
