"""What a command shows: its result on stdout, everything else on stderr."""

import json
import sys

from rich.console import Console


class Ui:
    """is_json: the result is one JSON document, progress is left out."""

    def __init__(self, is_json: bool = False):
        self.is_json = is_json
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = Console(highlight=False, soft_wrap=True)

    def result(self, document: dict | list, *shown) -> None:
        """The command's result: document with --json, else what is shown (text, rich tables)."""
        if self.is_json:
            print(json.dumps(document, indent=2, ensure_ascii=False))
            return
        for part in shown:
            self.out.print(part, markup=False) if isinstance(part, str) else self.out.print(part)

    def say(self, text: str) -> None:
        """One line of progress."""
        if not self.is_json:
            self.err.print(text, markup=False)

    def fault(self, text: str, exit_code: int) -> None:
        if self.is_json:
            print(json.dumps({"error": text, "exit_code": exit_code}, ensure_ascii=False))
        self.err.print("recorder: " + text, markup=False)

    @property
    def is_terminal(self) -> bool:
        return not self.is_json and sys.stderr.isatty() and sys.stdin.isatty()
