"""docs/reasons.md tells of every reason, in the words of the program."""

from device import reasons
from tools.reasons_page import PAGE, page


def test_the_page_is_made_from_the_tables():
    assert PAGE.read_text() == page(), "run: python -m tools.reasons_page"


def test_what_waits_for_somebody_says_what_to_do():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    for row in rows:
        if len(row) == 4:  # why nothing is sent: with the light
            assert row[3].strip(" |"), row[0]
    tables = (reasons.LANE, reasons.CLIP, reasons.RECORDER, reasons.MEDIUM, reasons.UPDATE)
    codes = " ".join(tables).split()
    assert len(rows) == len(codes)
