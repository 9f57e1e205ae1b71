"""completing → done: the cloud's proof, without which nothing is freed.

integrity_failure sends it back to created: the bytes go up again, three times at most.
"""

import json

from rescue import const
from rescue.ends import ASIDE, LATER, End

_ACCEPTED = ("uploaded", "processing", "completed")
_POLL_MS = const(2_000)
_POLLS = const(60)
_MOST_TRIES = const(3)


def step(program, clip):
    """Ask until the cloud has hashed what it stored. Raises End, OSError."""
    record = clip.record
    for _ in range(_POLLS):
        outcome = complete(program.api, record["rid"], record["sha"])
        if outcome != "pending":
            break
        program.rest(_POLL_MS)
    if outcome == "proof":
        clip.save(state="done")
    elif outcome == "pending":
        raise End(LATER, "verification_pending")
    elif outcome == "integrity_failure":
        tries = record.get("tries", 0) + 1
        if tries >= _MOST_TRIES:
            raise End(ASIDE, outcome, "tries=%d" % tries)
        clip.save(state="created", tries=tries)
    else:
        # An earlier answer may have been lost: once more later, then somebody must look.
        if record.get("late"):
            raise End(ASIDE, "probably_uploaded")
        clip.save(late=1)
        raise End(LATER, "bad_answer", "complete refused, asked again later")


def complete(api, rid, sha256_hex):
    """ "proof", "pending", "integrity_failure" or "not_pending"."""
    body = json.dumps({"content_sha256": sha256_hex}).encode()
    try:
        answer = api.post("/recordings/%s/upload-complete" % rid, body)
    except End as e:
        status, code = e.detail[7:10], e.detail[11:]
        if status == "425":
            return "pending"
        if e.kind == ASIDE and status in ("400", "409"):
            return code if code == "integrity_failure" else "not_pending"
        raise
    state = answer.get("status")
    if answer.get("id") != rid:
        raise End(LATER, "bad_answer", "complete for another id")
    if state == "integrity_failure":
        return state
    if state not in _ACCEPTED:
        raise End(LATER, "bad_answer", "complete without proof")
    echoed = answer.get("content_sha256")
    if isinstance(echoed, str) and echoed.lower() != sha256_hex:
        raise End(ASIDE, "conflict", "the cloud names another hash")
    return "proof"
