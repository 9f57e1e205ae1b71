"""M14: months of virtual time that one core simulates in a second, with the device's own code.

By the processor's time, not the wall's: a machine that does other work gives the same figure.
"""

import resource
import subprocess
import sys

from tools.bench.rows import Row, middle, spread_of
from tools.sim.build import ROOT

_LEAST = 10
_BATCHES = 5
_SEEDS = 12
_LIMIT_S = 300


def measure(session):
    rates = []
    for batch in range(3 if session.quick else _BATCHES):
        session.say(f"batch {batch + 1}")
        base_s = _cpu_s(1 + batch * _SEEDS, 1)
        whole_s = _cpu_s(1 + batch * _SEEDS, _SEEDS + 1)
        rates.append(_SEEDS / max(1e-6, whole_s - base_s))
    what = "schedules a second and core (a month of weather each)"
    return [Row("M14", what, middle(rates), least=_LEAST, spread=spread_of(rates))]


def _cpu_s(seed, count) -> float:
    """Processor time of so many seeds. Raises CalledProcessError if one has a violation."""
    before = _children_s()
    command = [sys.executable, "-W", "ignore", "-m", "tools.torture.month"]
    command += ["--seed", str(seed), "--count", str(count)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=_LIMIT_S)
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
