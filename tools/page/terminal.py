"""The page's picture in a terminal: the recorder, where its clips are, what it says, the knobs.

A letter turns its knob. Only for a terminal: where there is none, sim/progress.py writes a line
now and then.
"""

import contextlib
import os
import select
import sys
import threading

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.page.knobs import KNOBS, KnobError
from tools.page.scene import STAGES
from tools.sim.board import BoardError

_REFRESH_HZ = 8
_CLIPS_SHOWN = 8
_MORE_KEYS = "abcdefghijklmnopqrstuvwxyz"
_TONES = {"record": "bold red", "send": "bold blue", "fine": "bold green", "wait": "bold yellow",
          "act": "bold red", "off": "dim"}  # fmt: skip
_LIGHTS = {"idle": "green", "recording": "red", "uploading": "blue", "waiting": "yellow",
           "waiting_link": "yellow", "waiting_cloud": "yellow", "armed": "cyan",
           "battery_low": "dark_orange", "error": "red", "rescue": "magenta"}  # fmt: skip


def letters() -> dict[str, str]:
    """Key -> name of the knob: the first letter of its name that no other has."""
    found: dict[str, str] = {}
    for knob in KNOBS:
        key = next(letter for letter in knob.name + _MORE_KEYS if letter not in found)
        found[key] = knob.name
    return found


def picture(scene: dict, note: str = "") -> Group:
    """scene: of scene.py. note: what the last key brought, if it brought trouble."""
    if not scene:
        return Group(Text("starting …"))
    return Group(_recorder(scene), _clips(scene), _knobs(scene), Text(note, style="yellow"))


def _recorder(scene: dict) -> Panel:
    says, status = scene["says"], scene["status"] or {}
    line = Text.assemble(("● ", _LIGHTS.get(scene["light"] or "", "dim")),
                         (says["title"], _TONES[says["tone"]]))  # fmt: skip
    if says.get("also"):
        line.append(f", {says['also'][0].lower()}{says['also'][1:]}")
    if says.get("ends_when"):
        line.append(f"   until {says['ends_when']}", "dim")
    if "again_in_s" in says:
        line.append(f", looks again in {says['again_in_s']} s", "dim")
    storage = status.get("storage", {})
    battery = status.get("battery_pct")
    facts = [f"heard {scene['heard_s']:.0f} of {scene['total_s']:.0f} s"]
    facts.append("no level" if scene["level_dbfs"] is None else f"{scene['level_dbfs']:.0f} dBFS")
    facts.append("on the mains" if battery is None else f"battery {battery} %")
    facts.append(f"card {storage.get('used_pct', '?')} % used")
    facts.append(f"{len(scene['cloud'])} recordings in the cloud")
    return Panel(Group(line, Text(" · ".join(facts), style="dim")), title="recorder", width=100)


def _clips(scene: dict) -> Table:
    table = Table(box=None, padding=(0, 1), width=100)
    for name in ("clip", "seconds", "KiB"):
        table.add_column(name, justify="right")
    table.add_column("where it is", width=44)
    table.add_column("")
    for clip in scene["clips"][-_CLIPS_SHOWN:]:
        if clip["stage"] == "aside":
            where = Text(f"set aside: {clip.get('why', {}).get('title', '?')}", style="yellow")
        else:
            where = Text()
            for stage in STAGES:
                style = "bold reverse" if stage == clip["stage"] else "dim"
                where.append(f" {stage} ", style)
        bar = ""
        if clip["stage"] in ("record", "put"):
            bar = ProgressBar(total=1.0, completed=clip["progress"], width=16)
        table.add_row(str(clip["number"]), f"{clip['seconds']:.1f}",
                      str(clip["bytes"] // 1024), where, bar)  # fmt: skip
    return table


def _knobs(scene: dict) -> Text:
    keys = {name: key for key, name in letters().items()}
    line = Text("keys  ", style="dim")
    for knob in scene["knobs"]:
        if knob["why_not"]:
            continue
        style = "bold yellow" if knob["is_on"] else ""
        line.append(f"{keys[knob['name']]} {knob['label']}   ", style)
    return line


class Terminal:
    """Draws until it is left. Keys are read where standard input is a terminal too."""

    def __init__(self, console: Console, watch, knobs):
        self._watch = watch
        self._knobs = knobs
        self._note = ""
        self._stop = threading.Event()
        self._live = Live(
            console=console,
            get_renderable=lambda: picture(self._watch.scene, self._note),
            refresh_per_second=_REFRESH_HZ,
        )
        self._keys = threading.Thread(target=self._read_keys, name="keys", daemon=True)

    def __enter__(self) -> "Terminal":
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self._live)
        if sys.stdin.isatty() and os.name == "posix":
            self._stack.enter_context(single_keys())
            self._keys.start()
        return self

    def __exit__(self, *_details) -> None:
        self._stop.set()
        if self._keys.is_alive():
            self._keys.join(timeout=1)
        self._stack.close()

    def _read_keys(self) -> None:
        of_key = letters()
        while not self._stop.is_set():
            if not select.select([sys.stdin], [], [], 0.2)[0]:
                continue
            key = os.read(sys.stdin.fileno(), 1).decode(errors="replace")
            if not key:
                return
            if key in of_key:
                self._turn(of_key[key])

    def _turn(self, name: str) -> None:
        try:
            self._knobs.turn(name, not self._knobs.states[name].is_on)
            self._note = ""
        except (KnobError, BoardError) as error:
            self._note = str(error)


@contextlib.contextmanager
def single_keys():
    """Letters arrive as they are typed; Ctrl-C stays what it is."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    kept = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, kept)
