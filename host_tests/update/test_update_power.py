"""The power goes at every operation of an update: always exactly one release to boot, whole.

`python -m host_tests.update` takes every pair of cuts, and prints the counts.
"""

import json
import pathlib
import random
import subprocess
import tempfile

import pytest
import update_bench as bench
from test_roots import ca_der, folder_of

from host_tests.conftest import ROOT
from rescue.roots import SHIPPED
from tools.bundle import form, roots
from tools.sim.board import find_micropython
from tools.sim.build import build
from tools.torture import summary

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
KINDS = ("release", "roots")
OLD_SET, NEW_SET = "2026.1.1", "2027.1.1"


def prepare(folder, maker, kind):
    """The bench of update_cuts.py: a release that runs, and a bundle on the card."""
    old_set = roots.pack(folder_of(folder / "old-roots", OLD_SET, ca_der()))
    new_set = roots.pack(folder_of(folder / "new-roots", NEW_SET, ca_der(), ca_der()))
    trusted = {"trust/keys": maker.trust, SHIPPED: old_set}
    for name, data in bench.release_files("0.1.0", trusted).items():
        path = folder / "old" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    body = {"device/large.mpy": random.Random(1).randbytes(9000), SHIPPED: old_set}
    if kind == "release":
        made = maker.release("0.2.0", arch="x64", extra=body)
    else:
        made = form.sign(form.roots(new_set, NEW_SET), maker.key)
    (folder / "card").mkdir()
    (folder / "card" / "bota-recorder.bundle").write_bytes(made)
    return folder


def runs(folder, kind, flavour, *numbers):
    """One dict a run of update_cuts.py."""
    code = build(ROOT / "build" / "device")
    script = ROOT / "host_tests" / "update" / "update_cuts.py"
    words = [find_micropython(), "-X", "heapsize=4M", script, code, ROOT / "host_tests" / "power"]
    words += [folder, kind, flavour, *numbers]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=3000)
    # MicroPython prints what a finaliser meets on the dead medium.
    said = [line for line in done.stdout.splitlines() if line and "[Errno 5] EIO" not in line]
    assert done.returncode == 0 and all(line[0] == "{" for line in said), done.stdout[-2000:]
    return [json.loads(line) for line in said]


def fault(run, kind) -> str | None:
    """What must not be, in words."""
    if run["ends"][-1] != "done" or not set(run["ends"]) <= {"dead", "done"}:
        return f"it did not come to rest: {run['ends']}"
    wanted = ["b", "-", 0] if kind == "release" else ["a", "-", 0]
    if run["record"] != wanted:
        return f"the record is {run['record']}"
    if kind == "roots" and run["new_version"] != 202700010001:
        return f"roots {run['new_version']} are in force"
    # Once the new one ran, the old one never comes back.
    if run["boots"] != sorted(run["boots"]) or not set(run["boots"]) <= {"0.1.0", "0.2.0"}:
        return f"versions booted: {run['boots']}"
    if sorted(map(len, run["sets"])) not in ([1], [1, 2]):
        return f"sets of roots seen: {run['sets']}"
    return None


@pytest.fixture(scope="module", params=KINDS)
def power_bench(request, tmp_path_factory, maker):
    """(kind, folder, operations of the run that nobody cuts)."""
    folder = prepare(tmp_path_factory.mktemp(request.param), maker, request.param)
    (whole,) = runs(folder, request.param, "clean", 0, 0)
    assert whole["ends"] == ["done"] and fault(whole, request.param) is None, whole
    return request.param, folder, whole["operations"]


@pytest.mark.parametrize("flavour", ["clean", "torn"])
def test_the_power_goes_at_every_operation_of_an_update(power_bench, flavour, capsys):
    kind, folder, operations = power_bench
    found = runs(folder, kind, flavour, 1, operations)
    with capsys.disabled():
        print(f"\n{kind} {flavour}: {len(found)} cuts of an update")
    assert len(found) == operations > (40 if kind == "release" else 5)
    assert sum(run["ends"] == ["dead", "done"] for run in found) > operations * 0.9
    for run in found:
        assert fault(run, kind) is None, (fault(run, kind), run)


def test_it_goes_again_while_the_update_is_repeated(power_bench):
    """From a seeded sample of first cuts: the second one at each operation of the next boots."""
    kind, folder, operations = power_bench
    seed = random.randrange(1 << 30)
    print("seed", seed)
    twice = 0
    for first in random.Random(seed).sample(range(1, operations), 2):
        found = runs(folder, kind, "torn", first, first, 1, operations)
        twice += sum(run["ends"].count("dead") == 2 for run in found)
        for run in found:
            assert fault(run, kind) is None, (seed, fault(run, kind), run)
    assert twice > 5, f"seed {seed}"


def main() -> int:
    """Every pair of cuts."""
    faults = tried = 0
    with tempfile.TemporaryDirectory() as name:
        maker = bench.Maker(pathlib.Path(name))
        for kind in KINDS:
            folder = pathlib.Path(name) / kind
            folder.mkdir()
            prepare(folder, maker, kind)
            (whole,) = runs(folder, kind, "clean", 0, 0)
            operations = whole["operations"]
            for flavour in ("clean", "torn"):
                found = runs(folder, kind, flavour, 1, operations, 1, operations)
                bad = [run for run in found if fault(run, kind)]
                cuts = sum(run["ends"].count("dead") for run in found)
                print(
                    f"{kind:<8}{flavour:<6}{len(found):>6} runs {cuts:>6} cuts {len(bad)} faults"
                )
                faults += len(bad)
                tried += cuts
    summary.add("update, pairs of cuts", cuts=tried, broken=faults)
    return 1 if faults else 0
