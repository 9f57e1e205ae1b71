"""The field cases and their tests: reads cases.toml, makes docs/field-cases.md.

python -m host_tests.field_cases.table      # writes the page
"""

import ast
import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = pathlib.Path(__file__).with_name("cases.toml")
PAGE = ROOT / "docs" / "field-cases.md"
OPEN = "open: "


def lines() -> list[tuple[str, str, list[str]]]:
    """(id, words, tests or one "open: …") of every input line, in order."""
    found = []
    for case, rows in tomllib.loads(CASES.read_text()).items():
        words = [name for name in rows if name != "title"]
        found += [(f"{case}.{n}", word, rows[word]) for n, word in enumerate(words, 1)]
    return found


def known_tests() -> set[str]:
    """Every test of the project as cases.toml names it."""
    found = set()
    for path in (ROOT / "host_tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(f"{path.stem.removeprefix('test_')}::{node.name}")
    return found


def page() -> str:
    """docs/field-cases.md as text."""
    titles = {case: rows["title"] for case, rows in tomllib.loads(CASES.read_text()).items()}
    text = [
        "# Field cases and their tests",
        "",
        "Made by `python -m host_tests.field_cases.table` from `host_tests/field_cases/`.",
        "Each input of 32 public bug reports, and the tests that feed it to the recorder.",
        "",
        "| line | input | tests |",
        "| --- | --- | --- |",
    ]
    last = None
    for line, words, tests in lines():
        case = line.partition(".")[0]
        if case != last:
            text.append(f"| **{case}** | **{titles[case]}** | |")
            last = case
        names = ", ".join(
            f"*{test}*" if test.startswith(OPEN) else f"`{test.replace('::', '` `')}`"
            for test in tests
        )
        text.append(f"| {line} | {words} | {names} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
