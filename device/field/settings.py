"""Secrets of a provisioning: staged in the secrets store, live only with the commit of the rest.

    stage     {"values": {key: text}, "counters": {key: number}}: kept under one key, not yet used
    compare   the same: which keys are not live as given (names only), and of what is live: token
              (is one there), its fingerprint, bound_to (which cloud device and user it is for, if
              it was minted), epoch

device/field/apply.py makes what is staged live. On a board that has no program yet, the tool runs
this from the release that it has just verified.
"""

import hashlib
import json

from device.compat import hex_digest

STAGED = "staged"
_FINGERPRINT_DIGITS = 12  # as the tool's Secret.fingerprint: tells two apart, gives neither away


def run(board, args):
    secrets = board.secrets
    if "stage" in args:
        secrets.set(STAGED, json.dumps(args["stage"]))
        return {"staged": json.loads(secrets.get(STAGED)) == args["stage"]}
    wanted = args.get("compare", {})
    values, counters = wanted.get("values", {}), wanted.get("counters", {})
    differ = [key for key in values if (secrets.get(key) or "") != values[key]]
    differ += [key for key in counters if secrets.counter(key) < counters[key]]
    token = secrets.get("token")
    return {
        "differ": differ,
        "token": bool(token),
        "fingerprint": fingerprint(token) if token else "",
        "bound_to": secrets.get("bound_to") or "",
        "epoch": secrets.counter("epoch"),
    }


def fingerprint(token):
    return hex_digest(hashlib.sha256(token.encode()).digest())[:_FINGERPRINT_DIGITS]
