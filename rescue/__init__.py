"""The program of last resort: delivers what waits when the full program cannot run.

It lies beside the releases, not in one, and shares only formats with them: nothing of it imports
device/, whose every module may be broken. It runs in a heap of 64 KiB, so what is rarely needed is
loaded for the moment and let go of again.
"""

import sys

try:
    from micropython import const
except ImportError:
    const = int  # a host's CPython: the number itself


def forget(*names):
    """Let go of modules of this package; without names of all of them."""
    package = sys.modules.get("rescue")
    for name in list(sys.modules):
        short = name[7:]
        if name[:7] == "rescue." and (not names or short in names):
            del sys.modules[name]
            if hasattr(package, short):
                delattr(package, short)
    if not names:
        sys.modules.pop("rescue", None)
