"""Devices of the real code in virtual time: lane, queue, manners, waits, HTTP client, heartbeat
and store of each, behind one project's limits.

What is not theirs: the net port (wire.py), a link that is always up, and a clip that is put on the
store whole in place of being recorded.
"""

import asyncio
import contextlib
import os
import pathlib
import random
import selectors
import tempfile
from unittest import mock

import numpy as np

from device import compat
from device.codec.wav import WavCodec
from device.http.client import HttpClient
from device.link.clock import Clock
from device.log import ERROR, Log
from device.queue.backlog import Backlog
from device.queue.manners import Manners
from device.queue.waits import Waits
from device.store.store import ClipStore
from device.supervisor.heartbeat import Heartbeat
from device.transfer.cloud import Cloud as CloudCalls
from device.transfer.lane import Lane
from device.transfer.whole_file import WholeFile
from tools.fleet.model import RETRY_CAP_S, RETRY_FIRST_S
from tools.fleet.outcome import Outcome
from tools.fleet.scenario import HEARTBEAT_S, Scenario
from tools.fleet.wire import API_HOST, START_UNIX_S, Cloud, Net

_RATE_HZ = 8000
_SAMPLES = 8000  # a second: the least that is sent


class FleetError(Exception):
    """A device of the fleet did what no device may."""


class _Jump(selectors.DefaultSelector):
    """Nothing ever comes from outside: where everybody sleeps, the time jumps."""

    seconds = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise FleetError("every device waits for ever")
        self.seconds += max(0, timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self):
        return self.jump.seconds

    def monotonic_ns(self):
        """What device.compat asks the module `time` for."""
        return round(self.jump.seconds * 1e9)


class _Secrets:
    version = 1

    def __init__(self, token):
        self._values = {"token": token}

    def get(self, key):
        return self._values.get(key)

    def set(self, key, text):
        self._values[key] = text

    def counter(self, key):
        return 0

    def raise_counter(self, key, value):
        """The store asks for room in it; nothing here outlives the run."""


class _ClockPort:
    build_unix_s = START_UNIX_S - 86_400

    def set_rtc(self, unix_s):
        """Nobody looks at it."""


class _Storage:
    def __init__(self, root):
        self.root = root

    def block_fill_bytes(self, index):
        return 4096

    def free_bytes(self):
        return 1 << 26

    total_bytes = free_bytes


class _Link:
    """Always up."""

    kind, reason = "wifi", "link_down"

    def is_up(self):
        return True

    def rssi_dbm(self):
        return -60

    def exchange_succeeded(self):
        pass

    def exchange_failed(self, code):
        pass


class _Parts:
    """Battery, recorder and quota, as the heartbeat asks them: mains, idle, empty."""

    class reason:
        code = "idle"

    def percent(self):
        return None

    def is_charging(self):
        return False

    def is_recording(self):
        return False

    def used_pct(self):
        return 0

    def as_dict(self):
        return {"total_kb": 1 << 16, "free_kb": 1 << 16}


class _Device:
    def __init__(self, number, root, cloud):
        scenario = cloud.scenario
        self._closes_s = scenario.closes_s(number)
        self.delivered_s = []
        self._log = Log(lambda line: None, ERROR)
        clock = Clock(_ClockPort(), 1, self._log)
        clock.witness(START_UNIX_S * 1000, 20, "ntp")
        bits = random.Random(f"{scenario.seed} real {number}").getrandbits
        secrets = _Secrets(f"tok_{number}")
        cloud.model.tokens[f"tok_{number}"] = f"dev_{number}"
        reads = [bytearray(512), bytearray(512)]
        http = HttpClient(Net(cloud), memoryview(bytearray(4096)), reads)
        self._store = ClipStore(_Storage(root), secrets)
        self._store.prepare()
        manners = Manners(clock, bits)
        waits = Waits(RETRY_FIRST_S, RETRY_CAP_S, clock, bits)
        waits.spread()
        calls = CloudCalls(http, "https://" + API_HOST, secrets, clock, manners=manners)
        backlog = Backlog(self._store, lambda: 0, lambda found: None)
        strategy = WholeFile(self._store, calls, clock, f"dev_{number}", "s", self._log)
        link, parts = _Link(), _Parts()
        self._lane = Lane(
            self._store, backlog, waits, strategy, calls, link, clock, 600, self._log,
            gates=(manners,),
        )  # fmt: skip
        parts = (parts, parts, backlog, parts)
        self._heartbeat = Heartbeat(calls, self._lane, link, clock, HEARTBEAT_S, parts, self._log)
        self._heartbeat.spread(bits)
        self._lane.announce = self._heartbeat.announce

    async def live(self):
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lane.run(lambda within_ms: None))
            tasks.create_task(self._heartbeat.run(lambda within_ms: None))
            tasks.create_task(self._record())

    async def _record(self):
        now_s = asyncio.get_running_loop().time
        for at_s in self._closes_s:
            await asyncio.sleep(max(0, at_s - now_s()))
            self._add_clip()
            self._lane.notify()

    def _add_clip(self):
        codec, out = WavCodec(_RATE_HZ), memoryview(bytearray(2 * _SAMPLES))
        facts = {"codec": "wav", "hz": _RATE_HZ, "take": 0, "index": 0, "first": 0, "boot": 1}
        clip, writer = self._store.open({**facts, "up": 1000, "epoch": 0})
        writer.write_header(out[: codec.write_header(out)])
        writer.write(out, _SAMPLES)
        self._store.close(clip, writer, samples=_SAMPLES, facts=[], last=1)

    def outcome(self, cloud, number):
        """(closed, delivered) of each clip, in seconds; NaN: it was not."""
        when, name = cloud.delivered_s, f"dev_{number}"
        return [
            (at_s, when.get((name, clip), float("nan")))
            for clip, at_s in enumerate(self._closes_s, 1)
        ]


@contextlib.contextmanager
def _quick(loop):
    """Virtual time, and no syncs and collections: no power is cut here."""
    with (
        mock.patch.object(compat, "time", loop),
        mock.patch.object(os, "fsync", lambda descriptor: None),
        mock.patch("gc.collect", lambda: 0),
    ):
        yield


def run(scenario: Scenario, progress=lambda share: None) -> Outcome:
    """The whole scenario with devices of the real code. Raises FleetError if one ends."""
    loop = _Loop()
    shm = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=shm) as name, _quick(loop), contextlib.closing(loop):
        cloud = Cloud(scenario, loop.time)
        devices = []
        for number in range(scenario.devices):
            root = pathlib.Path(name) / str(number)
            root.mkdir()
            devices.append(_Device(number, str(root), cloud))
        loop.run_until_complete(_run(devices, scenario.hours * 3600, progress))
        rows = [
            (*row, number)
            for number, device in enumerate(devices)
            for row in device.outcome(cloud, number)
        ]
    closed_s, delivered_s, owner = (np.array(column) for column in zip(*rows, strict=True))
    project = cloud.project
    counts = np.array(project.asked), np.array(project.refused)
    return Outcome(scenario, closed_s, delivered_s, owner, *counts)


async def _run(devices, seconds, progress):
    tasks = [asyncio.ensure_future(device.live()) for device in devices]
    for part in range(20):
        done, _ = await asyncio.wait(
            tasks, timeout=seconds / 20, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            raise FleetError("a device ended") from task.exception()
        progress((part + 1) / 20)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
