"""Secrets of a provisioning: staged in the secrets store, live only with the commit of the rest.

    stage     {"values": {key: text}, "counters": {key: number}}: kept under one key, not yet used
    compare   the same: which keys are not live as given (names only)
    who       {"bound_to": text}: which cloud device and user the token is for, if it was minted

device/field/apply.py makes what is staged live.
"""

import json

STAGED = "staged"


def run(board, args):
    secrets = board.secrets
    if "stage" in args:
        secrets.set(STAGED, json.dumps(args["stage"]))
        return {"staged": json.loads(secrets.get(STAGED)) == args["stage"]}
    if "compare" in args:
        wanted = args["compare"]
        values, counters = wanted.get("values", {}), wanted.get("counters", {})
        wrong = [key for key in values if (secrets.get(key) or "") != values[key]]
        wrong += [key for key in counters if secrets.counter(key) < counters[key]]
        return {"differ": wrong}
    return {
        "token": bool(secrets.get("token")),
        "bound_to": secrets.get("bound_to") or "",
        "epoch": secrets.counter("epoch"),
    }
