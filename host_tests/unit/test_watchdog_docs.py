"""docs/watchdog.md tells the truth of the code: every limit there is the code's, and holds."""

import ast
import pathlib
import re

from device.config_table import ROWS

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "watchdog.md").read_text()
LIMIT = next(row for row in ROWS if row[0] == "watchdog.limit_s")
# module -> the task's name in app.py
TASKS = {
    "capture/recorder": "recorder",
    "power/keeper": "power",
    "power/brown_out": "power, on the mains",
    "store/recovery": "recovery",
    "store/two_media": "medium",
    "log_ring": "log",
    "link/link": "link",
    "link/timekeeper": "timekeeper",
    "transfer/lane": "lane",
    "supervisor/heartbeat": "heartbeat",
    "supervisor/indicator": "indicator",
    "supervisor/people": "button, console",
}


def trees():
    for path in sorted((ROOT / "device").rglob("*.py")):
        yield str(path.relative_to(ROOT / "device")), ast.parse(path.read_text())


def rows(columns):
    found = re.findall(r"^\| " + " \\| ".join(["(.*?)"] * columns) + r" \|$", TEXT, re.MULTILINE)
    return [row for row in found if not row[0].startswith(("-", "call", "task"))]


def values_of(tree):
    """name -> number of the module's constants."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if getattr(node.value.func, "id", "") == "const":
                expression = compile(ast.Expression(node.value.args[0]), "constant", "eval")
                try:
                    found[node.targets[0].id] = eval(expression, {}, found)
                except NameError:
                    pass
    return found


def check_ins(tree):
    """The longest time, in ms, that a module's check_in() calls ask for; None: it rests."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check_in":
            expression = compile(ast.Expression(node.args[0]), "check_in", "eval")
            found.append(eval(expression, {}, values_of(tree)))
    return found


def test_every_task_checks_in_as_the_table_says():
    shown = {task: within for task, within, _ in rows(3) if " s" in within or within == "rest"}
    asked = {}
    for name, tree in trees():
        limits = check_ins(tree)
        if limits:
            task = TASKS[name[:-3]]
            longest = max((limit for limit in limits if limit is not None), default=None)
            asked[task] = "rest" if longest is None else f"{longest // 1000:,} s"
    assert {task: text.replace(",", "") for task, text in shown.items()} == {
        task: text.replace(",", "") for task, text in asked.items()
    }


def test_the_least_limit_is_above_twice_the_longest_call():
    calls = [(name, ms) for name, ms, _ in rows(3) if ms.isdigit()]
    assert len(calls) > 12
    least_s, default_s = LIMIT[3][0], LIMIT[2]
    longest = max(int(ms) for _, ms in calls)
    assert 1000 * least_s > 2 * longest, max(calls, key=lambda call: int(call[1]))
    assert f"({default_s} s by default, {least_s} at least)" in TEXT


def test_only_the_supervisor_feeds_and_only_two_start():
    feeds, starts = [], []
    for name, tree in trees():
        if name.startswith("hal/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = getattr(node.func.value, "attr", getattr(node.func.value, "id", ""))
                if node.func.attr == "feed":
                    feeds.append(name)
                if node.func.attr == "start" and "watchdog" in owner:
                    starts.append(name)
    # Before any task runs, an update winds it up for itself.
    assert sorted(set(feeds)) == ["supervisor/supervisor.py", "update/card.py"]
    assert sorted(set(starts)) == ["field/entry.py", "supervisor/supervisor.py", "update/card.py"]


def test_a_slice_of_sleep_and_the_pace_of_feeding_are_what_the_page_says():
    constants = {name: values_of(tree) for name, tree in trees()}
    assert constants["power/saver.py"]["_SLICES"] == 3 and "a\nthird of the limit" in TEXT
    assert constants["power/saver.py"]["_LONG_MS"] == 360_000 and "six minutes" in TEXT
    assert constants["supervisor/supervisor.py"]["_FEED_MS"] == 2000 and "every 2 s" in TEXT
    assert 600_000 == next(
        node.value.value
        for name, tree in trees()
        if name == "field/entry.py"
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_HOLD_MS"
    )
