# Runs the recorder or, after too many crashes, the rescue program (rescue/choice.py decides). An
# exception ends in a reset, Ctrl-C in the REPL.
import gc
import sys
import time

GC_THRESHOLD_BYTES = 16384  # collect early: short pauses, and large blocks stay free
BUILD_AGAIN_S = 10
# Longer than loading everything, mounting a card and joining the stages; then the supervisor sets
# its own. Without it a module that never ends would hang the board before anybody watches.
START_LIMIT_MS = 120_000


def read_config():
    """The bytes of config.json beside this file, or None."""
    try:
        with open("config.json", "rb") as f:
            return f.read()
    except OSError:
        return None


def count_start():
    """Counts this start under a watchdog; True if it is the rescue program's. Where rescue/ is
    broken nothing counts, and the full program runs.
    """
    try:
        from rescue import chip, choice

        found = chip.open_chip()
        found.guard(START_LIMIT_MS)
        is_rescue = choice.begin(found.cause())
        chip.forget()
        return is_rescue
    except Exception as e:
        sys.stdout.write("E rescue is broken: %s\n" % e.__class__.__name__)
        return False


def run_rescue():
    """Does not return, unless the rescue program cannot even be loaded."""
    try:
        from rescue.program import Program

        program = Program()
    except Exception as e:
        sys.stdout.write("E rescue is broken: %s\n" % e.__class__.__name__)
        return
    program.run()


def prepare(board):
    """The recorder's Supervisor; what only building needs is let go of again."""
    from device import app
    from device.compat import forget_module

    # Here, not in boot.py: it counts starts of this program, which alone makes clips.
    board.secrets.raise_counter("boot", board.secrets.counter("boot") + 1)
    supervisor = app.build(board, read_config())
    forget_module("device.app")
    return supervisor


def forgive():
    """A person ends the program: that is no crash."""
    try:
        from rescue.choice import try_full

        try_full()
    except Exception:
        pass  # a person is there, and sees what is broken


def is_for_somebody(error):
    """True for what no other program would mend: a card that is not in."""
    return error.__class__.__name__ == "NeedsOperator"


def mark_planned():
    try:
        from rescue.chip import open_chip

        open_chip().mark("planned")
    except Exception:
        pass  # then it counts as a crash


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


def run():
    board = None
    try:
        import asyncio

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
        board.system.log_sink("E reset because task=%s ended" % failed_task)
    except Exception as e:
        gc.collect()
        say = board.system.log_sink if board else sys.stdout.write
        say("E reset because of an exception: %s\n" % e.__class__.__name__)
        if is_for_somebody(e):
            mark_planned()
        try:
            from device.compat import short_traceback

            say(short_traceback(e))
        except Exception:
            pass  # the line above has to do
    reset(board)


def main():
    if hasattr(gc, "threshold"):
        # Without it the loading of modules leaves its garbage all over the heap, and what stays is
        # scattered between: a file's 4 KiB cache then finds no room in a heap that is half empty.
        gc.threshold(4096)
    try:
        if count_start():
            run_rescue()
        run()
    except KeyboardInterrupt:
        forgive()
        raise


if __name__ == "__main__":
    main()
