"""Every reason that a recorder can give, with what ends it and what a person does.

    python -m tools.reasons_page          # writes docs/reasons.md

Made from the device's own tables (device/reasons.py, reason_words.py, supervisor/indicator.py) and
the technician's words (tools/recorder/verdicts.py).
"""

from device import reasons
from device.supervisor.indicator import waiting_code
from tools.recorder.commands.requeue import ASKS
from tools.recorder.verdicts import NEXT
from tools.sim.build import ROOT

PAGE = ROOT / "docs" / "reasons.md"
_HEAD = """# What a recorder says, and what to do

Made by `python -m tools.reasons_page` from the tables of the program itself. A recorder gives
exactly one reason for what it does not send, one for each clip that is set aside, and one for what
it records. They stand in the status (`recorder list`, `recorder doctor`, the page of
`make simulate`), in the log and in the heartbeat; [the light](indicator.md) shows the kind.
"""
_TABLES = (
    ("Why nothing is sent", reasons.LANE, ""),
    (
        "Why a clip is set aside",
        reasons.CLIP,
        "Kept, counted, and never in the way of the others. `recorder doctor` shows what the\n"
        "cloud said, `recorder requeue` brings it back to the queue.\n",
    ),
    ("What the recorder does, or why it does not record", reasons.RECORDER, ""),
    (
        "Where new clips go, on a board with two media",
        reasons.MEDIUM,
        "See [reliability.md](reliability.md).\n",
    ),
    ("What came of an update", reasons.UPDATE, "See [updates.md](updates.md).\n"),
)
_ITSELF = {
    "nothing_to_send": "idle",
    "sending": "uploading",
    "starting": "idle",
    "other_epoch": "idle",
}
_MORE = {
    "other_epoch": "`recorder requeue --other-epoch` gives them to the present user; "
    "`recorder deliver` sends them from the laptop.",
    "config_refused": "`recorder doctor` names the setting. Correct config.json and provision it.",
    "battery_low": "Charge it.",
    "medium_lost": "Put the card in again, or another one. Its clips go when it is back.",
    "no_key": "`recorder provision` from a tree whose trust/keys holds the key.",
    "collected": "`recorder deliver`, then `recorder receipt`.",
}


def page() -> str:
    """docs/reasons.md as text."""
    text = [_HEAD]
    for title, table, said in _TABLES:
        light = [" light |", " --- |"] if table is reasons.LANE else ["", ""]
        text += [f"## {title}", "", *([said] if said else [])]
        text += ["| code | it ends when |" + light[0] + " what to do |"]
        text += ["| --- | --- |" + light[1] + " --- |"]
        text += [_row(table, code) for code in table.split()] + [""]
    return "\n".join(text).rstrip() + "\n"


def _row(table: str, code: str) -> str:
    cells = [f"`{code}`", reasons.ends_when(table, code)]
    shown = _ITSELF.get(code) or waiting_code(code)
    if table is reasons.LANE:
        cells.append(shown)
    own = ASKS if table is reasons.CLIP else NEXT
    advice = _MORE.get(code) or own.get(code, "")
    if not advice and table is reasons.LANE and shown != "error":
        advice = "nothing: it ends by itself"
    cells.append(advice)
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
