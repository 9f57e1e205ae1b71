"""Is the way open? Small exchanges that only the one who is asked can answer; loaded for them.

First the time server, which answers our own nonce: that shows the way and costs the cloud nothing;
so a fleet whose cloud is away leaves it in peace. Then, if the caller allows it, the cloud itself:
any answer over verified TLS proves it, whatever it says (GET /health of the API).
"""

from device.compat import const, forget_module
from device.errors import DeviceError

_MAX_BODY_BYTES = const(2048)
# What the time server could not add anything to.
_SAID = ("portal", "tls_untrusted", "tls_wrong_name", "tls_dates", "low_memory")


async def ask(net, ntp_server, nonce, http, api_origin):
    """(code, is_time_heard) of a look at the way. http: HttpClient; None: the cloud is left alone.

    code: None, the cloud answered; "away", only the time server did; else the reason why nobody
    did (a code of reasons.LANE). Waits at most for the limits of net and http.
    """
    from device.link import ntp

    forget_module("device.link.ntp")
    try:
        await ntp.ask(net, ntp_server, nonce)
        code = "away"
    except DeviceError as e:
        code = "away" if e.code == "throttled" else e.code  # to be left alone is an answer too
    is_time_heard = code == "away"
    if http is None:
        return code, is_time_heard
    try:
        await http.request("GET", api_origin + "/health", [], b"", _MAX_BODY_BYTES)
        return None, is_time_heard
    except DeviceError as e:
        if e.code == "bad_answer":  # of a peer that was verified
            return None, is_time_heard
        return e.code if e.code in _SAID or not is_time_heard else code, is_time_heard
