"""Every module of the full program is broken in turn; what waits must arrive all the same.

`make test` takes a sample of the pairs (module, fault), drawn from a printed seed so that each run
sees others; `python -m host_tests.rescue` (make torture) takes all of them, some minutes long.
"""

import os
import random

from host_tests.rescue.every_module import FAULTS, deliver, loaded_modules

SAMPLE = 14
SEED = int(os.environ.get("RESCUE_SEED") or random.SystemRandom().randrange(10**6))


def test_a_sample_of_broken_modules(factory):
    modules = loaded_modules(factory)
    assert len(modules) > 60, modules
    pairs = random.Random(SEED).sample([(m, f) for m in modules for f in FAULTS], SAMPLE)
    print(f"RESCUE_SEED={SEED}", pairs)
    assert deliver(factory, pairs) == []
