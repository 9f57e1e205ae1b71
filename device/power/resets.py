"""Why the board began anew, and how often; loaded at the start and let go of again."""

CAUSES = "power_on reset watchdog brown_out deep_sleep unknown"


def count(system, secrets):
    """Count this start's cause, durably: one small write. Returns the part of the status."""
    key = _key(system.reset_cause())
    secrets.raise_counter(key, secrets.counter(key) + 1)
    last = {"cause": system.reset_cause()}
    if system.reset_reason():
        last["reason"] = system.reset_reason()
    state = {"last": last, "counts": {}}
    for cause in CAUSES.split():
        number = secrets.counter(_key(cause))
        if number:
            state["counts"][cause] = number
    return state


def _key(cause):
    return "rst:" + cause  # at most 15 characters: a key of NVS
