"""A new device token in exchange for the one in force. Loaded when one is due, and let go again.

  1. POST /devices/<id>/token/refresh with the token in force: from its answer on that one is dead
  2. the new one is kept as token_next              a crash before leaves the dead one (below)
  3. the next call of the API uses it, and if it is accepted it becomes `token` (tokens.py)

What nobody can mend from here: an answer lost between 1 and 2. The old token is dead then and the
new one unknown, so the device must be provisioned anew. Therefore it is off by default, done at
most once a day, only after a call that went well just before, and never beside an upload.
"""

from device.api import verdict
from device.errors import DeviceError, Transient
from device.transfer.tokens import clean_token

DAY_S = 86400
_COUNTER = "token_day"  # secrets: the day (since 1970) of the last refresh, or of the first look


def is_due(secrets, clock, days):
    """True if the token is older than so many days. Begins to count at the first call."""
    now_s = clock.unix_s()
    if now_s is None or not days or secrets.get("token_next"):
        return False
    today, last = now_s // DAY_S, secrets.counter(_COUNTER)
    if not last:
        secrets.raise_counter(_COUNTER, today)
        return False
    return today - last >= days


async def refresh(cloud, secrets, clock, log):
    """Ask for the new token. Never raises DeviceError: whatever it met, the old one is kept."""
    device = secrets.get("cloud_id")
    if not device:
        log.info("token not refreshed: no create has told the device's id yet")
        return
    # Counted before: an answer that is lost must not be asked for again with a dead token.
    secrets.raise_counter(_COUNTER, clock.unix_s() // DAY_S)
    try:
        response = await cloud.post("/devices/%s/token/refresh" % device, b"")
        verdict.raise_for_api(response, clock.unix_s())
        found = response.json().get("device_token")
        token = clean_token(found) if isinstance(found, str) else ""
        if not token:
            raise Transient("bad_answer", "refresh without a token")
        secrets.set("token_next", token)
        log.info("token refreshed")
    except DeviceError as e:
        log.error("token not refreshed %s; if it is refused from now on, provision it anew", e)
