"""Progress of a run: two bars on a terminal, a line now and then where there is none."""

import time

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

_LINE_EVERY_S = 2.0


class Progress:
    """total_s: seconds of audio that will be heard."""

    def __init__(self, console: Console, total_s: float):
        self._console = console
        self._total_s = total_s
        self._bars = None
        self._last_line_s = 0.0
        if console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description:>9}"),
                BarColumn(),
                TextColumn("{task.fields[words]}"),
                console=console,
            )
            self._heard = self._bars.add_task("recording", total=total_s, words="")
            self._sent = self._bars.add_task("uploading", total=1.0, words="")

    def __enter__(self) -> "Progress":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_details) -> None:
        if self._bars:
            self._bars.stop()

    def show(self, heard_s: float, status: dict) -> None:
        queue = status["queue"]
        heard = f"{heard_s:.0f} of {self._total_s:.0f} s"
        total = queue["delivered"] + queue["waiting"]
        sent = f"{queue['delivered']} clips, {queue['bytes_sent'] // 1024} KiB sent"
        if queue["code"] not in ("sending", "nothing_to_send", "starting"):
            sent += f", waits: {queue['code']}"
        if self._bars:
            self._bars.update(self._heard, completed=heard_s, words=heard)
            share = queue["delivered"] / total if total else 0.0
            self._bars.update(self._sent, completed=share, words=sent)
        elif time.monotonic() - self._last_line_s > _LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            self._console.print(f"recording {heard}; uploading {sent}")
