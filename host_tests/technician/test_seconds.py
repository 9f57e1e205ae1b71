"""The doctor's table of days: what became of each day's seconds."""

from tools.recorder import seconds

DAY = 20_419  # 2025-11-27


def test_a_day_adds_up_and_says_what_was_lost():
    days = [[DAY, [80_000, 0, 3_000, 5, 1, 2_500, 300, 0]]]
    head, line, why = [text.split() for text in seconds.table(days, (DAY + 3) * 86_400)]
    assert head == "day (UTC) recorded confirmed not wanted forbidden lost unknown".split()
    assert line == ["2025-11-27", "0:50:00", "0:41:40", "22:13:20", "-", "0:05:06", "0:56:39"]
    assert " ".join(why) == "2025-11-27: lost are overrun 0:00:05, cut 0:00:01, evicted 0:05:00"


def test_today_has_only_begun_and_a_day_may_be_unknown():
    days = [[DAY, [3_000, 0, 600, 0, 0, 600, 0, 0]], [-1, [0, 0, 5, 0, 0, 0, 0, 0]]]
    lines = seconds.table(days, DAY * 86_400 + 4_000)
    assert lines[1].split()[-1] == "0:06:40"
    assert lines[2].split() == ["time", "unknown", "0:00:05", "-", "-", "-", "-"]


def test_an_empty_ledger_shows_nothing():
    assert seconds.table([], None) == []
