"""The commands that README and docs/ show: where they stand, and what they come to.

python -m host_tests.docs.commands      # every command with its places, and how it is run here
"""

import argparse
import os
import pathlib
import re
import runpy
import shlex
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("commands.toml")
STARTERS = ("make", "python", "recorder", "mpremote", "esptool", "pipx", "npm", "git", "openssl")
FILLING = "1"  # what stands for "…" when a command line is read

_SPAN = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"\s+#\s.*$")


def pages() -> list[pathlib.Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown() -> dict[str, list[str]]:
    """Every command that a page shows -> places ("docs/memory.md:4").

    In a block (four blanks or a fence) a line that begins with one of STARTERS, after "$ "; in a
    sentence what stands between backquotes and has more than one word.
    """
    found: dict[str, list[str]] = {}
    for page in pages():
        fenced = False
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.startswith("```"):
                fenced = not fenced
            texts = _SPAN.findall(line)
            if fenced or line.startswith("    "):
                texts.append(_COMMENT.sub("", line.strip().removeprefix("$ ")))
            for text in texts:
                for command in re.split(r" && |; ", text):
                    command = " ".join(command.split())
                    if " " in command and command.split()[0].rpartition("/")[2] in STARTERS:
                        found.setdefault(command, []).append(f"{page.relative_to(ROOT)}:{number}")
    return found


def table() -> dict[str, dict]:
    """Command -> how it is run: see the head of commands.toml."""
    return tomllib.loads(TABLE.read_text())


class Understood(Exception):
    """A program has taken its arguments."""


def understand(command: str) -> None:
    """Let the program itself read a command line, and stop it there.

    Raises Understood if it takes it, SystemExit (with what it printed on stderr) if not; returns
    if the command is nothing of ours, or has nothing to read.
    """
    words = shlex.split(re.sub(r"\S*…\S*", FILLING, command))
    if words[0] == "make" and "-C" not in words:
        for line in _made(words):
            understand(line)
    elif words[0] == "recorder":
        _read_by("tools.recorder", words[1:])
    elif words[0].rpartition("/")[2].startswith("python") and "-m" in words:
        at = words.index("-m")
        _read_by(words[at + 1], words[at + 2 :])


def _made(words: list[str]) -> list[str]:
    """The command lines of ours that make would run. Raises SystemExit for an unknown target."""
    # Not as a part of the make that may run this: its flags and messages would come along.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-n", "PYTHON=python3", *words[1:]]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=ours)
    if run.returncode:
        raise SystemExit(run.stderr)
    lines = [line for line in run.stdout.splitlines() if " -m " in line]
    return [line for line in lines if " -m pytest" not in line]


def _read_by(module: str, arguments: list[str]) -> None:
    """Run a module with these arguments up to where it has parsed them; nothing without a parser.

    Raises SystemExit if it does not take them.
    """
    if module.split(".")[0] not in ("tools", "host_tests"):
        return  # somebody else's
    if not _has_parser(module):
        if arguments:
            raise SystemExit(f"{module} takes no arguments")
        return
    before = argparse.ArgumentParser.parse_args, sys.argv

    def parse_args(self, args=None, namespace=None):
        before[0](self, args, namespace)
        raise Understood

    argparse.ArgumentParser.parse_args, sys.argv = parse_args, [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except Understood:
        pass
    finally:
        argparse.ArgumentParser.parse_args, sys.argv = before


def _has_parser(module: str) -> bool:
    place = ROOT / module.replace(".", "/")
    files = [f for f in (place.with_suffix(".py"), place / "__main__.py") if f.exists()]
    if not files:
        raise SystemExit(f"there is no module {module}")
    text = "".join(f.read_text() for f in files)
    return "ArgumentParser" in text or "recorder.cli" in text


if __name__ == "__main__":
    entries = table()
    for command, places in shown().items():
        print(
            f"{command}\n    {', '.join(places)}\n    {entries.get(command, 'NOT IN THE TABLE')}"
        )
