"""What main.py calls first: counts the start and, if it is its turn, runs the rescue program."""

from rescue import choice, forget  # noqa: F401  main.py lets go of all by it
from rescue.chip import open_chip

# Longer than loading everything, mounting a card and joining the stages; then the supervisor sets
# its own. Without it a module that never ends would hang the board before anybody watches.
_LIMIT_MS = 120_000


def begin():
    """Returns if it is the full program's turn. Raises whatever is broken in this package."""
    chip = open_chip()
    chip.guard(_LIMIT_MS)
    if choice.begin(chip.cause()):
        forget("choice", "boot_record")
        from rescue.program import Program

        Program(chip).run()


def held():
    """A person ended the program that runs: no crash, and no clip's fault."""
    choice.try_full()
    open_chip().mark("")
