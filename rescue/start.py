"""What main.py calls first: counts the start and, if it is its turn, runs the rescue program."""

from rescue import const, forget
from rescue.chip import open_chip

# Longer than loading everything, mounting a card and joining the stages; then the supervisor sets
# its own. Without it a module that never ends would hang the board before anybody watches.
_LIMIT_MS = const(120_000)


def begin():
    """Returns if it is the full program's turn. Raises whatever is broken in this package."""
    from rescue import choice

    chip = open_chip()
    chip.guard(_LIMIT_MS)
    is_rescue = choice.begin(chip.cause())
    choice = None
    forget("choice", "boot_record", "start")
    if is_rescue:
        from rescue.program import Program

        Program(chip).run()
    forget()


def held():
    """A person ended the program that runs: no crash, and no clip's fault.

    mpremote sends Ctrl-C more than once: the second must not end this.
    """
    import micropython

    micropython.kbd_intr(-1)
    try:
        from rescue import choice

        choice.try_full()
        open_chip().mark("")
    finally:
        micropython.kbd_intr(3)
