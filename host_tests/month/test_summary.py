"""The table at the end of `make torture`: rows add up, the last of a part counts, and a count that
nobody knows is refused.
"""

import pytest

from tools.torture import summary


@pytest.fixture
def path(tmp_path):
    return tmp_path / "torture" / "summary.jsonl"


def test_rows_add_up_but_for_the_most(path):
    summary.add("months", path, cuts=3, seeds=2, clips_lost=0, seconds_lost=1.5)
    summary.add("power", path, cuts=2000, clips_lost=0, seconds_lost=0.5, most_lost_s=0.9)
    summary.add("pairs", path, cuts=5, most_lost_s=0.4)
    whole = summary.total(summary.rows(path))
    assert whole == {
        "part": "all", "cuts": 2008, "seeds": 2, "clips_lost": 0, "seconds_lost": 2.0,
        "most_lost_s": 0.9,
    }  # fmt: skip
    lines = summary.table(summary.rows(path)).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "months",
        "power",
        "pairs",
        "all",
    ]
    assert "fuzz inputs" not in lines[0] and len({len(line) for line in lines}) == 1
    assert "2,008" in lines[-1]


def test_a_part_that_ran_again_counts_once(path):
    summary.add("months", path, seeds=5, clips_lost=1)
    assert not summary.is_good(summary.rows(path))
    summary.add("months", path, seeds=7, clips_lost=0)
    assert summary.total(summary.rows(path))["seeds"] == 7
    assert summary.is_good(summary.rows(path))
    summary.begin(path)
    assert summary.rows(path) == [] and not summary.is_good([])


def test_a_count_that_nobody_knows_is_refused(path):
    with pytest.raises(ValueError, match="no such counts.*clip_lost"):
        summary.add("months", path, clip_lost=1)
    assert not path.exists()
