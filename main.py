# Builds the board's ports and runs the recorder. An exception ends in a reset, Ctrl-C in the REPL.
import asyncio
import gc
import sys
import time

GC_THRESHOLD_BYTES = 16384  # collect early: short pauses, and large blocks stay free
BUILD_AGAIN_S = 10


def read_config():
    """The bytes of config.json beside this file, or None."""
    try:
        with open("config.json", "rb") as f:
            return f.read()
    except OSError:
        return None


def prepare(board):
    """The recorder's Supervisor; what only building needs is let go of again."""
    from device import app
    from device.compat import forget_module

    supervisor = app.build(board, read_config())
    forget_module("device.app")
    return supervisor


def reset(board):
    """Begin anew, also where the memory or the files for a board were missing: a program that
    falls back to the prompt records nothing until somebody comes by.
    """
    if board is not None:
        board.system.reset()
    if sys.platform == "esp32":
        import machine

        time.sleep(BUILD_AGAIN_S)  # a card that is not in, for instance: it is looked at again
        machine.reset()
    sys.exit(3)


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


def main():
    if hasattr(gc, "threshold"):
        # Without it the loading of modules leaves its garbage all over the heap, and what stays is
        # scattered between: a file's 4 KiB cache then finds no room in a heap that is half empty.
        gc.threshold(4096)
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
            gc.threshold(GC_THRESHOLD_BYTES)
        failed_task = asyncio.run(supervisor.run())
        last_words(board)("E reset because task=%s ended" % failed_task)
    except KeyboardInterrupt:
        hold(board)
        raise
    except Exception as e:
        gc.collect()
        say = last_words(board) if board else sys.stdout.write
        say("E reset because of an exception: %s\n" % e.__class__.__name__)
        try:
            from device.compat import short_traceback

            say(short_traceback(e))
        except (ImportError, MemoryError):
            pass  # the line above has to do
    reset(board)


if __name__ == "__main__":
    main()
