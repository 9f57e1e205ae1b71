"""M13: what a recorder does while there is nothing to do, and while the server is away."""

from tools.bench import memory
from tools.bench.session import rows_of
from tools.bench.upload import need_micropython


def measure(session):
    need_micropython()
    session.say("an idle recorder, some seconds")
    return rows_of(memory.idle_rows(session.recorders))
