"""Make the project's own .venv from the pinned requirements; needs the standard library only.

Run by the Makefile before everything else. It does nothing when the environment already fits: the
marker file holds the hash of the lists it was made from. `uv` is used where it is present.
Exit 0 ready, 1 failed (one sentence on stderr says what to do).
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
_ASR_PACKAGE = "pocketsphinx==5.1.1"  # the optional extra "asr" of pyproject.toml


class BootstrapError(Exception):
    """One sentence for the person who typed make."""


def venv_python() -> pathlib.Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted_marker(extra_packages: list[str]) -> str:
    digest = hashlib.sha256(REQUIREMENTS.read_bytes())
    digest.update(repr((sys.version_info[:2], sorted(extra_packages))).encode())
    return digest.hexdigest()


def check_python() -> None:
    if sys.version_info < (3, 11):
        found = "%d.%d" % sys.version_info[:2]
        raise BootstrapError(
            f"Python 3.11 or newer is needed and this is {found}: "
            "install it, or name it with `make PYTHON=python3.12 …`."
        )


def create_venv(uv: str | None) -> None:
    if venv_python().exists():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], "uv venv")
        return
    try:
        import ensurepip  # noqa: F401  Debian ships venv without it until python3-venv is installed
    except ImportError:
        raise BootstrapError(
            "Python has no venv module here: run `sudo apt-get install python3-venv` "
            "(or install uv), then try again."
        ) from None
    run([sys.executable, "-m", "venv", str(VENV)], "python3 -m venv")


def run(command: list[str], what: str) -> None:
    result = subprocess.run(command, cwd=ROOT)
    if result.returncode != 0:
        raise BootstrapError(
            f"{what} failed with code {result.returncode}: the lines above say why. "
            "Check the network and the free disk space, then try again."
        )


def install(uv: str | None, extra_packages: list[str]) -> None:
    names = ["-r", str(REQUIREMENTS), *extra_packages]
    if uv:
        run([uv, "pip", "install", "--quiet", "--python", str(venv_python()), *names], "uv")
    else:
        pip = [str(venv_python()), "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "install", "--quiet", *names], "pip install")


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    extra_packages = [_ASR_PACKAGE] if "--asr" in arguments else []
    marker_file = VENV / "made-from"
    try:
        check_python()
        marker = wanted_marker(extra_packages)
        # An environment with more than was asked for (the asr extra) serves as well.
        fitting = {marker, wanted_marker([_ASR_PACKAGE])}
        if marker_file.exists() and marker_file.read_text() in fitting:
            return 0
        uv = shutil.which("uv")
        print(f"setting up {VENV.name} with {'uv' if uv else 'pip'} (once, about a minute) …")
        create_venv(uv)
        install(uv, extra_packages)
        marker_file.write_text(marker)
    except BootstrapError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
