"""What one stage tells another when something happens. Made and filled by app.py.

Apart from it, because a function keeps the whole module alive that it was written in: app.py is
let go of once it has joined the stages.
"""


class Joints:
    """secrets: port. The stages are put in as they are made."""

    def __init__(self, secrets):
        self._secrets = secrets
        self.lane = None
        self.timekeeper = None
        self.http = None
        self.keeper = None

    def epoch(self):
        """The binding that new clips are made under."""
        return self._secrets.counter("epoch")

    def link_changed(self, is_up):
        if is_up:
            self.timekeeper.notify()
            self.lane.link_returned()
        else:
            self.http.close()
            self.lane.link_lost()

    def work_came(self):
        """A clip is closed or repaired, or the time became known."""
        self.lane.notify()
        if self.keeper:
            self.keeper.notify()
