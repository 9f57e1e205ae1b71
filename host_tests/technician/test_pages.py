"""The technician's pages: a page a job, each output from a command that the pages' script runs."""

import re

from tools.recorder.cli import COMMANDS
from tools.sim.build import ROOT

PAGES = {path.name: path.read_text() for path in (ROOT / "docs").glob("technician*.md")}
SCRIPT = (ROOT / "tools" / "technician_pages.py").read_text()


def test_each_command_has_its_output_on_a_page():
    text = "\n".join(PAGES.values())
    missing = [n for n in COMMANDS if n != "update" and f"$ recorder {n}" not in text]
    assert missing == []


def test_each_output_is_made_by_the_script_and_none_is_left_out():
    marked = re.findall(
        r"<!-- output: ([a-z-]+) -->\n(.*?)<!-- end -->", "".join(PAGES.values()), re.S
    )
    made = re.findall(r'laptop\.run\(\s*"([a-z-]+)"', SCRIPT)
    assert sorted(name for name, _ in marked) == sorted(made)
    assert all(text.strip().startswith("$ recorder") for _, text in marked)


def test_the_pages_name_no_place_of_the_machine_that_made_them():
    for name, text in PAGES.items():
        assert "/tmp" not in text and "127.0.0.1" not in text and "bota.test" not in text, name


def test_the_index_links_every_page():
    index = PAGES["technician.md"]
    assert all(name == "technician.md" or f"({name})" in index for name in PAGES)
