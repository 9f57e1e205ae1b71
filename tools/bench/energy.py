"""How long a battery lasts: currents from papers, shares of time from a run of the real program.

    python -m tools.bench.energy                 the table of docs/energy.md
    python -m tools.bench.energy --mah 1200

Each figure says where it is from and how good that is:
    read      in the paper that is named
    quoted    of that paper, by somebody else who is named, or by us without the paper at hand
    assumed   by us; replace it with what the bench shows (docs/hardware.md)
How the time between takes is spent comes from tools.bench.energy_week, two days of each mode.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.bench.energy_week import Week, from_json

HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str
    kind: str
    source: str


FIGURES = {
    "chip idle": Figure(
        32.3, "mA", "read", "ComNets Bremen, MoleNet V6: ESP32-S3-DevKitC at 3.3 V, no code runs"
    ),
    "one core busy": Figure(
        18.3,
        "mA",
        "quoted",
        "ESP32-S3 Series Datasheet, Modem-sleep at 240 MHz: 65.9 less 47.6 mA",
    ),
    "chip asleep": Figure(
        0.61, "mA", "read", "the same board in light sleep; 0.24 are the chip's (its datasheet)"
    ),
    "encoder's share": Figure(
        15, "%", "assumed", "of one core at 16 kHz FLAC; docs/codec.md counts instructions only"
    ),
    "Wi-Fi on": Figure(
        102,
        "mA",
        "quoted",
        "glenn20, upy-esp32-experiments: 100 to 104 mA with the processor; no modem sleep",
    ),
    "Wi-Fi join": Figure(
        204, "mC", "quoted", "glenn20: wake, join and DHCP, 1.6 s; at 5 V, taken as is"
    ),
    "Wi-Fi upload": Figure(
        75, "kB/s", "quoted", "micropython issue 5543: 74 kB/s over TLS, one connection"
    ),
    "microphone": Figure(2.2, "mA", "read", "DS-INMP441-00 rev. 1.1, table 1, 3.3 V, normal"),
    "microphone idle": Figure(0.8, "mA", "read", "the same, standby: no clock"),
    "card idle": Figure(
        0.25,
        "mA",
        "quoted",
        "SanDisk SD Card Product Manual, standby, in electronicspoint.com 76008",
    ),
    "card writing": Figure(100, "mA", "quoted", "the same, the most while reading or writing"),
    "card's share": Figure(1, "%", "assumed", "of the time of a take: 5 ms for 4 KiB, 20 KB/s"),
    "modem off": Figure(0.007, "mA", "quoted", "SIM7000 Hardware Design, in botletics' wiki"),
    "modem idle": Figure(11, "mA", "quoted", "the same, LTE registered"),
    "modem sends": Figure(
        167, "mA", "quoted", "the same, LTE Cat-M1 at 23 dBm; a Cat-1 modem takes some 500 mA"
    ),
    "modem starts": Figure(20, "s", "assumed", "power key to registered, at what sending takes"),
    "modem upload": Figure(40, "kB/s", "assumed", "UART at 460,800 baud"),
    "board": Figure(0.05, "mA", "assumed", "regulator and divider"),
    "cell usable": Figure(85, "%", "assumed", "of what is printed: age, cold, 5 % kept back"),
}

LOSSLESS_KB_S = 19.5  # docs/codec.md: 156 kbit/s at 16 kHz
SMALL_KB_S = 7.4  # 30 dB: 59 kbit/s


def _of(name: str) -> float:
    return FIGURES[name].value


@dataclass(frozen=True)
class Profile:
    """recorded_h a day in takes of take_s; mode: which run says how the rest is spent."""

    name: str
    mode: str
    recorded_h: float
    take_s: float
    is_cellular: bool = False
    saves: bool = True


PROFILES = (
    Profile("continuous, Wi-Fi", "none", 24, 480),
    Profile("schedule, 8 h a day, Wi-Fi", "schedule", 8, 480),
    Profile("schedule, 2 h a day, Wi-Fi", "schedule", 2, 480),
    Profile("button, 8 takes of 10 min, Wi-Fi", "button", 8 / 6, 600),
    Profile("the same without power.save", "none", 8 / 6, 600, saves=False),
    Profile("button, 8 takes of 10 min, 4G", "button", 8 / 6, 600, is_cellular=True),
    Profile("button, never pressed, Wi-Fi", "button", 0, 600),
)


def recording_ma() -> float:
    """A take with the radio off."""
    busy_ma = _of("one core busy") * _of("encoder's share") / 100
    card_ma = _of("card idle") + _of("card writing") * _of("card's share") / 100
    return _of("chip idle") + busy_ma + _of("microphone") + card_ma + _of("board")


def resting_ma() -> float:
    """What lies around is powered all the time."""
    return _of("microphone idle") + _of("card idle") + _of("board")


def sending_mas(profile: Profile) -> float:
    """mA·s a day that the radio takes for the clips, beyond what runs anyway."""
    recorded_s = profile.recorded_h * HOUR_S
    takes = recorded_s / profile.take_s
    if profile.is_cellular:
        on_s = takes * _of("modem starts") + recorded_s * SMALL_KB_S / _of("modem upload")
        return on_s * (_of("modem sends") + _of("chip idle") + _of("one core busy"))
    on_s = recorded_s * LOSSLESS_KB_S / _of("Wi-Fi upload")
    on_ma = _of("Wi-Fi on") + _of("one core busy")
    if profile.mode != "button":
        on_ma -= _of("chip idle")  # clips go while the next one is recorded
    return takes * _of("Wi-Fi join") + on_s * on_ma


def average_ma(profile: Profile, shares: dict[str, float]) -> float:
    """shares: of the time between takes, "awake", "asleep" and "radio on", in parts of 1."""
    recorded_s = profile.recorded_h * HOUR_S
    between_s = DAY_S - recorded_s
    if not profile.saves:
        shares = {"awake": 0.0, "asleep": 0.0, "radio on": 1.0}
    on_ma = _of("modem idle") + _of("chip idle") if profile.is_cellular else _of("Wi-Fi on")
    between_ma = resting_ma() + (
        shares["awake"] * _of("chip idle")
        + shares["asleep"] * _of("chip asleep")
        + shares["radio on"] * on_ma
    )
    if profile.is_cellular:
        between_ma += _of("modem off")
    total_mas = recorded_s * recording_ma() + between_s * between_ma + sending_mas(profile)
    return total_mas / DAY_S


def shares_between(week: Week) -> dict[str, float]:
    """How the time between takes was spent."""
    spent = {state: week.spent_ms[state] for state in ("awake", "asleep", "radio on")}
    total = sum(spent.values())
    return {state: ms / total for state, ms in spent.items()}


def run_week(mode: str, days: int) -> Week:
    """In a process of its own: the simulation replaces clocks and files."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.energy_week", "--json"]
    command += ["--mode", mode, "--days", str(days)]
    return from_json(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def rows(mah: float, days: int) -> list[tuple[str, str, str, str, str]]:
    """(profile, asleep, average mA, hours, days) of each profile, as text."""
    shares = {mode: shares_between(run_week(mode, days)) for mode in ("schedule", "button")}
    shares["none"] = {"awake": 0.0, "asleep": 0.0, "radio on": 0.0}
    found = []
    for profile in PROFILES:
        ma = average_ma(profile, shares[profile.mode])
        hours = mah * _of("cell usable") / 100 / ma
        asleep_pct = 100 * shares[profile.mode]["asleep"] * (1 - profile.recorded_h / 24)
        found.append(
            (profile.name, f"{asleep_pct:.0f} %", f"{ma:.1f}", f"{hours:.0f}", f"{hours / 24:.1f}")
        )
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tools.bench.energy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mah", type=float, default=2000, help="what is printed on the cell")
    parser.add_argument("--days", type=int, default=2, help="of the virtual run")
    parser.add_argument("--markdown", action="store_true", help="as it stands in docs/energy.md")
    options = parser.parse_args(argv)
    heads = ("profile", "asleep", "mA", "hours", "days")
    found = rows(options.mah, options.days)
    figures = [(n, f"{f.value:g} {f.unit}", f.kind, f.source) for n, f in FIGURES.items()]
    if options.markdown:
        for head, lines in ((heads, found), (("figure", "value", "is", "source"), figures)):
            rule = ["---"] * len(head)
            print("\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines)) + "\n")
        return 0
    console = Console()
    table = Table("figure", "value", "is", "source", title="Figures")
    for line in figures:
        table.add_row(*line)
    console.print(table)
    table = Table(*heads, title=f"A cell of {options.mah:g} mAh")
    for line in found:
        table.add_row(*line)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
