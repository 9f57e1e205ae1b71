"""What the metrics of one run share: how thorough it is, a folder, and what is dear to start."""

import contextlib
import functools
import pathlib
from collections.abc import Callable

from tools.bench import cycle, memory
from tools.bench.rows import Row
from tools.bench.upload import Uploads


class Session:
    """quick: shorter work and fewer baselines. say(text): told what is going on, for people.
    Use as a context.
    """

    def __init__(self, folder: pathlib.Path, quick: bool, say: Callable[[str], None]):
        self.folder = folder
        self.quick = quick
        self.say = say
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *details) -> None:
        self._stack.close()

    @functools.cached_property
    def uploads(self) -> Uploads:
        """The sink and its clients."""
        return self._stack.enter_context(Uploads())

    @functools.cached_property
    def recorders(self) -> cycle.Bench:
        """The whole recorder against the simulated cloud."""
        folder = self.folder / "recorders"
        folder.mkdir()
        return self._stack.enter_context(cycle.Bench(folder))

    @functools.cached_property
    def flash(self) -> list[memory.Row]:
        """M6 and M7 come from one run."""
        return memory.flash_rows(self.folder)


def rows_of(found: list[memory.Row], metric: str = "") -> list[Row]:
    """The rows of tools.bench.memory, as this benchmark's; metric: only those."""
    return [
        Row(row.metric, row.what, row.figure, row.unit, most=row.target, note=row.note)
        for row in found
        if not metric or row.metric == metric
    ]
