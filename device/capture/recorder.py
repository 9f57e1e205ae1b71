"""The one task that consumes the microphone's ring: when a take begins and ends, and why not now.

A take runs while everything that permits it does: somebody wants it (button, or always), the
schedule, the medium, the microphone. With a gate it begins (mode `activity`), or leaves silence
out, by what is heard; then the microphone runs and the recorder is *armed*.
"""

import asyncio

from device.compat import WAIT_ERRORS, const, sleep_ms, wait_for_ms
from device.errors import DeviceError, Fatal, Transient
from device.reasons import RECORDER, Reason, is_reason

_CHECK_MS = const(5_000)
_IDLE_MS = const(30_000)  # nobody wants a take: whoever does sets the change
_RESUME_MS = const(10_000)  # how often a mode that begins by itself tries again after a failure
_DEAF_MS = const(10_000)  # a microphone without a block for so long has failed


def _nobody(code):
    """For a recorder that nobody keeps a ledger of."""


class Recorder:
    """take: capture.take.Take; parts: meter, pace, gate, conditioner, schedule of capture/, the
    last three may be None.

    settings: mode, skip_samples (of the start of a take), ends_in_silence (else it is left out).
    """

    def __init__(self, microphone, ring, take, parts, clock, quota, settings, log):
        self._microphone = microphone
        self._ring = ring
        self._take = take
        self._meter, self._pace, self._gate, self._conditioner, self._schedule = parts
        self._clock = clock
        self._quota = quota
        self._by_itself = settings["mode"] != "button"
        self._skip_samples = settings["skip_samples"]
        self._ends_in_silence = settings["mode"] == "activity"
        self._log = log
        self._wanted = self._by_itself
        self._change = asyncio.Event()
        self._skip_left = 0
        self.elsewhere = None  # () -> True if another medium has just taken over
        self._denied = None  # a reason that forbids every take
        self.tick = _nobody  # the ledger's: told the reason while no clip is open
        self.reason = Reason(RECORDER, "idle", clock.uptime_ms)

    def toggle(self):
        """The button: begin a take, or end the one that runs."""
        self.want(not self._wanted)

    def want(self, wanted):
        self._wanted = wanted
        self._change.set()
        self._ring.wake()

    def deny(self, code):
        """Forbid every take, for the reason code; None: they may begin again."""
        self._denied = code
        if code is None:
            self.reason.set("idle")
        self._change.set()
        self._ring.wake()

    def is_recording(self):
        return self._take.is_open

    async def run(self, check_in):
        """Record for ever, take by take."""
        while True:
            check_in(60_000)
            if not self._is_permitted():
                self.tick(self.reason.code)
                await self._wait_for_change(_CHECK_MS if self._wanted else _IDLE_MS)
                continue
            try:
                await self._listen(check_in)
            except (DeviceError, MemoryError) as e:
                if not isinstance(e, DeviceError):
                    e = Transient("low_memory")
                self._end_after_failure(e)
                self.tick(self.reason.code)
                if self.elsewhere is not None and self.elsewhere():
                    continue
                if not self._by_itself:
                    self._wanted = False
                await self._wait_for_change(_RESUME_MS)

    def _is_permitted(self):
        """True if a take may run now; else the reason says why not (a failure's stays)."""
        if self._denied:
            if not self._by_itself:
                self._wanted = False
            self.reason.set(self._denied)
            return False
        if self._wanted and self._schedule:
            unix_s = self._clock.unix_s()
            if unix_s is None:
                self.reason.set("time_unknown")
                return False
            if not self._schedule.is_inside(unix_s):
                change_ms = self._schedule.next_change_s(unix_s) * 1000
                self.reason.set("off_schedule", "", self._clock.uptime_ms() + change_ms)
                return False
        elif not self._wanted and self.reason.code in ("off_schedule", "time_unknown"):
            self.reason.set("idle")
        return self._wanted

    async def _listen(self, check_in):
        """Run the microphone until nobody wants it, a schedule ends, or something fails."""
        self._quota.refresh()
        self._quota.check()
        self._take.begin(holds=self._gate is not None)
        self._skip_left = self._skip_samples
        if self._gate:
            self._gate.close()
        if self._conditioner:
            self._conditioner.begin()
        self._pace.begin()
        self._ring.clear()
        self._microphone.start(self._ring)
        try:
            self._show()
            while self._is_permitted():
                check_in(60_000)
                if self._take.holds:
                    self.tick(self.reason.code)
                if not await self._consume_waiting():
                    await self._wait_for_block()
        finally:
            self._microphone.stop()
        while await self._consume_waiting():  # what the driver had handed over before the stop
            pass
        lost = self._ring.take_lost()
        if lost and self._take.is_open:
            self._take.lose(lost)
        self._take.end()
        self.reason.set("idle")
        self._is_permitted()

    async def _consume_waiting(self):
        """All blocks that wait now, before others have their turn (a handshake takes 400 ms): what
        was late is durable soon. False if there is none.
        """
        waiting = len(self._ring)
        for _ in range(waiting):
            self._consume(self._ring.oldest())
            self._ring.release()
        await sleep_ms(0)
        return bool(waiting)

    def _consume(self, block):
        samples, frames, lost_before = block
        self._pace.add(lost_before)
        if self._skip_left:
            skip = max(0, min(self._skip_left - lost_before, frames))
            self._skip_left = max(0, self._skip_left - lost_before - frames)
            self._pace.add(skip)
            lost_before = 0
            samples, frames = samples[2 * skip :], frames - skip
            if not frames:
                return
        if self._conditioner:
            self._conditioner.apply(samples, frames)
        level = self._meter.measure(samples, frames)
        if lost_before:
            self._take.lose(lost_before)
        self._pace.add(frames)
        if self._gate:
            self._follow_gate(self._gate.update(level, frames), frames)
        self._take.append(samples, frames)
        self._meter.count(frames, not self._gate or self._gate.is_active)
        self._show()

    def _follow_gate(self, is_open, frames_in_hand):
        if is_open and self._take.holds:
            self._take.release(frames_in_hand)
        elif not is_open and not self._take.holds:
            if self._ends_in_silence:
                self._take.end()
                self._take.begin(holds=True)
            else:
                self._take.hold()

    def _show(self):
        """Say what goes on; a microphone that gives nothing useful is said before all else."""
        code = self._meter.fault or ("armed" if self._take.holds else "recording")
        if code != self.reason.code:
            self.reason.set(code)

    def _end_after_failure(self, e):
        """The medium or the microphone failed: keep what is safe, say why, stay alive."""
        code = e.code if is_reason(RECORDER, e.code) else "storage_failed"
        self._log.error("recording ended reason=%s", e)
        self._take.fail()
        self.reason.set(code, str(e.detail))

    async def _wait_for_block(self):
        try:
            await wait_for_ms(self._ring.wait(), _DEAF_MS)
        except WAIT_ERRORS:
            raise Fatal("microphone_failed", "no sample for %d s" % (_DEAF_MS // 1000))

    async def _wait_for_change(self, limit_ms):
        try:
            await wait_for_ms(self._change.wait(), limit_ms)
        except WAIT_ERRORS:
            pass
        self._change.clear()

    def as_dict(self):
        state = self.reason.as_dict()
        state["take"] = self._take.number
        state["take_samples"] = self._take.position
        state["lost_frames"] = self._ring.lost_frames
        return state
