"""make fleet N=50: many recorders behind one project's limits, an outage, how they come back.

Up to 100 devices run the real code (lane, queue, manners, HTTP client, heartbeat, store) in
virtual time, beside the model; more are the model's alone, held to it by host_tests/fleet.

examples:
  make fleet N=50                                   real code and model, side by side
  make fleet N=2000 ARGS="--clips 1 --hours 24"     the model, a day
  make fleet N=100000 ARGS="--requests 60000 --urls 12000"   with other limits of the project
"""

import argparse
import pathlib
import sys

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tools.fleet import picture, real
from tools.fleet.model import Model
from tools.fleet.outcome import Outcome, deviations
from tools.fleet.scenario import Scenario
from tools.sim.build import ROOT

MOST_REAL, MOST = 100, 100_000
_WORDS = (
    ("refused_pct", "requests refused", "{:.1f} %"),
    ("delivered_pct", "clips delivered by the end", "{:.1f} %"),
    ("drain_min", "after the outage, until 90 % of what waited is through", "{:.0f} min"),
    ("drain_of_ideal", "the same, over a fleet that shares every minute out", "{:.1f}"),
    ("jain", "fairness among devices (Jain; 1: all alike)", "{:.2f}"),
    ("late", "the slowest tenth of devices over the median", "{:.2f}"),
)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("devices", type=_devices, nargs="?", default=50, help=f"1 to {MOST:,} (default: 50)")
    add("--hours", type=float, default=8, help="of virtual time (default: 8)")
    add("--clips", type=float, default=6, help="of each device an hour (default: 6)")
    add("--waiting", type=int, default=0, help="clips that each device begins with")
    add("--away", type=float, nargs=2, default=(1, 4), metavar=("FROM", "TO"),
        help="hours in which the cloud answers nobody (default: 1 4)")  # fmt: skip
    add("--requests", type=int, default=100, help="a minute, of the project (default: 100)")
    add("--urls", type=int, default=30, help="upload URLs a minute (default: 30)")
    add("--seed", type=int, default=1)
    add("--picture", type=pathlib.Path, default=ROOT / "build" / "fleet" / "fleet.png")
    return parser.parse_args(argv)


def _devices(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"say 1 to {MOST}")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    scenario = Scenario(
        options.devices, options.hours, options.clips, tuple(options.away), options.requests,
        options.urls, options.seed, options.waiting,
    )  # fmt: skip
    console = Console(highlight=False)
    lived = None
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        if scenario.devices <= MOST_REAL:
            lived = _with_progress(progress, "real code", lambda said: real.run(scenario, said))
        modelled = _with_progress(progress, "model", Model(scenario).run)
    console.print(_table(modelled, lived))
    if lived is not None:
        off = deviations(modelled, lived)
        console.print("model against real code: " + ", ".join(
            f"{name} {100 * share:.1f} %" for name, share in off.items()
        ))  # fmt: skip
    else:
        console.print(f"more than {MOST_REAL} devices: the model alone")
    picture.draw(options.picture, modelled, lived)
    console.print(f"picture   {options.picture}", soft_wrap=True)
    return 0


def _with_progress(progress, name, run):
    bar = progress.add_task(name, total=1.0)
    return run(lambda share: progress.update(bar, completed=share))


def _table(modelled: Outcome, lived: Outcome | None) -> Table:
    scenario = modelled.scenario
    table = Table(
        title=f"{scenario.devices:,} devices, {scenario.hours:g} h, seed {scenario.seed}"
    )
    table.add_column("")
    columns = [("real code", lived), ("model", modelled)]
    columns = [(name, outcome.figures()) for name, outcome in columns if outcome is not None]
    for name, _ in columns:
        table.add_column(name, justify="right")
    for key, words, form in _WORDS:
        table.add_row(words, *(_shown(form, figures[key]) for _, figures in columns))
    return table


def _shown(form: str, value: float) -> str:
    return "not by the end" if value != value else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
