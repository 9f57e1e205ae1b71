"""docs/energy.md shows what the bench makes, and the model adds up."""

import subprocess
import sys

import pytest

from host_tests.conftest import ROOT
from tools.bench import energy

TEXT = (ROOT / "docs" / "energy.md").read_text()
ASLEEP = {"awake": 0.0, "asleep": 1.0, "radio on": 0.0}


def test_the_page_shows_the_benchs_tables():
    command = [sys.executable, "-m", "tools.bench.energy", "--markdown"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) > 25
    assert [line for line in lines if line not in TEXT] == []


def test_every_figure_says_where_it_is_from_and_how_good_that_is():
    for name, figure in energy.FIGURES.items():
        assert figure.kind in ("read", "quoted", "assumed"), name
        assert len(figure.source) > 15 and figure.value > 0, name


def test_a_board_that_only_sleeps_draws_what_its_parts_do():
    profile = energy.Profile("x", "button", 0, 600)
    parts = [energy.FIGURES[name].value for name in ("microphone idle", "card idle", "board")]
    found = energy.average_ma(profile, ASLEEP)
    assert found == pytest.approx(sum(parts) + energy.FIGURES["chip asleep"].value)


def test_more_of_anything_costs_more():
    def draw(**changed):
        values = {"name": "x", "mode": "button", "recorded_h": 1, "take_s": 600, **changed}
        return energy.average_ma(energy.Profile(**values), ASLEEP)

    assert draw() < draw(recorded_h=2) < draw(recorded_h=24)
    assert draw() < draw(take_s=60), "more takes join more often"
    assert draw() < draw(saves=False)
    awake = energy.average_ma(
        energy.Profile("x", "button", 1, 600), {"awake": 1.0, "asleep": 0.0, "radio on": 0.0}
    )
    assert draw() < awake
