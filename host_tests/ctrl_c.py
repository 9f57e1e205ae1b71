"""Ctrl-C for the processes of tests, however the tests themselves were started."""

import signal


def is_heard() -> None:
    """For Popen's preexec_fn. A shell lets what it starts in the background (nohup … &) ignore
    SIGINT, a child inherits that, and Python then makes no KeyboardInterrupt of it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
