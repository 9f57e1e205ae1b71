"""M11: heap that the import of every module keeps, and its instructions against compiling it."""

from tools.bench import callgrind, memory
from tools.bench.rows import Row
from tools.bench.session import rows_of
from tools.bench.upload import need_micropython


def measure(session):
    need_micropython()
    session.say("imports")
    rows = rows_of(memory.import_rows(session.folder))
    for row in rows:
        row.metric = "M11"
    if not session.quick:
        session.say("instructions of the imports")
        counted = rows_of(memory.instruction_rows(session.folder))
        for row in counted:
            row.spread = callgrind.SPREAD * row.value
        what = "instructions of importing .mpy over .py"
        rows += counted or [Row("M11", what, None, note="valgrind is not installed")]
    return rows
