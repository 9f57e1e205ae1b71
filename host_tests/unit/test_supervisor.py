"""supervisor: the watchdog is fed while all tasks live, and one that ends or hangs is noticed."""

import asyncio

import fakes
import pytest

from device.errors import DeviceError
from device.supervisor.people import People
from device.supervisor.supervisor import Supervisor


class Watchdog:
    def __init__(self, time):
        self._time = time
        self.limit_ms = None
        self.fed = []

    def start(self, limit_ms):
        self.limit_ms = limit_ms

    def feed(self):
        self.fed.append(self._time.seconds)


class Bench:
    def __init__(self, time):
        self.time = time
        self.watchdog = Watchdog(time)
        self.log, self.lines = fakes.make_log()
        self.supervisor = Supervisor(self.watchdog, 60_000, self.log)

    def run(self, seconds):
        """The name of the failed task, or None while it runs on."""

        async def main():
            task = asyncio.create_task(self.supervisor.run())
            done, _ = await asyncio.wait([task], timeout=seconds)
            task.cancel()
            return task.result() if done else None

        return fakes.run(main(), self.time)


async def steady(check_in):
    while True:
        check_in(10_000)
        await asyncio.sleep(5)


def test_fed_while_all_check_in(time):
    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("b", steady)
    assert b.run(600) is None
    assert b.watchdog.limit_ms == 60_000 and len(b.watchdog.fed) >= 299
    gaps = [later - at for at, later in zip(b.watchdog.fed, b.watchdog.fed[1:], strict=False)]
    assert max(gaps) < 10, "well within the smallest limit that the settings allow"


def test_one_silent_task_and_it_is_fed_no_more(time):
    async def silent(check_in):
        check_in(30_000)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("quiet one", silent)
    b.run(600)
    assert 28 <= b.watchdog.fed[-1] <= 30.01
    assert "E task is overdue task=quiet one" in b.lines


def test_a_task_that_never_checks_in_at_all_is_noticed(time):
    async def never(check_in):
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("never", never)
    b.run(600)
    assert b.watchdog.fed[-1] <= 120.1


def test_a_task_that_blocks_the_loop_is_not_fed(time):
    """B20: a call of 600 s; nothing else runs meanwhile, and nobody feeds from a timer."""

    async def blocking(check_in):
        check_in(10_000)
        await asyncio.sleep(5)
        b.time.advance(600_000)
        check_in(10_000)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("blocking", blocking)
    b.run(700)
    assert not [at for at in b.watchdog.fed if 7 < at < 605]


def test_a_board_that_slept_is_not_taken_for_one_that_hangs(time):
    """Six minutes at a time, longer than any limit here; a task that hangs is still noticed."""
    limits_ms = []

    async def sleeper(check_in):
        for _ in range(10):
            check_in(30_000)
            b.supervisor.stands_still(360_000)
            limits_ms.append(b.watchdog.limit_ms)
            b.time.advance(360_000)
            b.supervisor.goes_on(360_000)
            limits_ms.append(b.watchdog.limit_ms)
            await asyncio.sleep(0.05)
        await fakes.for_ever()

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("sleeper", sleeper)
    b.run(3700)
    assert limits_ms == 10 * [780_000, 60_000]
    assert 3600 <= b.watchdog.fed[-1] <= 3632, "it hangs in the end"
    assert b.lines[0] == "E task is overdue task=sleeper"


def test_ticks_that_wrap_are_no_silence(time):
    time.seconds = ((1 << 30) - 60_000) / 1000
    b = Bench(time)
    b.supervisor.add("a", steady)
    b.run(600)
    assert len(b.watchdog.fed) >= 299 and not b.lines


@pytest.mark.parametrize(
    "error", [DeviceError("storage_failed", "x"), ValueError("boom"), KeyError(7)]
)
def test_a_failing_task_ends_the_run_with_its_name_and_traceback(time, error):
    stopped = []

    async def failing(check_in):
        await asyncio.sleep(3)
        raise error

    async def other(check_in):
        try:
            await steady(check_in)
        finally:
            stopped.append(True)

    b = Bench(time)
    b.supervisor.add("other", other)
    b.supervisor.add("bad one", failing)
    assert b.run(600) == "bad one"
    assert time.seconds < 6 and stopped == [True]
    text = "\n".join(b.lines)
    assert "task failed task=bad one" in text and type(error).__name__ in text
    assert "test_supervisor.py" in text and "in failing" in text
    assert max(len(line) for line in b.lines) < 700


def test_a_failure_is_noticed_though_it_cannot_be_told(time, monkeypatch):
    """Seen at a heap of 200 KiB: the line about the failing task needed memory too."""
    bench = Bench(time)

    async def fails(check_in):
        raise ValueError("x")

    def no_memory(*values):
        raise MemoryError

    monkeypatch.setattr(bench.supervisor._log, "error", no_memory)
    bench.supervisor.add("deaf", fails)
    assert fakes.run(asyncio.wait_for(bench.supervisor.run(), 60), time) == "deaf"


def test_a_task_that_ends_is_a_surprise(time):
    async def ends(check_in):
        await asyncio.sleep(1)

    b = Bench(time)
    b.supervisor.add("a", steady)
    b.supervisor.add("deaf", ends)
    assert b.run(600) == "deaf" and any("task ended task=deaf" in line for line in b.lines)


class Resting:
    """A button nobody presses, a console nobody speaks to."""

    async def pressed(self):
        await fakes.for_ever()

    async def next_command(self):
        await fakes.for_ever()


@pytest.mark.parametrize("name", ["run_button", "run_console"])
def test_a_board_at_rest_for_a_week_is_not_reset(time, name):
    b = Bench(time)
    people = People(Resting(), Resting(), None, None, None)
    b.supervisor.add("rest", getattr(people, name))
    assert b.run(7 * 86_400) is None
    assert b.watchdog.fed[-1] > 6.9 * 86_400


def test_who_presses_or_asks_is_noticed(time):
    touched = []

    class Pressed:
        left = 1

        async def pressed(self):
            if not self.left:
                await fakes.for_ever()
            self.left = 0

    toggled = type("R", (), {"toggle": lambda self: touched.append("toggle")})()
    people = People(Pressed(), Resting(), toggled, None, None)
    people.on_touch = lambda: touched.append("touch")
    b = Bench(time)
    b.supervisor.add("button", people.run_button)
    b.run(10)
    assert touched == ["touch", "toggle"], "awake first, then the take"
