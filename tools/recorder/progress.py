"""A board on its way, as a person sees it: a line that moves on a terminal, else a line a step."""

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

WORDS = {
    "identify": "asks who it is",
    "plan": "works out the plan",
    "boot record": "names the proved program",
    "copy": "copies the program",
    "token": "asks the cloud about its token",
    "stage": "puts secrets aside on the board",
    "commit": "commits",
    "compare": "starts anew and compares",
    "heartbeat": "waits for the first heartbeat",
    "give back": "gives the board back to its work",
}


class OneBoard:
    """A Step for one board (provisioning.py); use it with `with`."""

    def __init__(self, ui, name: str):
        self._ui = ui
        self._name = name
        self._last = ""
        self._bar = None
        if ui.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, console=ui.err, transient=True)
            self._task = self._bar.add_task(name, total=None)

    def __enter__(self) -> "OneBoard":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_details) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, step: str, percent: int | None = None) -> None:
        text = f"{self._name} {WORDS.get(step, step)}"
        if self._bar:
            total = None if percent is None else 100
            self._bar.update(self._task, description=text, total=total, completed=percent or 0)
        elif step != self._last:
            self._ui.say(text)
        self._last = step
