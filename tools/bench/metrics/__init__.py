"""The fourteen metrics of the benchmarks: each a module with measure(session) -> list of Row."""

import importlib

from tools.bench.rows import NotMeasured, Row
from tools.bench.session import Session

TITLES = {
    "M1": "instructions of an upload",
    "M2": "throughput of an upload",
    "M3": "smallest heap for a whole cycle",
    "M4": "handshakes, round trips and bytes on the wire",
    "M5": "bytes sent again after cuts",
    "M6": "what capture costs the flash",
    "M7": "longest burst of flash work in one call",
    "M8": "audio lost under the device's costs",
    "M9": "growth with the number of clips that wait",
    "M10": "instructions of the encoder",
    "M11": "what the import of the program costs",
    "M12": "longest stretch without a turn for others",
    "M13": "what idling costs",
    "M14": "speed of the simulation",
}
_MODULES = {
    "M1": "instructions",
    "M2": "throughput",
    "M3": "heap",
    "M4": "wire",
    "M5": "cuts",
    "M6": "flash",
    "M7": "burst",
    "M8": "losses",
    "M9": "growth",
    "M10": "encoder",
    "M11": "imports",
    "M12": "turns",
    "M13": "idle",
    "M14": "simulation",
}


def measure(metric: str, session: Session) -> list[Row]:
    """The rows of a metric; where it cannot be measured, one row that says why."""
    try:
        module = importlib.import_module("tools.bench.metrics." + _MODULES[metric])
        return module.measure(session)
    except NotMeasured as e:
        return [Row(metric, TITLES[metric], None, note=str(e))]
    except Exception as e:  # noqa: BLE001  the others are still worth measuring
        said = str(e).strip().splitlines() or [""]  # of another program's traceback the last line
        why = f"it failed: {type(e).__name__} {said[-1]}"
        return [Row(metric, TITLES[metric], None, note=why[:200])]
