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


async def ask_time(net, ntp_server, nonce):
    """("away", True) if the time server answers, else (why not, False). Waits as net does."""
    from device.link import ntp

    forget_module("device.link.ntp")
    try:
        await ntp.ask(net, ntp_server, nonce)
        return "away", True
    except DeviceError as e:
        # To be left alone is an answer too.
        return ("away", True) if e.code == "throttled" else (e.code, False)


async def ask_cloud(http, api_origin, found):
    """(code, is_time_heard) of the whole look. found: of ask_time. Waits as http does.

    code: None, the cloud answered; "away", only the time server did; else the reason why nobody
    did (a code of reasons.LANE).
    """
    try:
        await http.request("GET", api_origin + "/health", [], b"", _MAX_BODY_BYTES)
        return None, found[1]
    except DeviceError as e:
        if e.code == "bad_answer":  # of a peer that was verified
            return None, found[1]
        return e.code if e.code in _SAID or not found[1] else "away", found[1]
