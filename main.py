# Counts the start and runs the rescue program where it is its turn (rescue/start.py), else the
# recorder (device/start.py). Whatever ends them is followed by a reset; Ctrl-C leads to the REPL.
import gc
import sys
import time

BUILD_AGAIN_S = 10  # a card that is not in, for instance: it is looked at again


def main():
    if hasattr(gc, "threshold"):
        # Without it the loading of modules leaves its garbage all over the heap, and what stays is
        # scattered between: a file's 4 KiB cache then finds no room in a heap that is half empty.
        gc.threshold(4096)
    try:
        try:
            from rescue.start import begin

            begin()
        except Exception as e:
            # Then nothing counts starts, and the recorder still has its chance.
            sys.stdout.write("E rescue is broken: %s %s\n" % (e.__class__.__name__, e))
        from device.start import run

        run()
    except KeyboardInterrupt:
        say_held()
        raise
    except Exception as e:
        sys.stdout.write("E reset because of an exception: %s %s\n" % (e.__class__.__name__, e))
        if hasattr(sys, "print_exception"):
            sys.print_exception(e)
    reset()


def say_held():
    """A person ended the program: that is no crash."""
    try:
        from rescue.start import held

        held()
    except Exception:  # noqa: S110
        pass  # a person is there, and sees what is broken


def reset():
    """Begin anew, also where the memory or the files for a board were missing: a program that
    falls back to the prompt records nothing until somebody comes by.
    """
    if sys.platform == "esp32":
        import machine

        time.sleep(BUILD_AGAIN_S)
        machine.reset()
    sys.exit(3)


if __name__ == "__main__":
    main()
