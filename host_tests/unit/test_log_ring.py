"""The log that outlives a reset: what is written when, what it costs, what never gets into it."""

import asyncio

import pytest

from device import log_ring
from device.field.logs import page
from device.log import Log
from device.log_file import opened, redacted, seal
from device.log_ring import LogRing

MINUTE_MS = 60_000


@pytest.fixture
def now(monkeypatch):
    """A list whose one number is the time in ms."""
    now = [0]
    monkeypatch.setattr(log_ring, "ticks_ms", lambda: now[0])
    return now


class Bench:
    def __init__(self, folder, now):
        self.folder, self.now = str(folder / "log"), now
        self.shown, self.writes = [], 0
        self.boot = 0
        self.start()

    def start(self):
        self.boot += 1
        self.ring = LogRing(self.folder, self.boot, self.shown.append)
        flush = self.ring.flush

        def counted():
            self.writes += 1
            flush()

        self.ring.flush = counted

    def pass_time(self, duration_ms):
        for _ in range(0, duration_ms, 5000):
            self.now[0] += 5000
            self.ring.tick()

    def on_flash(self):
        found, at = [], None
        while True:
            part = page(self.folder, at, b"")
            found += part["lines"]
            at = part["next"]
            if at is None:
                return found


@pytest.fixture
def bench(tmp_path, now):
    return Bench(tmp_path, now)


def test_an_error_is_written_at_once_and_other_lines_when_a_minute_old(bench):
    bench.ring.sink("I something")
    assert bench.on_flash() == [] and bench.shown == ["I something"]
    bench.pass_time(MINUTE_MS)
    assert bench.on_flash() == ["1+0 I something"]
    bench.ring.sink("E somebody must act")
    assert bench.on_flash()[-1] == "1+0 E somebody must act"


def test_a_fault_that_repeats_for_a_day_costs_one_write_a_minute(bench):
    log = Log(bench.ring.sink)
    for second in range(24 * 3600):
        # Two lines in turn: what Log leaves out are equal ones only.
        log.error("card failed errno=%d", second % 2)
        bench.now[0] += 1000
        if not second % 5:
            bench.ring.tick()
    assert 24 * 60 - 5 <= bench.writes <= 24 * 60 + 5
    assert any("lines found no room" in line for line in bench.on_flash())


def test_quiet_minutes_save_for_errors_but_not_without_end(bench):
    bench.pass_time(600 * MINUTE_MS)
    for number in range(20):
        bench.ring.sink("E %d" % number)
    assert bench.writes == 4


def test_other_lines_leave_a_write_for_an_error(bench):
    for number in range(30):
        bench.ring.sink("I %d %s" % (number, "x" * 200))
        bench.pass_time(5000)
    before = bench.writes
    bench.ring.sink("E now")
    assert bench.writes == before + 1 and bench.on_flash()[-1].endswith("E now")


def test_it_goes_on_after_a_reset_and_says_which_boot(bench):
    bench.ring.sink("E one")
    bench.start()
    bench.ring.uptime_ms = lambda: 61_500
    bench.ring.sink("E two")
    assert bench.on_flash() == ["1+0 E one", "2+61 E two"]


def test_last_words_before_a_reset_are_kept(bench):
    async def live():
        task = asyncio.create_task(bench.ring.run(lambda within_ms: None))
        await asyncio.sleep(0)
        bench.ring.sink("I last words")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(live())
    assert bench.on_flash() == ["1+0 I last words"]


def test_it_stays_bounded_and_keeps_the_newest(bench, tmp_path):
    for number in range(2000):
        bench.ring.sink("I %d %s" % (number, "x" * 150))
        bench.ring.flush()
    sizes = [path.stat().st_size for path in (tmp_path / "log").iterdir()]
    assert len(sizes) == 4 and max(sizes) <= 16384
    numbers = [int(line.split()[2]) for line in bench.on_flash()]
    assert numbers == list(range(numbers[0], 2000)) and len(numbers) > 250


def test_a_torn_tail_and_damage_are_passed_over(bench, tmp_path):
    for word in ("one", "two", "three"):
        bench.ring.sink("I " + word)
        bench.ring.flush()
    (path,) = (tmp_path / "log").iterdir()
    data = path.read_bytes().replace(b"two", b"twO")
    path.write_bytes(data[:-4])
    bench.start()
    bench.ring.sink("I four")
    bench.ring.flush()
    assert [line.split()[-1] for line in bench.on_flash()] == ["one", "four"]


def test_a_medium_that_refuses_costs_nothing_but_the_wait(bench, tmp_path):
    blocked = tmp_path / "log"
    blocked.write_text("a file where the folder should be")
    bench.ring.sink("E first")
    bench.pass_time(5 * MINUTE_MS)
    blocked.unlink()
    bench.pass_time(5 * MINUTE_MS)
    assert bench.on_flash() == ["1+0 E first"]


def test_a_page_survives_a_segment_that_was_overwritten_meanwhile(bench):
    for number in range(1000):
        bench.ring.sink("I %d %s" % (number, "x" * 150))
        bench.ring.flush()
    assert page(bench.folder, [1, 9000], b"")["lines"]
    for nonsense in ("x", [1], ["a", "b"], {}, [1, -5], [10**9, 0]):
        assert isinstance(page(bench.folder, nonsense, b"")["lines"], list)


@pytest.mark.parametrize(
    "text, kept",
    [
        ("token=dtok_abcDEF123 next", "token=dtok_*** next"),
        ("Bearer abc.def-g", "Bearer ***"),
        ("PUT https://s3/x?X-Amz-Signature=0123&X-Amz-Date=2026", "PUT https://s3/x?X-Amz-***&X-Amz-***"),
        ("'sk_live_0123'", "'sk_***'"),
        ("dtok_abcdef dtok_ghijkl", "dtok_*** dtok_***"),
        ("task_failed disk_full backup_done", "task_failed disk_full backup_done"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_not_kept(text, kept):
    assert redacted(text) == kept


def test_seal_and_its_damage():
    line = seal("3+7 I größer")
    assert opened(line) == "3+7 I größer"
    for i in range(len(line)):
        damaged = line[:i] + bytes([line[i] ^ 1]) + line[i + 1 :]
        assert opened(damaged) != "3+7 I größer" or damaged.lower() == line
        assert opened(line[:i]) is None
