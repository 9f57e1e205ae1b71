"""M7: the most that one call of the store asks of the flash before anybody else may run."""

from tools.bench.session import rows_of
from tools.bench.upload import need_micropython


def measure(session):
    need_micropython()
    return rows_of(session.flash, "M7")
