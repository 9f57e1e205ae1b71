"""The small ports of the simulated board: microphone, Wi-Fi, secrets, clock and the rest."""

import asyncio

from tools.torture import blocks
from tools.torture.sky import PlannedReset

RATE_HZ = 8000
BUILD_UNIX_S = 1_793_491_200


class Microphone:
    """Fills the ring as DMA would, also while the processor is busy: by the clock alone."""

    rate_hz = RATE_HZ

    def __init__(self, world):
        self._world = world
        self.position = 0  # samples handed over or lost, over all lives
        self.hushed = []  # [first, count] of those at which nobody spoke
        self.ring = None
        self._started_ms = 0
        self._start_position = 0
        self._timer = None

    def prepare(self, rate_hz, block_frames, blocks):
        """Nothing to make."""

    def start(self, ring):
        self.ring = ring
        self._started_ms = self._world.now_ms
        self._start_position = self.position
        self._world.add("listen", first=self.position)
        self._arm()

    def stop(self):
        if self.ring is None:
            return
        self.pump(self._world.now_ms)
        part = self._due(self._world.now_ms) - self.position
        if part > 1:
            self._fill(part & ~1)
        self.ring = None
        self._timer.cancel()

    def _due(self, now_ms):
        return self._start_position + (now_ms - self._started_ms) * RATE_HZ // 1000

    def _arm(self):
        size = self.ring.frames_per_block
        block = (self.position - self._start_position) // size + 1
        at_ms = self._started_ms + -(-block * size * 1000 // RATE_HZ)
        self._timer = self._world.loop.call_at_ms(at_ms, self._tick)

    def _tick(self):
        if self.ring is not None:
            self.pump(self._world.now_ms)
            self._arm()

    def pump(self, now_ms):
        """The interrupt: hand over every block that is full by now."""
        if self.ring is None:
            return
        size = self.ring.frames_per_block
        while self._due(now_ms) - self.position >= size:
            self._fill(size)

    def _fill(self, count):
        block = self.ring.slot()
        if block is None:
            self.ring.overrun(count)
            self._world.add("overrun", first=self.position, count=count)
        else:
            block[: 2 * count] = blocks.truth(self.position, count)
            self._world.witness.heard(self.position, count)
            # The last part of a block, at the end, is too short to be a sound.
            if self._world.sky.state["hush"] or count < self.ring.frames_per_block:
                add_run(self.hushed, self.position, count)
            self.ring.commit(count)
        self.position += count

    def is_hushed(self, first):
        """Whether nobody spoke at this sample, one of the last blocks'."""
        for begin, count in reversed(self.hushed):
            if begin <= first:
                return first < begin + count
        return False

    def power_off(self):
        self.ring = None


def add_run(runs, first, count):
    """Put samples behind runs of [first, count], as one run where they follow each other."""
    if runs and runs[-1][0] + runs[-1][1] == first:
        runs[-1][1] += count
    else:
        runs.append([first, count])


class Wifi:
    def __init__(self, world):
        self._world = world
        self._status = "idle"
        self._joined_ms = 0

    def connect(self, ssid, password):
        in_reach = not self._world.sky.state["no_coverage"]
        self._status = "joining" if in_reach else "not_found"
        self._joined_ms = self._world.now_ms + 900

    def status(self):
        if self._status == "joining" and self._world.now_ms >= self._joined_ms:
            self._status = "up"
        return self._status

    def disconnect(self):
        self._status = "idle"

    def is_up(self):
        return self.status() == "up"

    def address(self):
        return "192.0.2.7" if self.is_up() else None

    def rssi_dbm(self):
        return -60 if self.is_up() else None

    def drop(self):
        self._status = "not_found"


class Secrets:
    """Durable at once, as NVS; every change is a step at which the power may go."""

    def __init__(self, world, token):
        self._world = world
        self._values = {"token": token, "wifi:home": "password-of-home"}
        self._counters = {"epoch": 1}
        self.version = 1

    def get(self, key):
        return self._values.get(key)

    def set(self, key, text):
        self._world.step("secret")
        self._values[key] = text
        self.version += 1
        self._world.step("secret set")

    def counter(self, key):
        return self._counters.get(key, 0)

    def raise_counter(self, key, value):
        if value > self.counter(key):
            self._world.step("counter")
            self._counters[key] = value
            self._world.step("counter raised")

    def provision(self, token):
        """Somebody puts a new token in, with a cable."""
        self._values["token"] = token
        self.version += 1

    def rebind(self, token):
        """The same, for somebody else."""
        self._counters["epoch"] += 1
        self.provision(token)


class ClockPort:
    build_unix_s = BUILD_UNIX_S

    def __init__(self, world):
        self._world = world
        self._offset_s = None

    def rtc_unix_s(self):
        if self._offset_s is None:
            return None
        return self._world.unix_ms() // 1000 + self._offset_s

    def set_rtc(self, unix_s):
        self._offset_s = unix_s - self._world.unix_ms() // 1000

    def step(self, seconds):
        if self._offset_s is not None:
            self._offset_s += seconds

    def power_off(self):
        self._offset_s = None


class Battery:
    def percent(self):
        return 80

    def voltage_mv(self):
        return 3900

    def is_charging(self):
        return False


class Button:
    def __init__(self):
        self._event = asyncio.Event()

    def press(self):
        self._event.set()

    async def pressed(self):
        await self._event.wait()
        self._event.clear()


class Sleep:
    """The world goes on, the ticks a little wrong, until somebody comes to the button."""

    wakes_by = ("time", "button")
    drift_ppm = 10_000  # what hal/esp32/sleep.py says

    def __init__(self, world, ticks_ppm):
        self._world = world
        self._ticks_ppm = ticks_ppm
        self.ended_by_button = 0
        self.count = 0

    def light(self, limit_ms):
        self.count += 1
        world = self._world
        if world.wifi.status() in ("up", "joining") or world.microphone.ring is not None:
            raise AssertionError("asleep with the radio or the microphone on")
        now_ms = world.loop.now_ms
        coming = [at_ms for at_ms in world.presses_ms if now_ms < at_ms <= now_ms + limit_ms]
        slept_ms = min(coming) - now_ms if coming else limit_ms
        world.is_asleep = True
        world.loop.stall(slept_ms)
        world.is_asleep = False
        world.skew_ms += slept_ms * self._ticks_ppm / 1e6
        self.ended_by_button += bool(coming)
        return "button" if coming else "time"


class Console:
    """A line on which nobody says anything."""

    async def next_command(self):
        await asyncio.get_running_loop().create_future()

    def reply(self, command, answer):
        pass

    def event(self, name, **values):
        pass


class Indicator:
    def show(self, code):
        pass


class Watchdog:
    def start(self, limit_ms):
        pass

    def feed(self):
        pass


class System:
    log_folder = None  # the harness hears every line itself
    firmware_version = "0.0.0-sim"
    device_id = "sim-month"
    marked = ""

    def __init__(self, world, cause):
        self._world = world
        self._cause = cause

    def reset_cause(self):
        return self._cause

    def reset_reason(self):
        return ""

    def reset(self, reason=""):
        self._world.add("planned", why=reason)
        raise PlannedReset

    def mark(self, text):
        pass

    def log_sink(self, text):
        self._world.witness.said(text)


class Storage:
    """The storage port over the world's medium."""

    root = "/flash"

    def __init__(self, medium):
        self._medium = medium

    def block_fill_bytes(self, index):
        pointers = 0
        while index and not index >> pointers & 1:
            pointers += 1
        return 4096 - 4 * (pointers + 1) if index else 4096

    def free_bytes(self):
        return self._medium.room()

    def total_bytes(self):
        return self._medium.capacity_bytes


class Board:
    """The ports by name."""

    limits = {}
    faults: list = []

    def open_sleep(self):
        return self._sleep

    def __init__(self, world, cause):
        self.microphone = world.microphone
        self.storage = Storage(world.medium)
        self.wifi = world.wifi
        self.net = world.net
        self.clock = world.clock
        self.secrets = world.secrets
        self.battery = Battery()
        self._sleep = world.sleep
        self.button = Button()
        self.console = Console()
        self.indicator = Indicator()
        self.watchdog = Watchdog()
        self.system = System(world, cause)
