"""What one stage tells another when something happens. Made and filled by app.py.

Apart from it, because a function keeps the whole module alive that it was written in: app.py is
let go of once it has joined the stages.
"""

import asyncio

from device.compat import forget_module


class Joints:
    """system, secrets, net: ports. The stages are put in as they are made."""

    def __init__(self, system, secrets, net, api_origin, ntp_server, random_bits):
        self._system = system
        self._secrets = secrets
        self._net = net
        self._probed = (api_origin, ntp_server)
        self._random_bits = random_bits
        self.lane = self.recorder = self.uptime_ms = None
        self.timekeeper = None
        self.http = None
        self.planner = None  # only where something is limited
        self.whole_file = None
        self.keeper = None  # only where a battery is measured
        self.resets = {}  # the part of the status document
        self.log = None
        self.cloud = self.clock = None  # only where tokens are refreshed
        self.refresh_days = 0
        self.store = self.quota = None
        self.evict = "never"
        self._evict_after = 0
        self._task = None

    def epoch(self):
        """The binding that new clips are made under."""
        return self._secrets.counter("epoch")

    def link_changed(self, is_up):
        if self.planner is not None:
            self.planner.account()
        if is_up:
            self.whole_file.rate_bytes_s = None  # what was measured was another way
            self.timekeeper.notify()
            self.lane.link_returned()
        else:
            self.http.close()
            self._net.drop_all()
            self.lane.link_lost()

    def is_idle(self):
        """True while no clip is in hand: the way may be changed."""
        return not self.lane.in_hand

    async def probe(self, is_doubted):
        """See link/probe.py. While a wait is in force the cloud is not asked, whatever for."""
        from device.link import probe

        origin, ntp_server = self._probed
        nonce = b"".join(self._random_bits(32).to_bytes(4, "big") for _ in range(2))
        forget_module("device.link.probe")
        found = await probe.ask_time(self._net, ntp_server, nonce)
        if is_doubted or self.lane.is_resting():
            return found
        return await probe.ask_cloud(self.http, origin, found)

    async def tend_token(self):
        """Refresh the device token if it is old enough. Called after an accepted heartbeat."""
        from device.transfer import refresh

        try:
            if refresh.is_due(self._secrets, self.clock, self.refresh_days):
                await refresh.refresh(self.cloud, self._secrets, self.clock, self.log)
        finally:
            forget_module("device.transfer.refresh")

    def make_room(self):
        """The medium is full: free one clip; bytes, 0 if none may go (store/evict.py)."""
        opened = self.store.opened
        if opened:
            opened[1].sync()  # it takes a while: nothing but what comes meanwhile may be at stake
        try:
            from device.store import evict

            freed_bytes, self._evict_after = evict.make_room(
                self.store.target,
                self.evict,
                self._evict_after,
                (self.lane.chosen, self.whole_file.unsaved[0]),
                self.epoch(),
                self._secrets,
                self.log,
                self.store.steady_root,
            )
        except MemoryError:
            return 0
        finally:
            forget_module("device.store.evict")
        return freed_bytes

    def storage_part(self):
        """The part of the status document."""
        part = self.quota.as_dict()
        part["evict"] = self.evict
        for name in ("evicted", "evicted_s"):
            part[name] = self._secrets.counter(name)
        return part

    def work_came(self):
        """A clip is closed or repaired, or the time became known."""
        if self.planner is not None:
            self.planner.work_came()
        self.lane.notify()
        if self.keeper:
            self.keeper.notify()

    def plan_reset(self, reason):
        """Reset when it disturbs nobody (power.planned). The first one that asks is named."""
        if self._task is None:
            from device.power import planned

            self.resets["planned"] = reason
            # Only the want of memory is a reason for recorder and lane alike (reasons.py).
            end_take = self._end_take if reason == "low_memory" else None
            ends = planned.carry_out(self._system, reason, self.uptime_ms, self._is_busy, end_take)
            self._task = asyncio.create_task(ends)

    def _end_take(self):
        self.recorder.deny("low_memory")

    def _is_busy(self):
        return self.recorder.is_recording() or self.lane.in_hand
