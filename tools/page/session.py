"""One run with all that looks at it: page or terminal, knobs, their record, their replay."""

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from tools.page import browser
from tools.page.bench import Bench
from tools.page.job import AT_REST, Job, JobFailed
from tools.page.knobs import Knobs
from tools.page.replay import RUN_OPTIONS, Keeper, Player
from tools.page.server import Page
from tools.page.terminal import Terminal
from tools.page.watch import Watch
from tools.sim.progress import Progress

KNOBS_FILE = "knobs.json"
_BROWSER_S = 8.0  # a browser that was opened is waited for so long, at the start
_LAST_PICTURE_S = 3.0
_FINISH_S = 90.0


class Session:
    """options: of tools/simulate.py. samples: what the run plays. events: of a replay, or none."""

    def __init__(self, bench: Bench, options, events: list[dict], samples, console: Console):
        self.bench = bench
        self.knobs = Knobs(bench)
        self.watch = Watch(bench, self.knobs)
        self.is_ended_by_hand = False
        self._options = options
        self._events = events
        self._samples = samples
        self._console = console

    def run(self, judge: Callable[[], int]) -> int:
        """The main job, its proof, and what comes after it; the exit code. Raises JobFailed."""
        options, watch, bench = self._options, self.watch, self.bench
        goes_on = options.keep and not options.replay
        said = {name: getattr(options, name) for name in RUN_OPTIONS}
        folder = pathlib.Path(options.folder).resolve()
        keeper = Keeper(folder / KNOBS_FILE, said, watch)
        self.knobs.on_turn, self.knobs.on_said = keeper.turned, keeper.said
        watch.tell(phase="running", keep=goes_on, replay=bool(self._events))
        with contextlib.ExitStack() as stack:
            stack.enter_context(watch)
            page = stack.enter_context(
                Page(bench, watch, self.knobs, lambda: keeper.document, options.page_port)
            )
            self._console.print(f"page      {page.address}", soft_wrap=True)
            self._look_at(page)
            try:
                self._main_job()
                code = self._prove(judge, goes_on)
                if goes_on:
                    code = self._go_on(judge, page)
            except JobFailed as error:
                watch.tell(phase="failed", note=str(error))
                self._show_last_picture(page)
                raise
            self._show_last_picture(page)
        return code

    def _look_at(self, page: Page) -> None:
        if self._options.ui == "page" and browser.is_there() and browser.open_page(page.address):
            self._wait(lambda: page.viewers > 0, _BROWSER_S)

    def _main_job(self) -> None:
        bench, watch, options = self.bench, self.watch, self._options
        if bench.room:
            if options.plays:
                bench.room.say_once(self._samples, options.speed or 1000.0)

            def has_heard_all():
                return not bench.room.is_saying()
        else:

            def has_heard_all():
                return bench.board.control.has_event("microphone_end")

        with contextlib.ExitStack() as stack:
            is_over = self._player(stack).is_done if self._events else lambda: True
            if options.ui == "terminal" and self._console.is_terminal:
                stack.enter_context(Terminal(self._console, watch, self.knobs))
                show = _nothing
            else:
                progress = stack.enter_context(Progress(self._console, bench.total_s))

                def show(status):
                    progress.show(watch.heard_samples / bench.rate_hz, status)

            job = Job(bench, watch, self.knobs, has_heard_all, show, options.plays)
            job.run(is_over)
            self.is_ended_by_hand = job.is_ended_by_hand

    def _player(self, stack: contextlib.ExitStack) -> Player:
        player = Player(self._events, self.watch, self.knobs, self._console.print)
        return stack.enter_context(player)

    def _prove(self, judge: Callable[[], int], goes_on: bool) -> int:
        self.watch.tell(phase="proving")
        if not goes_on:
            self.watch.freeze()
            self.bench.board.kill()  # the flash is looked at without power
        code = judge()
        self.watch.tell(phase="failed" if code else "proved", exit=code)
        return code

    def _go_on(self, judge: Callable[[], int], page: Page) -> int:
        """Until Ctrl-C; then everything is delivered and proved once more."""
        self._console.print(f"It goes on: play with it at {page.address} . Ctrl-C ends it.")
        self.watch.tell(phase="open", first_done=True)
        try:
            with contextlib.ExitStack() as stack:
                if self._options.ui == "terminal" and self._console.is_terminal:
                    stack.enter_context(Terminal(self._console, self.watch, self.knobs))
                threading.Event().wait()
        except KeyboardInterrupt:
            self._console.print("\nDelivers what waits, then proves it. Ctrl-C again stops it.")
        self.watch.tell(phase="running")
        self.finish()
        return self._prove(judge, goes_on=False)

    def finish(self) -> None:
        """Everything put right, the take ended, all delivered. Raises JobFailed."""
        self.knobs.release_all()
        if self.bench.room:
            self.bench.room.set_source("quiet")
        status = self.watch.wait(lambda w: w.status, _FINISH_S)
        if not status:
            raise JobFailed("The board does not answer any more; its words are in serial.log.")
        if self.watch.fresh_status()["recorder"]["code"] not in AT_REST:
            self.bench.board.command("press")
        job = Job(self.bench, self.watch, self.knobs, lambda: True, _nothing, plays=False)
        job.run()

    def _show_last_picture(self, page: Page) -> None:
        """Whoever looks at the page shall see how it ended."""
        self._wait(
            lambda: page.viewers == 0 or page.seen_version >= self.watch.version, _LAST_PICTURE_S
        )

    @staticmethod
    def _wait(condition: Callable[[], bool], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)


def _nothing(_status: dict[str, Any]) -> None:
    pass
