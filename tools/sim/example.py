"""Writes config.example.json from the device's own table: python -m tools.sim.example"""

import json
import sys

from tools.sim.build import ROOT

TARGET = ROOT / "config.example.json"


def example_text() -> str:
    """Every key with its default, and beside it what it means and what is allowed."""
    sys.path.insert(0, str(ROOT))
    from device.config import allowed_text
    from device.config_table import ROWS

    tree: dict = {"_comment": "Keys that begin with _ are for people; all others are settings."}
    for row in ROWS:
        section, _, key = row[0].rpartition(".")
        words = f"{row[5]} - {allowed_text(row)}" if row[5] else allowed_text(row)
        part = tree.setdefault(section, {})
        part["_" + key] = words
        part[key] = row[2]
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    TARGET.write_text(example_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
