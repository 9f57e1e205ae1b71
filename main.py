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


def restart():
    """What System.reset does, where there is no System."""
    if sys.platform == "esp32":
        import machine

        machine.reset()
    sys.exit(3)


def prepare(board):
    """The recorder's Supervisor; what only building needs is let go of again."""
    from device import app
    from device.compat import forget_module

    supervisor = app.build(board, read_config())
    forget_module("device.app")
    return supervisor


def main():
    if hasattr(gc, "threshold"):
        # Without it the loading of modules leaves its garbage all over the heap, and what stays is
        # scattered between: a file's 4 KiB cache then finds no room in a heap that is half empty.
        gc.threshold(4096)
    if sys.platform == "esp32":
        from device.hal.esp32.board import build
    else:
        from device.hal.sim.board import build
    from device.compat import short_traceback

    try:
        board = build()
    except Exception as e:
        # A card that is not in, for instance: said, and looked at again.
        sys.stdout.write("E no board\n" + short_traceback(e))
        time.sleep(BUILD_AGAIN_S)
        restart()
        return
    try:
        supervisor = prepare(board)
        gc.collect()
        if hasattr(gc, "threshold"):
            gc.threshold(GC_THRESHOLD_BYTES)
        failed_task = asyncio.run(supervisor.run())
        board.system.log_sink("E reset because task=%s ended" % failed_task)
    except Exception as e:
        board.system.log_sink("E reset because of an exception")
        board.system.log_sink(short_traceback(e))
    board.system.reset()


if __name__ == "__main__":
    main()
