"""No input line of a field case is without a test, and the page shows what is."""

from host_tests.field_cases import table

CASES = (
    "B01 B02 B03 B04 B05 B07 B08 B10 B11 B13 B14 B16 B17 B19 B20 B22 B23 B25 B26 B28 B29 B31 B32 "
    "B34 B35 B37 B38 B40 B41 B43 B44 B46"
).split()
MAY_BE_OPEN = {"B11.2", "B20.6", "B35.3", "B35.4", "B38.2", "B38.5", "B46.2"}


def test_all_32_cases_are_there():
    assert sorted({line.partition(".")[0] for line, _, _ in table.lines()}) == CASES
    assert len(CASES) == 32 and len(table.lines()) == 164


def test_every_line_has_a_test_that_exists():
    known = table.known_tests()
    unknown = [
        (line, test)
        for line, _, tests in table.lines()
        for test in tests
        if test not in known and not (test.startswith(table.OPEN) and line in MAY_BE_OPEN)
    ]
    assert unknown == []
    assert all(tests for _, _, tests in table.lines())


def test_the_page_is_made_from_the_list():
    assert table.PAGE.read_text() == table.page(), "run: python -m host_tests.field_cases.table"
