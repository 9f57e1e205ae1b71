"""What the rescue program says of itself: line, status document, heartbeat. Loaded to speak."""

import gc

from rescue import boot_record, const, forget
from rescue.ends import LATER, End

_STAY_S = const(3_600)
_FLAG_WIFI = const(8)
WHY = "the full program does not stay alive"


def line(program):
    """One line for the console: why, what is done now, when the full program is tried."""
    text = "W rescue because %s: starts=%d code=%s waiting=%d delivered=%d set_aside=%d" % (
        WHY,
        starts(),
        program.code,
        program.waiting,
        program.delivered,
        program.set_aside,
    )
    for why in sorted(program.left):
        text += " %s=%d" % (why, program.left[why])
    if program.detail:
        text += " (%s)" % program.detail
    return text + "; full program in %d min" % (full_in_s(program) // 60)


def answer(program, command):
    """The answer to a command over the console."""
    if command.get("do") != "status":
        return {"error": "this is the rescue program: it answers status only"}
    gc.collect()
    return {
        "status": 1,
        "program": "rescue",
        "why": WHY,
        "device": program.chip.device_id,
        "reset_cause": program.chip.cause(),
        "starts": starts(),
        "heap_free_bytes": gc.mem_free(),
        "full_program_in_s": full_in_s(program),
        "recorder": {"code": "rescue"},
        "queue": {
            "code": program.code,
            "detail": program.detail,
            "waiting": program.waiting,
            "delivered": program.delivered,
            "set_aside": program.set_aside,
            "left": program.left,
        },
    }


def heartbeat(program):
    """Tell the cloud (contract D2). Raises End but where only the way is at fault."""
    body = {
        "device_state": "error",
        "pending_recordings": program.waiting,
        "connection_type": ["wifi"],
        "flags": _FLAG_WIFI,
        "diagnostics": {"program": "rescue", "why": WHY, "starts": starts()},
    }
    import json

    try:
        program.api.post("/devices/me/heartbeat", json.dumps(body).encode())
    except End as e:
        if e.kind != LATER:
            raise
        program.chip.say("W heartbeat failed: %s %s" % (e.code, e.detail))


def full_in_s(program):
    return max(0, _STAY_S - program.since_s(program.started))


def starts():
    found = boot_record.read()[3]
    forget("boot_record")
    return found
