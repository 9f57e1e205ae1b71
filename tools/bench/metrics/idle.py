"""M13: what a recorder does while there is nothing to do, and while the server is away."""

from tools.bench import memory
from tools.bench.session import rows_of
from tools.bench.upload import need_micropython

_SPREAD = 0.15  # of wake-ups, which are counted in some seconds of wall clock


def measure(session):
    need_micropython()
    session.say("an idle recorder, some seconds")
    rows = rows_of(memory.idle_rows(session.recorders))
    for row in rows:
        if row.what.startswith("wake-ups"):
            row.spread = _SPREAD * row.value
    return rows
