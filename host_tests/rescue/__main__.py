"""python -m host_tests.rescue [module …]: break every module of the full program in every way.

Some minutes long. Exit 0: everything that waited has arrived each time; 1: what did not is named.
"""

import pathlib
import sys
import tempfile
import time

from host_tests.rescue.bench import Factory
from host_tests.rescue.every_module import FAULTS, deliver, loaded_modules
from tools.cloud import Cloud
from tools.torture import summary


def main(argv: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Cloud.start(folder / "cloud", rate_limits=False) as cloud:
            factory = Factory.open(cloud, folder)
            modules = argv or loaded_modules(factory)
            began, faults = time.monotonic(), []
            for fault in FAULTS:
                faults += deliver(factory, [(module, fault) for module in modules])
                passed_s = time.monotonic() - began
                print(
                    f"{fault}: {len(modules)} modules broken, after {passed_s:.0f} s", flush=True
                )
    for (module, fault), found in faults:
        print(f"{module} {fault}: {'; '.join(found)}")
    boards = len(modules) * len(FAULTS)
    took_s = time.monotonic() - began
    summary.add("rescue, broken modules", faults=boards, broken=len(faults), took_s=took_s)
    print(f"{boards} boards, {len(faults)} lost something")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
