"""The one place where a command that writes is held back from a board that is not meant.

What answers at a port is (ports.Found.state):
    recorder   this application, whole                     every command may write
    broken     parts of it, or it does not start           provision
    empty      MicroPython fresh from `flash`              provision
    foreign    another MicroPython program, another firmware, or no board at all: nothing, but
               provision and flash with --force
    silent     nothing                                     flash (its own loader is asked)
"""

from tools.recorder.errors import Foreign, NoDevice

_WHAT = {
    "broken": "a recorder whose program does not start",
    "empty": "MicroPython without this application",
    "foreign": "no recorder",
}


def guard(found, allowed: tuple[str, ...] = ("recorder",), force: bool = False) -> None:
    """Return if a command may write to what was found. Raises Foreign, NoDevice (silent)."""
    if found.state in allowed or (force and found.state != "silent"):
        return
    if found.state == "silent":
        raise NoDevice(found.fault)
    said = f" {found.fault}" if found.fault else ""
    raise Foreign(
        f"{found.device}: this is {_WHAT[found.state]}{_seen(found)}, and nothing was written to "
        f"it.{said} " + _next(found.state, allowed)
    )


def _seen(found) -> str:
    """What tells the technician which board that is."""
    probe = found.probe
    if not probe:
        return ""
    files = ", ".join(probe["files"][:6]) or "none"
    return f" (MicroPython {probe['micropython']} on {probe['machine'] or '?'}; files: {files})"


def _next(state: str, allowed: tuple[str, ...]) -> str:
    if "empty" in allowed:
        return "If it is to become a recorder all the same, say --force: what is on it is lost."
    if state == "foreign":
        return "`recorder list` shows what is there."
    return "`recorder provision` makes it a recorder."
