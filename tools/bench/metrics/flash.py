"""M6: bytes programmed and blocks erased for what capture writes, and for records and queue."""

from tools.bench.session import rows_of
from tools.bench.upload import need_micropython


def measure(session):
    need_micropython()
    return rows_of(session.flash, "M6")
