"""A keeper with its gates and saver, over a battery, a board and stages in memory."""

import asyncio

import fakes

from device.joints import Joints
from device.link.slept_clock import SleptClock
from device.power.brown_out import Spare
from device.power.gate import Gate
from device.power.keeper import Keeper
from device.power.saver import Saver

HOUR_S = 3600


class Battery:
    def __init__(self, level=80, charging=False):
        self.level, self.charging = level, charging

    def percent(self):
        return self.level

    def voltage_mv(self):
        return None if self.level is None else 3700

    def is_charging(self):
        return self.charging


class System:
    def __init__(self, cause="power_on", reason=""):
        self.cause, self.reason = cause, reason
        self.resets = []

    def reset_cause(self):
        return self.cause

    def reset_reason(self):
        return self.reason

    def reset(self, reason=""):
        self.resets.append(reason)
        raise SystemExit(3)


class Part:
    """What keeper and saver ask of recorder, lane, link, heartbeat, recovery and indicator."""

    def __init__(self):
        self.rests, self.lane_rests, self.beat_ms = 86_400_000, 86_400_000, 86_400_000
        self.interval_ms = 600_000
        self.in_hand = 0
        self.recording = self.busy = self.is_asleep = self.is_asking = False
        self.pause = 0
        self.denied = []
        self.quiet, self.dozing = 0, []
        self.off = None
        self.offs = []

    def rests_ms(self):
        return self.rests

    def quiet_ms(self):
        return self.quiet

    def doze(self, dozes):
        """As the recorder: who dozes needs nothing."""
        if dozes != (self.dozing[-1:] == [True]):
            self.dozing.append(dozes)
            self.rests, self.quiet = (86_400_000, 0) if dozes else (0, 0)

    def is_recording(self):
        return self.recording

    def deny(self, code):
        self.denied.append(code)

    def slept(self, doubt_ms):
        self.doubt_ms = doubt_ms

    def resting_code(self):
        return "nothing_to_send"

    def hold(self, reason):
        if not self.offs or reason != self.off:
            self.offs.append(reason)
        self.off = reason

    def release(self):
        self.hold(None)

    def is_resting(self):
        return self.off is not None

    def pause_ms(self):
        return self.pause

    def is_busy(self):
        return self.busy


class Port:
    """Sleeps by moving time; `ends`: (at second, what ends it)."""

    drift_ppm = 10_000

    def __init__(self, time):
        self._time = time
        self.ends = []
        self.slices = []

    def light(self, limit_ms):
        self.slices.append(limit_ms)
        now = self._time.seconds
        if self.ends and self.ends[0][0] <= now + limit_ms / 1000:
            at, why = self.ends.pop(0)
            self._time.seconds = max(now, at)
            return why
        self._time.advance(limit_ms)
        return "time"


class Bench:
    """level: of the battery, None: not measured. port: None: the board cannot sleep."""

    def __init__(
        self,
        time,
        level=80,
        cause="power_on",
        saves=True,
        sleeps=True,
        scheduled=False,
        dozes=False,
    ):
        self.time = time
        self.log, self.lines = fakes.make_log()
        self.clock = SleptClock(fakes.ClockPort(), 1, self.log)
        self.battery = Battery(level)
        self.system, self.secrets = System(cause), fakes.Secrets()
        self.recorder, self.lane, self.link = Part(), Part(), Part()
        self.heartbeat, self.recovery, self.indicator = Part(), Part(), Part()
        self.joints = Joints(self.system, self.secrets, None, None, None, None)
        self.joints.recorder, self.joints.lane = self.recorder, self.lane
        self.joints.uptime_ms = self.clock.uptime_ms
        self.port = Port(time) if sleeps else None
        parts = (self.recorder, self.lane, self.link)
        all_parts = (*parts, self.heartbeat, self.recovery, self.indicator)
        saver = None
        if saves:
            saver = Saver(self.port, all_parts, self.clock, 60_000, scheduled, dozes)
        gates = (Gate(5, 5), Gate(10, 5))
        self.keeper = Keeper(self.battery, gates, *parts, cause, saver, self.clock, self.log)
        self.task = self.keeper if level is not None else Spare(self.link)

    def run(self, seconds, *steps):
        """steps: (at second from now, function)."""

        async def main():
            start = self.time.seconds
            task = asyncio.create_task(self.task.run(lambda within_ms: None))
            for at, change in steps:
                await asyncio.sleep(max(0, start + at - self.time.seconds))
                change()
            await asyncio.sleep(max(0, start + seconds - self.time.seconds))
            fakes.stop(task)
            await asyncio.wait([task])

        fakes.run(main(), self.time)

    def set(self, part, **values):
        return lambda: [setattr(part, name, value) for name, value in values.items()]
