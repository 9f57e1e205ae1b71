"""Which clips are in hand now, marked where a reset does not forget it: what kills is found so.

The mark (System port) costs no wear: RTC memory. It is taken away at every ending that is no death
of the program: sent, failed, set aside, cancelled because another task failed. Only a watchdog's
reset, a crash of the chip or a surprise out of the very work leaves it, and deaths.py counts.
"""


class InHand:
    """mark(text): the System port's."""

    def __init__(self, mark):
        self._mark = mark
        self._numbers = [0, 0]

    def sending(self, number):
        """The lane's clip; 0: none any more."""
        self._keep(0, number)

    def repairing(self, number):
        """Recovery's clip; 0: none any more."""
        self._keep(1, number)

    def _keep(self, place, number):
        self._numbers[place] = number
        self._mark(" ".join([str(kept) for kept in self._numbers if kept]))


def unmarked(number):
    """For a lane or a recovery that nobody watches."""
