"""Builds the board's ports and runs the recorder; what main.py calls. Ends in a reset."""

import asyncio
import gc
import sys

_GC_THRESHOLD_BYTES = 16384  # collect early: short pauses, and large blocks stay free


def run():
    """Returns only where there is not even a board to reset by."""
    board = None
    try:
        if sys.platform == "esp32":
            from device.hal.esp32.board import build
        else:
            from device.hal.sim.board import build
        board = build()
        supervisor = prepare(board)
        gc.collect()
        if hasattr(gc, "threshold"):
            gc.threshold(_GC_THRESHOLD_BYTES)
        failed_task = asyncio.run(supervisor.run())
        last_words(board)("E reset because task=%s ended" % failed_task)
    except KeyboardInterrupt:
        hear_no_more()
        hold(board)
        raise
    except Exception as e:  # noqa: BLE001  the last boundary: it is said, then the board begins anew
        gc.collect()
        say = last_words(board) if board else sys.stdout.write
        say("E reset because of an exception: %s\n" % e.__class__.__name__)
        from device.compat import short_traceback

        say(short_traceback(e))
        if e.__class__.__name__ == "NeedsOperator":
            mark_planned()
    if board is not None:
        board.system.reset()


def hear_no_more():
    """mpremote sends Ctrl-C more than once: the second must not end what the first has begun.
    rescue/start.py listens again at its end.
    """
    try:
        import micropython

        micropython.kbd_intr(-1)
    except (ImportError, AttributeError):
        pass  # CPython


def last_words(board):
    """What takes a line that must outlive the reset; the console alone while nothing is built."""
    return getattr(board, "last_words", board.system.log_sink)


def hold(board):
    """Somebody at the cable stopped it: say so, and leave the prompt to them. The watchdog would
    end that after a minute; wound up to ten it still begins anew if they forget.
    """
    if board is None:
        return
    try:
        from device.field.entry import hold

        hold(board)
        last_words(board)("I stopped by Ctrl-C: nothing is recorded. Ctrl-D starts it again")
    except (ImportError, MemoryError):
        pass  # the prompt is there all the same


def read_config():
    """The bytes of config.json beside main.py, or None."""
    try:
        with open("config.json", "rb") as f:
            return f.read()
    except OSError:
        return None


def prepare(board):
    """The recorder's Supervisor; what only building needs is let go of again."""
    from device import app
    from device.compat import forget_module

    # Here, not in boot.py: it counts starts of this program, which alone makes clips.
    board.secrets.raise_counter("boot", board.secrets.counter("boot") + 1)
    supervisor = app.build(board, read_config())
    forget_module("device.app")
    return supervisor


def mark_planned():
    """The reset that follows is no crash: what no other program would mend (a card that is not in)
    must not bring the rescue program.
    """
    try:
        from rescue.chip import open_chip

        open_chip().mark("planned")
    except (ImportError, OSError):
        pass  # then it counts as one
