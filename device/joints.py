"""What one stage tells another when something happens. Made and filled by app.py.

Apart from it, because a function keeps the whole module alive that it was written in: app.py is
let go of once it has joined the stages.
"""

import asyncio


class Joints:
    """system, secrets: ports. The stages are put in as they are made."""

    def __init__(self, system, secrets):
        self._system = system
        self._secrets = secrets
        self.lane = self.recorder = self.uptime_ms = None
        self.timekeeper = None
        self.http = None
        self.keeper = None  # only where a battery is measured
        self.resets = {}  # the part of the status document
        self._task = None

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

    def plan_reset(self, reason):
        """Reset when it disturbs nobody (power.planned). The first one that asks is named."""
        if self._task is None:
            from device.power import planned

            self.resets["planned"] = reason
            ends = planned.carry_out(self._system, reason, self.uptime_ms, self._is_busy)
            self._task = asyncio.create_task(ends)

    def _is_busy(self):
        return self.recorder.is_recording() or self.lane.in_hand
