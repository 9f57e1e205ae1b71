"""Some of the benchmarks for real, short: what they measure is the device's own code."""

import json
import subprocess
import sys

import pytest

from tools.bench import __main__ as bench
from tools.bench import report
from tools.bench.upload import DEVICE, RAW, Uploads
from tools.sim.board import find_micropython
from tools.sim.build import ROOT

needs_micropython = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port here"
)


def run_apart(*words):
    """Virtual time is bent into a process for good."""
    command = [sys.executable, "-W", "ignore", "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]
    return json.loads(done.stdout)


@needs_micropython
def test_one_metric_from_the_command_line_to_its_file(tmp_path, capsys):
    assert bench.main(["--only", "M6", "--folder", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    facts, rows = report.load(path)
    assert {row.metric for row in rows} == {"M6"} and len(rows) == 3
    programmed = rows[0]
    assert 1 <= programmed.value <= 1.03 and programmed.verdict == "met"
    assert facts["host"]["micropython"] and facts["host"]["cores"] > 0
    out = capsys.readouterr()
    assert "bytes programmed" in " ".join(out.out.split()) and "written to" in out.err
    # Counts: a second run is the same to the digit.
    assert bench.main(["--only", "M6", "--compare", str(path), "--folder", str(tmp_path)]) == 0
    assert "3 figures compared, 0 changed" in capsys.readouterr().out


@needs_micropython
def test_clients_send_the_file_whole_and_the_sink_would_know():
    with Uploads() as uploads:
        path = uploads.file(300_000)
        for client in (DEVICE, RAW):
            uploads.run(client, path, "https", "-")
            visit = uploads.check(path)
            # TLS costs something, and not much.
            assert 300_000 < visit.wire_in_bytes < 310_000 or visit.wire_in_bytes == 0
        uploads.run(DEVICE, path, "https", "clip")
        other = uploads.file(200_000)
        with pytest.raises(RuntimeError, match="the sink got"):
            uploads.check(other)
        held = uploads.run(DEVICE, path, "https", "clip", "gaps")
        assert held["turns"] > 50 and held["bytes"] == 4096


def test_bytes_are_sent_again_only_after_cuts_and_never_once_stored():
    found = run_apart("tools.bench.cuts", "--cuts", "15", "--seed", "3")
    assert found["cuts"] >= 15 and 0 < found["power_cuts"] < found["cuts"]
    assert found["puts_after_stored"] == 0
    assert 0 < found["again_a_cut"] < found["clip"]


def test_what_the_cover_holds_is_not_lost_and_what_it_does_not_is_counted():
    words = ("tools.bench.losses", "--hours", "0.03", "--medium", "flash")
    covered = run_apart(*words)
    assert covered["lost_frames"] == 0 and covered["handshakes"] >= 4
    assert 400 <= covered["most_behind_ms"] <= 800
    bare = run_apart(*words, "--driver-ms", "0", "--ring-blocks", "6")
    assert bare["lost_frames"] > 0
