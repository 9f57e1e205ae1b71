"""Memory and its neighbours: use against budget, misses printed as what they are.

    python -m tools.bench.memory [--quick] [--instructions] [--node …/micropython.mjs] [--json]

Everything is measured with the code that a board carries, on MicroPython's unix port: its words
are 64 bits wide, so its heap is larger than a board's (docs/memory.md has both, and the method).
TLS buffers are not in it: mbedTLS has memory of its own, on the board too.
--quick leaves out what searches for the smallest heap. Exits with 0 also where a target is missed:
it measures, and test_memory holds what was reached.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from tools.bench import cycle, soak
from tools.image import romfs_image, tree
from tools.sim.board import find_micropython
from tools.sim.build import HOST_ARCH, ROOT, build

SCRIPT = pathlib.Path(__file__).with_name("memory_board.py")
NODE_SCRIPT = pathlib.Path(__file__).with_name("memory_node.mjs")
KIB = 1024
LONG_CLIP_MIB = 4
SOAKED_CLIPS = 8
# Of recording settings' defaults: ring_blocks blocks of block_ms at 16 kHz, 16 bits.
RING_BYTES = 8 * 64 * 16 * 2


@dataclasses.dataclass
class Row:
    """One figure against its target (highest allowed; None: none was set)."""

    metric: str
    what: str
    figure: float
    target: float | None = None
    unit: str = "KiB"
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "kept" if self.figure <= self.target else "MISSED"


def product_modules() -> list[str]:
    """Every module of the application but the technician's (loaded for a session) and the HAL."""
    found = []
    for name in tree.release_files(HOST_ARCH):
        module = name.removesuffix(".mpy").replace("/", ".").removesuffix(".__init__")
        if not module.startswith(("device.field", "device.hal.sim", "trust")):
            found.append(module)
    return sorted(found)


def on_the_unix_port(*words, heap_kb: int = 4096, cwd: pathlib.Path = ROOT) -> dict:
    """The answer of memory_board.py. Raises CalledProcessError if it ends badly."""
    command = [find_micropython(), "-X", f"heapsize={heap_kb}K", SCRIPT, *words]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"MICROPYPATH": ".frozen", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def import_figures(
    modules: list[str], folder: pathlib.Path, rom: pathlib.Path | None = None
) -> dict:
    """kept_bytes, each: of importing these modules as .mpy, into RAM or in place from rom."""
    names = folder / "modules.txt"
    names.write_text("\n".join(modules))
    # Relative to cwd: modules keep their path, and a tree that lies deeper is no larger program.
    code = build(ROOT / "build" / "device").relative_to(ROOT)
    return on_the_unix_port("imports", rom or code, names)


def rom_image(folder: pathlib.Path) -> pathlib.Path:
    """The program as a ROM file system: see tools/image/romfs_image.py."""
    path = folder / "app.romfs"
    path.write_bytes(romfs_image.write(tree.rom_files(HOST_ARCH)))
    return path


def smallest_import_heap_kb(modules: list[str], folder: pathlib.Path) -> int:
    """The least heap in which these modules can be imported, in KiB: by nothing but imports."""
    script = folder / "imports.py"
    script.write_text("".join(f"import {name}\n" for name in modules))
    code = build(ROOT / "build" / "device")
    low, high = 4, 1024  # the first never does, the second always
    while high - low > 1:
        middle = (low + high) // 2
        done = subprocess.run(
            [find_micropython(), "-X", f"heapsize={middle}K", str(script)],
            env={"MICROPYPATH": f"{code}:.frozen", "PATH": "/usr/bin:/bin"},
            capture_output=True,
        )
        low, high = (low, middle) if done.returncode == 0 else (middle, high)
    return high


def import_rows(folder: pathlib.Path) -> list[Row]:
    whole = import_figures(product_modules(), folder)
    rows = [
        Row("M11", "import of the whole application", whole["kept_bytes"] / KIB, 80),
    ]
    rescue = [
        name.removesuffix(".mpy").replace("/", ".").removesuffix(".__init__")
        for name in tree.root_files(HOST_ARCH)
        if name.startswith("rescue/")
    ]
    found = import_figures(rescue, folder)
    rows.append(Row("", "import of the rescue program alone", found["kept_bytes"] / KIB, 64))
    for what, modules in (("the whole application", product_modules()), ("rescue", rescue)):
        found = import_figures(modules, folder, rom_image(folder))
        target = 80 if modules is not rescue else 64
        rows.append(Row("", f"import of {what} from ROM", found["kept_bytes"] / KIB, target))
    for what, modules, target in (
        ("smallest heap that imports the whole application", product_modules(), None),
        ("smallest heap that imports all of the rescue program", rescue, 64),
    ):
        rows.append(Row("", what, smallest_import_heap_kb(modules, folder), target))
    return rows


def flash_rows(folder: pathlib.Path) -> list[Row]:
    """M6, M7: what capture and queue cost the flash."""
    found = on_the_unix_port("flash", build(ROOT / "build" / "device"), cwd=folder)
    mib = found["captured_bytes"] / KIB / KIB
    programmed, erases = found["audio"]
    programmed_each = programmed / found["captured_bytes"]
    queue_each = found["queue"][1] / found["clips"]
    rows = [
        Row("M6", "bytes programmed a captured byte", programmed_each, 1.03, ""),
        Row("M6", "erases a captured MiB", erases / mib, 264, ""),
        Row("M6", "erases a clip for records and queue", queue_each, 1, ""),
    ]
    for which, (unit, target) in enumerate((("reads", 200), ("erases", 2))):
        call = max(found["worst"], key=lambda name: found["worst"][name][which])
        worst = found["worst"][call][which]
        rows.append(Row("M7", f"worst {unit} in one call ({call})", worst, target, ""))
    return rows


def soak_rows(folder: pathlib.Path) -> list[Row]:
    """What is in use, collected: when all is built, and at worst while clips come and go."""
    made = soak.run(SOAKED_CLIPS, folder)
    if made.faults:
        raise RuntimeError(made.faults[0])
    built = made.samples[0].free_bytes
    lowest = min(sample.free_bytes for sample in made.samples)
    return [
        Row("", "in use when all is built, ring apart", _used(made, built), None),
        Row("", "in use, recording and uploading over TLS, ring apart", _used(made, lowest), None),
        Row("", "audio ring and driver's blocks", RING_BYTES / KIB),
    ]


def _used(made: soak.Soak, free_bytes: int) -> float:
    return (made.heap_bytes - free_bytes - RING_BYTES) / KIB


def cycle_rows(quick: bool) -> list[Row]:
    """M3, M4, M13, with the whole recorder against the simulated cloud."""
    with tempfile.TemporaryDirectory() as folder, cycle.Bench(pathlib.Path(folder)) as bench:
        wire = bench.wire(clips=10)
        rows = [
            Row("M4", "handshakes of a wake", wire.handshakes, 2, ""),
            Row("M4", "requests a clip", wire.requests_a_clip, 4, ""),
            Row("M4", "API bytes sent a clip", wire.api_bytes_a_clip / KIB, 2),
        ]
        rows += idle_rows(bench)
        if not quick:
            rows += heap_rows(bench)
            bench.rom = rom_image(pathlib.Path(folder))
            rows += heap_rows(bench, " from ROM")
    return rows


def heap_rows(bench: cycle.Bench, whence: str = "") -> list[Row]:
    heap_kb = cycle.LEAST_KB + cycle.STEP_KB
    rows = []
    for mib in (1, LONG_CLIP_MIB):
        heap_kb = bench.smallest_heap_kb(mib, heap_kb - cycle.STEP_KB)
        what = f"smallest heap for a whole cycle{whence}, a clip of {mib} MiB, ring apart"
        rows.append(Row("M3", what, heap_kb - RING_BYTES / KIB, 128))
    return rows


def idle_rows(bench: cycle.Bench) -> list[Row]:
    first, after = cycle.requests_while_down()
    return [
        Row("M13", "wake-ups an hour with nothing to do", bench.wakeups_an_hour(), 12, ""),
        Row("M13", "requests in the first hour of an outage", first, 20, ""),
        Row("M13", "requests in each hour after it", after, 6, ""),
    ]


def instruction_rows(folder: pathlib.Path) -> list[Row]:
    """M11 Ir, if valgrind is there: importing .mpy against compiling the same source."""
    if shutil.which("valgrind") is None:
        return []
    names = folder / "modules.txt"
    names.write_text("\n".join(product_modules()))
    empty = folder / "none.txt"
    empty.write_text("")
    code = build(ROOT / "build" / "device")
    base = _instructions("load", code, empty)
    mpy, py = (_instructions("load", root, names) - base for root in (code, ROOT))
    return [Row("M11", "instructions of importing .mpy over .py", mpy / py, 0.1, "")]


def _instructions(*words) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [find_micropython(), "-X", "heapsize=4096K", SCRIPT, *words]
    done = subprocess.run(
        [str(word) for word in command],
        env={"MICROPYPATH": ".frozen", "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def node_rows(module: pathlib.Path, folder: pathlib.Path) -> list[Row]:
    """The same imports with words of 4 bytes, in the Node build of MicroPython."""
    names = folder / "modules.txt"
    names.write_text("\n".join(product_modules()))
    command = ["node", NODE_SCRIPT, module, build(ROOT / "build" / "device"), names, SCRIPT]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    note = f"{len(found['failed'])} modules do not load there"
    return [Row("", "import, words of 4 bytes (Node)", found["kept_bytes"] / KIB, None, note=note)]


def measure(options: argparse.Namespace) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows += import_rows(folder)
        if options.instructions:
            rows += instruction_rows(folder)
        if options.node:
            rows += node_rows(options.node, folder)
        rows += flash_rows(folder)
        rows += soak_rows(folder)
    return rows + cycle_rows(options.quick)


def show(rows: list[Row], console: Console) -> None:
    view = Table(title="Use against budget (unix port, 64-bit words)", box=None, pad_edge=False)
    for name, justify in (
        ("", "left"), ("figure", "left"), ("is", "right"), ("may be", "right"), ("", "left"),
    ):  # fmt: skip
        view.add_column(name, justify=justify)
    for row in rows:
        target = "" if row.target is None else f"{row.target:g}"
        unit = f" {row.unit}" if row.unit else ""
        style = "bold red" if row.verdict == "MISSED" else None
        figure = (f"{row.figure:,.0f}" if row.figure >= 1000 else f"{row.figure:.4g}") + unit
        verdict = f"{row.verdict} {row.note}".strip()
        view.add_row(row.metric, row.what, figure, target, verdict, style=style)
    console.print(view)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the smallest heaps")
    parser.add_argument("--instructions", action="store_true", help="M11 under valgrind, slow")
    parser.add_argument("--node", type=pathlib.Path, help="micropython.mjs of the Node build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if find_micropython() is None:
        print("There is no micropython: set MICROPYTHON to a unix port.", file=sys.stderr)
        return 3
    rows = measure(options)
    if options.json:
        print(json.dumps([dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows]))
    else:
        show(rows, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
