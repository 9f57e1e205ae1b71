"""A batch as a person sees it: a table that moves on a terminal, else a line an event."""

from rich.live import Live
from rich.table import Table

from tools.recorder.progress import WORDS
from tools.recorder.record import DONE, FAILED, UNPROVED

_MOST_ROWS = 16
_STYLES = {DONE: "green", UNPROVED: "yellow", FAILED: "red"}


class BatchView:
    """states: of batch.Batch. changed() and say() may come from any thread."""

    def __init__(self, ui, states: list):
        self._ui = ui
        self._states = states
        self._told: dict[str, str] = {}
        self._live = None
        if ui.is_terminal:
            self._live = Live(
                get_renderable=self._table, console=ui.err, refresh_per_second=4, transient=True
            )

    def __enter__(self) -> "BatchView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_details) -> None:
        if self._live:
            self._live.stop()

    def changed(self, state) -> None:
        row = state.row
        if self._live or self._told.get(row.board) == state.result:
            return
        self._told[row.board] = state.result
        if state.is_over:
            self._ui.say(f"{row.label} ({row.board}) {state.result}. {state.text}".rstrip())
        else:
            self._ui.say(f"{row.label} ({row.board}) {WORDS.get(state.result, state.result)}")

    def say(self, text: str) -> None:
        self._ui.say(text)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("label", "board", "state"):
            table.add_column(column)
        # What moves and what failed is worth a row; the rest is counted.
        moving = [s for s in self._states if s.result in WORDS]
        bad = [s for s in self._states if s.result in (FAILED, UNPROVED)]
        for state in (moving + bad)[:_MOST_ROWS]:
            text = state.text if state.is_over else WORDS[state.result]
            if state.percent is not None and not state.is_over:
                text += f" {state.percent} %"
            style = _STYLES.get(state.result)
            table.add_row(state.row.label, state.row.board, text, style=style)
        done = sum(s.result == DONE for s in self._states)
        left = sum(not s.is_over for s in self._states) - len(moving)
        table.caption = (
            f"{done} of {len(self._states)} done, {len(moving)} in hand, {left} to come: plug in "
            "the next. Ctrl-C stops; the same command goes on."
        )
        return table
