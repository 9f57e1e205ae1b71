"""The scripted fortnight: runs it, judges it, prints its tables.

python -m tools.torture.fortnight             and writes them into docs/fortnight.md
python -m tools.torture.fortnight --check     and says whether the page shows them; writes nothing
python -m tools.torture.fortnight --days 3    the first days alone; writes nothing
"""

import argparse
import pathlib
import sys

from tools.torture import summary
from tools.torture.fortnight import judge, page, run, script

DOCS = pathlib.Path(__file__).resolve().parents[3] / "docs"
_BEGIN, _END = "<!-- made by python -m tools.torture.fortnight -->\n", "<!-- until here -->\n"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="tools.torture.fortnight", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the page")
    parser.add_argument("--days", type=int, default=script.DAYS, help="so many of them")
    options = parser.parse_args(argv)
    lived = run.run(options.days)
    from device.reasons import LANE, ends_when

    faults = judge.judge(lived)
    made = "\n\n".join(
        [
            page.facts(lived, faults),
            page.table(lived),
            page.reasons(lived, lambda code: ends_when(LANE, code)),
        ]
    )
    print(made)
    for fault in faults:
        print("broken:", fault)
    closed, delivered = judge.closings(lived.history), judge.deliveries(lived.history)
    summary.add(
        "fortnight",
        virtual_days=options.days,
        cuts=lived.counts["cuts"],
        clips=len(closed),
        clips_lost=len(set(closed) - set(delivered)),
        duplicates=sum(len(times) - 1 for times in delivered.values()),
        broken=len(faults),
    )
    if faults or options.days != script.DAYS:
        return 1 if faults else 0
    return _write(made, page.picture(lived), options.check)


def _write(made: str, picture: str, only_check: bool) -> int:
    text_path, picture_path = DOCS / "fortnight.md", DOCS / "fortnight.svg"
    text = text_path.read_text()
    head, _, rest = text.partition(_BEGIN)
    tail = rest.partition(_END)[2]
    wanted = head + _BEGIN + "\n" + made + "\n\n" + _END + tail
    if only_check:
        is_same = (wanted, picture) == (text, picture_path.read_text())
        if not is_same:
            print("docs/fortnight.md or .svg is out of date: python -m tools.torture.fortnight")
        return 0 if is_same else 1
    text_path.write_text(wanted)
    picture_path.write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
