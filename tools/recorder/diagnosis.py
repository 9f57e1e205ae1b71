"""What a board's records mean: what waits and why, what was lost and when, what to do.

Pure: takes what device/field/facts.py, state.py and clips.py answered, and what the recorder said
of itself while it still ran, returns sentences. Each finding is a dict: about ("now", "clips",
"lane", "settings", "storage", "lost", "log"), text, next.
"""

import datetime

from device.reasons import CLIP, LANE, ends_when, is_reason
from tools.recorder.commands.requeue import ASKS
from tools.recorder.logtext import LogLine, offsets_of

_FULL_PCT = 90
_LAST_SAID = 6


def findings(
    facts: dict,
    state: dict,
    clips: list[dict],
    epoch: int,
    status: dict | None = None,
    log: list[LogLine] | tuple = (),
) -> list[dict]:
    """status: of the running recorder, None if it did not answer. log: the kept one."""
    found = _now(status) if status else []
    found += _settings(facts, state) + _storage(facts)
    found += [] if status else _lane(state)  # what is durable of it says less, and is older
    found += _waiting(clips, epoch) + _aside(clips) + _lost(clips, state)
    found += _said(log, offsets_of(status, state["boots"]))
    if not [finding for finding in found if finding["about"] != "now"]:
        found.append(_finding("clips", "Nothing waits, nothing is set aside, nothing is missing."))
    return found


def _finding(about: str, text: str, then: str = "") -> dict:
    return {"about": about, "text": text, "next": then}


def _now(status: dict) -> list[dict]:
    """What it was doing when it was asked, and what it waits for."""
    queue, recorder = status["queue"], status["recorder"]
    found = []
    text = f"It ran, for {_span(status['clock']['uptime_s'])}. Recording: {recorder['code']}"
    text += f" ({recorder['detail']})" if recorder.get("detail") else ""
    found.append(_finding("now", text + f", for {_span(recorder['since_s'])}."))
    text = f"Sending: {queue['code']}, for {_span(queue['since_s'])}"
    text += f" ({queue['detail']})" if queue.get("detail") else ""
    if queue.get("again_in_s") is not None:
        text += f"; it looks again in {_span(queue['again_in_s'])}"
    calm = queue["code"] in ("nothing_to_send", "sending", "starting")
    then = "" if calm else f"It ends when {queue['ends_when']}; `recorder check` tries the way."
    found.append(_finding("now", text + ".", then))
    if recorder.get("lost_frames"):
        text = f"{recorder['lost_frames']} samples were lost since its start: the flash was busy."
        found.append(_finding("lost", text, "`recorder check` measures the card's stalls."))
    return found


def _said(log, offsets_ms: dict[int, int]) -> list[dict]:
    """Its last errors and warnings: the same ones once, with their number."""
    lines: dict[str, list[LogLine]] = {}
    for line in log:
        if line.level in ("E", "W"):
            lines.setdefault(f"{line.level} {line.text}", []).append(line)
    latest = sorted(lines.values(), key=lambda same: (same[-1].boot or 0, same[-1].up_s or 0))
    found = []
    for same in latest[-_LAST_SAID:]:
        times = f" ({len(same)} times)" if len(same) > 1 else ""
        found.append(_finding("log", f"{same[-1].shown(offsets_ms)}{times}"))
    return found


def _span(seconds: int) -> str:
    """A length of time as a person says it."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _settings(facts: dict, state: dict) -> list[dict]:
    found = [
        _finding("settings", f"config.json: {fault}", "Correct it with `recorder provision`.")
        for fault in state["faults"]
    ]
    if not state["token"]:
        text = "There is no device token on board: nothing can be sent."
        found.append(_finding("settings", text, "`recorder provision` writes one."))
    missing = [name for name, has in state["passwords"].items() if not has]
    for name in missing:
        text = f"Network {name!r} has no password on board (right only if it is open)."
        found.append(_finding("settings", text, "`recorder provision` writes it."))
    if not state["passwords"]:
        text = "No Wi-Fi network is configured."
        found.append(_finding("settings", text, "`recorder provision` writes one."))
    if facts["reset_cause"] in ("watchdog", "brown_out"):
        then = "Check battery and supply." if facts["reset_cause"] == "brown_out" else ""
        found.append(_finding("settings", f"The last start was a {facts['reset_cause']}.", then))
    return found


def _storage(facts: dict) -> list[dict]:
    total = facts["total_kb"] or 1
    used_pct = 100 - 100 * facts["free_kb"] // total
    if used_pct < _FULL_PCT:
        return []
    text = f"The medium is {used_pct} % full ({facts['free_kb']} KiB are free)."
    return [_finding("storage", text, "`recorder pull`, `deliver` and `receipt` make room.")]


def _lane(state: dict) -> list[dict]:
    lane = state["lane"]
    if not lane or not lane.get("failures"):
        return []
    code = lane.get("code", "")
    text = f"Sending had failed {lane['failures']} times in a row, last with {code}"
    if lane.get("until"):
        text += f"; it would have looked again at {when(lane['until'])}"
    ending = ends_when(LANE, code) if is_reason(LANE, code) else ""
    return [_finding("lane", text + ".", f"It ends when {ending}; `recorder check` tries it now.")]


def _waiting(clips: list[dict], epoch: int) -> list[dict]:
    found = []
    waiting = [c for c in clips if c["state"] not in ("parked", "quarantined", "unreadable")]
    ours = [c for c in waiting if c.get("epoch", 0) == epoch and c["state"] != "open"]
    others = [c for c in waiting if c.get("epoch", 0) != epoch and c["state"] != "open"]
    if ours:
        seconds = sum(c["samples"] / c["hz"] for c in ours)
        text = f"{len(ours)} clips ({seconds / 60:.1f} min) wait to be sent: {_numbers(ours)}."
        then = "They go by themselves once network and token are right (`recorder check`)."
        found.append(_finding("clips", text, then))
    if others:
        text = f"{len(others)} clips were made under another token: {_numbers(others)}."
        found.append(_finding("clips", text, f"{ends_when(CLIP, 'other_epoch').capitalize()}."))
    torn = [c for c in waiting if c["state"] == "open"]
    if torn:
        text = f"{len(torn)} clips were cut off while recorded: {_numbers(torn)}."
        found.append(_finding("clips", text, "The recorder repairs them at its next start."))
    return found


def _aside(clips: list[dict]) -> list[dict]:
    reasons: dict[str, list[dict]] = {}
    for clip in clips:
        if clip["state"] == "unreadable":
            reasons.setdefault("record_unreadable", []).append(clip)
        elif clip["state"] in ("parked", "quarantined"):
            reasons.setdefault(clip.get("why", "?"), []).append(clip)
    found = []
    for why, members in sorted(reasons.items()):
        text = f"{len(members)} clips are set aside, {why}: {_numbers(members)}."
        said = {clip["said"] for clip in members if clip.get("said")}
        if said:
            text += f" The cloud said: {'; '.join(sorted(said))}."
        then = f"Ends when: {ends_when(CLIP, why)}." if is_reason(CLIP, why) else ""
        if why in ASKS:
            then += f" ({ASKS[why]})"
        elif why == "collected":
            then += " `recorder deliver`, then `recorder receipt`."
        else:
            then += f" `recorder requeue --why {why}` tries again."
        found.append(_finding("clips", text, then.strip()))
    return found


def _lost(clips: list[dict], state: dict) -> list[dict]:
    found = []
    for clip in clips:
        if clip.get("lost"):
            ms = 1000 * clip["lost"] // clip["hz"]
            text = f"Clip {clip['n']}{_at(clip, state)}: {ms} ms are missing, the flash was busy."
            found.append(_finding("lost", text, "`recorder check` measures the card's stalls."))
        if clip.get("cut"):
            text = f"Clip {clip['n']}{_at(clip, state)} ended with the power: up to a second."
            found.append(_finding("lost", text, "Check battery and supply."))
        if clip["state"] != "unreadable" and 0 <= clip["file_bytes"] < clip["bytes"]:
            text = f"Clip {clip['n']}{_at(clip, state)}: its file is shorter than its record."
            found.append(
                _finding("lost", text, "`recorder requeue --rebuild` takes what is there.")
            )
    return found


def _at(clip: dict, state: dict) -> str:
    offset_ms = offsets_of(boots=state["boots"]).get(clip["boot"])
    start_ms = clip.get("start") if offset_ms is None else offset_ms + clip["up"]
    if isinstance(start_ms, int):
        return f" of {when(start_ms // 1000)}"
    return f" of boot {clip['boot']}, {clip['up'] // 1000} s after its start"


def _numbers(clips: list[dict]) -> str:
    numbers = [str(clip["n"]) for clip in clips]
    return ", ".join(numbers[:8]) + (f" … {numbers[-1]}" if len(numbers) > 8 else "")


def when(unix_s: int) -> str:
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
