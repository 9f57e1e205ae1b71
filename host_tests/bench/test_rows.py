"""The benchmarks' table: verdicts, what is noise and what is a change, files of earlier runs."""

import io
import json

import pytest
from rich.console import Console

from tools.bench import __main__ as bench
from tools.bench import metrics, report
from tools.bench.rows import NotMeasured, Row, compare, figure, middle, spread_of


def words(old, new):
    return [(change.what, change.word) for change in compare(old, new)]


def shown(show, *arguments):
    out = io.StringIO()
    show(*arguments, Console(file=out, width=160))
    return out.getvalue()


@pytest.mark.parametrize(
    "row, verdict, target",
    [
        (Row("M1", "at the limit", 1.05, most=1.05), "met", "≤ 1.05"),
        (Row("M1", "beyond it", 1.0501, most=1.05), "MISSED", "≤ 1.05"),
        (Row("M2", "at the limit", 0.9, least=0.9), "met", "≥ 0.9"),
        (Row("M2", "below it", 0.899, least=0.9), "MISSED", "≥ 0.9"),
        (Row("M5", "none may be", 0, most=0), "met", "≤ 0"),
        (Row("M5", "one is", 1, most=0), "MISSED", "≤ 0"),
        (Row("M2", "without a target", 3.0), "", ""),
        (Row("M1", "not here", None, most=1.05), "NOT MEASURED", "≤ 1.05"),
    ],
)
def test_the_verdict(row, verdict, target):
    assert (row.verdict, row.target) == (verdict, target)


def test_a_count_repeats_exactly_so_any_difference_is_a_change():
    old = [Row("M6", "erases", 262.0, most=264), Row("M4", "trips", 4.6), Row("M5", "same", 0.1)]
    new = [Row("M6", "erases", 263.0, most=264), Row("M4", "trips", 4.7), Row("M5", "same", 0.1)]
    assert words(old, new) == [("erases", "worse"), ("trips", "changed"), ("same", "")]
    assert words(new, old) == [("erases", "better"), ("trips", "changed"), ("same", "")]


def test_a_ratio_changes_only_beyond_both_spreads():
    old = [Row("M2", "over raw", 0.90, least=0.9, spread=0.05)]
    assert words(old, [Row("M2", "over raw", 0.81, least=0.9, spread=0.05)]) == [("over raw", "")]
    worse = [Row("M2", "over raw", 0.79, least=0.9, spread=0.05)]
    assert words(old, worse) == [("over raw", "worse")]
    assert words(worse, old) == [("over raw", "better")]


def test_figures_that_come_and_go_are_named():
    old = [Row("M1", "gone", 1.0), Row("M2", "never", None), Row("M3", "lost", 2.0)]
    new = [Row("M2", "never", None), Row("M3", "lost", None), Row("M4", "new", 3.0)]
    expected = [("never", ""), ("lost", "gone"), ("new", "new"), ("gone", "gone")]
    assert words(old, new) == expected


def test_the_same_words_of_two_metrics_are_two_figures():
    old = [Row("M6", "erases", 1.0), Row("M7", "erases", 2.0)]
    assert words(old, [Row("M6", "erases", 1.0), Row("M7", "erases", 2.0)]) == [
        ("erases", ""),
        ("erases", ""),
    ]


def test_medians_and_their_spread():
    assert middle([5, 1, 9]) == 5 and middle([4, 1, 2, 3]) == 2.5
    # The middle half counts: one round that the machine slept through says nothing.
    assert spread_of([1.0, 1.1, 0.9, 1.0, 50.0]) == pytest.approx(0.1)
    assert spread_of([2.0]) == 0


@pytest.mark.parametrize(
    "value, text",
    [(None, "-"), (0, "0"), (4096, "4,096"), (1.018, "1.018"), (262.34, "262.3"), (476.0, "476")],
)
def test_how_a_figure_is_written(value, text):
    assert figure(value) == text


def test_the_table_shows_misses_and_what_was_not_measured():
    rows = [
        Row("M1", "kept", 1.04, most=1.05, baselines={"raw socket": 1.0, "curl": 0.5}),
        Row("M6", "missed", 1.1, most=1.0),
        Row("M7", "absent", None, note="valgrind is not installed"),
    ]
    text = shown(report.show, rows)
    lines = {word: line for line in text.splitlines() for word in line.split()}
    assert "met" in lines["kept"] and "0.5" in lines["kept"] and "raw socket" in text
    assert "MISSED" in lines["missed"]
    assert "NOT MEASURED" in lines["absent"] and "valgrind is not installed" in lines["absent"]
    assert "requests" not in text, "a column without a figure"
    assert "1 met, 1 MISSED, 1 NOT MEASURED" in text


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    rows = [
        Row("M1", "ratio", 1.04, "", most=1.05, spread=0.01, baselines={"curl": 0.5}, note="n")
    ]
    facts, read = report.load(report.save(rows, tmp_path / "new.json", {"cores": 2}))
    assert read == rows and facts["host"] == {"cores": 2} and facts["format"] == report.FORMAT


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "no file of `make bench`"),
        ("[1]", "no file of `make bench`"),
        ('{"format": 1, "rows": [{"what": "x"}]}', "no file of `make bench`"),
        ('{"format": 99, "rows": []}', "format 99"),
    ],
)
def test_another_file_is_refused_with_a_sentence(tmp_path, text, why, capsys):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(report.ReportError, match=why):
        report.load(path)
    assert bench.main(["--compare", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_two_files_are_compared_without_measuring(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "_measure", None)
    old = report.save([Row("M6", "erases", 262.0, most=264)], tmp_path / "old.json", {})
    new = report.save([Row("M6", "erases", 280.0, most=264)], tmp_path / "new.json", {})
    assert bench.main(["--against", str(old), str(new)]) == 0
    out = capsys.readouterr().out
    assert "+6.87 %" in out and "worse" in out and "1 changed beyond their noise" in out


def test_a_file_becomes_a_table_of_a_page(tmp_path, capsys):
    rows = [Row("M6", "erases", 280.0, most=264), Row("M2", "ratio", 0.9, baselines={"curl": 8.0})]
    assert bench.main(["--markdown", str(report.save(rows, tmp_path / "run.json", {}))]) == 0
    head, rule, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("| curl |") and {line.count("|") for line in (head, rule, *lines)} == {8}
    assert lines[0] == "| M6 | erases | 280 |  | ≤ 264 | **MISSED** |  |"


def test_a_busy_machine_is_said():
    assert report.warning({"load": 0.4, "cores": 2}) == ""
    assert "load 5.1 on 2 cores" in report.warning({"load": 5.1, "cores": 2})


def test_an_unknown_metric_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(["--only", "M6,M99"])
    assert ended.value.code == 2 and "M99 is no metric" in capsys.readouterr().err


def test_what_cannot_be_measured_says_why_and_the_run_goes_on(monkeypatch, tmp_path, capsys):
    class Missing:
        def measure(self, session):
            raise NotMeasured("valgrind is not installed")

    class Broken:
        def measure(self, session):
            raise RuntimeError("Traceback …\nthe sink got nothing\n")

    class Good:
        def measure(self, session):
            return [Row("M12", "bytes", 4096, most=4096)]

    modules = {"instructions": Missing(), "cuts": Broken(), "turns": Good()}
    monkeypatch.setattr(
        metrics.importlib, "import_module", lambda name: modules[name.rpartition(".")[2]]
    )
    assert bench.main(["--only", "M12,M1,M5", "--json", "--folder", str(tmp_path)]) == 1
    rows = json.loads(capsys.readouterr().out)
    (path,) = tmp_path.iterdir()
    assert [row.to_json() for row in report.load(path)[1]] == rows
    assert [(row["metric"], row["verdict"]) for row in rows] == [
        ("M1", "NOT MEASURED"),
        ("M5", "NOT MEASURED"),
        ("M12", "met"),
    ]
    assert rows[0]["note"] == "valgrind is not installed"
    assert rows[1]["note"] == "it failed: RuntimeError the sink got nothing"


def test_there_are_fourteen_metrics_each_with_its_module():
    assert list(metrics.TITLES) == [f"M{n}" for n in range(1, 15)] == list(metrics._MODULES)
    for name in metrics._MODULES.values():
        module = metrics.importlib.import_module("tools.bench.metrics." + name)
        assert callable(module.measure) and module.__doc__
