"""tools.image.shorten: private names become short, and nothing else changes."""

import pathlib

from tools.image.shorten import shorten
from tools.sim.build import ROOT, device_sources

A = """
from other import _core

class Base:
    def __init__(self, speed):
        self._speed = speed  # _speed in a comment stays
        self._shared = 0

    def _step(self, _by=1):
        return _core._io_queue, self._speed, "_named", self._named
"""
B = """
from m.a import Base

_TABLE = (1, 2)

class Derived(Base):
    def _jump(self):
        self._shared = _TABLE
        self._named = 1
"""
C = """
def _lonely(): return _lonely
"""


def test_names_of_one_module_are_shortened_and_others_stay():
    paths = [pathlib.PurePath("m", name) for name in ("a.py", "b.py", "c.py")]
    a, b, c = (shorten(dict(zip(paths, (A, B, C), strict=True)))[path] for path in paths)
    assert "self._shared" in a and "self._shared" in b, "two modules speak it"
    assert "_core._io_queue" in a, "somebody else's attribute"
    assert '"_named", self._named' in a and "self._named" in b, "a string is equal to it"
    assert "__init__" in a and "speed" in a
    assert "# _speed in a comment stays" in a and "self._speed" not in a
    names = {a[a.index("self._") + 5 :].split()[0], b.split("def ")[1].split("(")[0]}
    assert len(names) == 2, "an object of both classes keeps its names apart"
    assert c.split("def ")[1].startswith("_0("), "the next module begins again"


def test_lines_keep_their_numbers_and_the_device_gets_much_shorter():
    sources = {path: (ROOT / path).read_text() for path in device_sources()}
    shortened = shorten(sources)
    assert shortened == shorten(dict(reversed(sources.items()))), "the order does not matter"
    for path, text in sources.items():
        assert text.count("\n") == shortened[path].count("\n")
        compile(shortened[path], str(path), "exec")
    assert sum(map(len, shortened.values())) < 0.98 * sum(map(len, sources.values()))
    assert "_leave_out" not in shortened[pathlib.PurePath("device/capture/take.py")]
