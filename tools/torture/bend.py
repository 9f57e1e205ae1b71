"""Puts the simulation's time, medium and codec under the device's code; run once a process.

What is replaced: sleeping, time limits and events (virtual), `open` and `os` (the medium), garbage
collection (its cost in virtual time), the level meter's loop over samples (constant: 100 µs a
block in plain Python), the settings (read once), the seed of the random numbers, and letting go
of modules. Nothing else: every other line that runs is the device's own.
"""

import asyncio
import importlib
import json
import random
import sys
import types

import rescue
from rescue import boot_record
from tools.torture import blocks, clockwork, costs
from tools.torture.parts import RATE_HZ

_FILE_MODULES = (
    "store.ledger_book",
    "store.slots",
    "store.store",
    "store.writer",
    "store.paths",
    "store.repair",
    "transfer.source",
    "transfer.stored",
)
# Module -> lengths in ms of the sleeps that only look around.
_POLLS = {
    "supervisor.supervisor": ("_FEED_MS",),
    "supervisor.heartbeat": ("_CHECK_MS", "_OFF_MS"),
    "link.link": ("_WATCH_MS",),
}  # fmt: skip
_POLL_WAITS = (
    "transfer.lane",
    "store.recovery",
    "link.timekeeper",
    "link.link",
    "power.keeper",
    "supervisor.indicator",
)
_TICKS_PERIOD = 1 << 30  # as in compat
_MARKS = (32768 - 900, 32768 + 900, 1000, 20, 0)  # of a voice: span, energy
_VOICE, _ROOM = 30_000, 30  # mean squares: -45 and -75 dBFS


class Hook:
    """What the bent code reaches the present world through."""

    world = None


def current_loop():
    return Hook.world.loop


def module(name):
    return importlib.import_module("device." + name)


def install(settings_changes):
    """Bend the device's code; settings_changes: path -> value, over the defaults."""
    compat = module("compat")
    compat.ticks_ms = _ticks_ms
    compat.time = _Time  # for who was loaded before, with the ticks_ms that was
    compat.sleep_ms = clockwork.sleeper(current_loop)
    compat.wait_for_ms = clockwork.waiter(current_loop)
    compat.forget_module = rescue.forget = _keep_module
    compat.list_dir = lambda path: Hook.world.medium.list_dir(path)
    compat.os = _Os()
    compat.sync_file = lambda f: f.flush()
    compat.sync_folder = lambda path: None
    app = module("app")
    for name in _ALL:
        module(name)
    lean = types.SimpleNamespace(**{**vars(asyncio), "Event": clockwork.Event})
    for here in [here for name, here in sys.modules.items() if name.startswith("device.")]:
        if getattr(here, "asyncio", None) is asyncio:
            here.asyncio = lean
    for here in (boot_record, *(module(name) for name in _FILE_MODULES)):
        here.open = lambda path, mode="r": Hook.world.medium.open(path, mode)
        here.os = _Os()
    module("store.slots").json = _Json
    for name, lengths in _POLLS.items():
        here = module(name)
        numbers = tuple(getattr(here, n) if isinstance(n, str) else n for n in lengths)
        is_last = name == "supervisor.supervisor"
        here.sleep_ms = clockwork.sleeper(current_loop, numbers, is_last)
    for name in _POLL_WAITS:
        module(name).wait_for_ms = clockwork.waiter(current_loop, is_poll=True)
    recorder = module("capture.recorder")
    recorder.wait_for_ms = _recorder_wait((recorder._CHECK_MS, recorder._IDLE_MS))
    for name in ("app", "transfer.lane", "http.client", "supervisor.supervisor"):
        module(name).gc = types.SimpleNamespace(collect=lambda: Hook.world.stall(costs.GC))
    module("capture.signal").measure = _measure
    _put_codec(module("codec"))
    if settings_changes.get("upload.live"):
        # The sized-block codec packs a second far tighter than PCM.
        module("transfer.chunked").most_bytes_of_a_second = lambda rate_hz: (
            blocks.HEADER_BYTES + 2 * rate_hz // blocks._SAMPLES_A_BYTE
        )
    settings = module("config").defaults()
    settings.update(settings_changes)
    kept_config = module("config_kept")
    kept_config.load_settings = lambda data, kept, limits: (
        settings | Hook.world.settings,
        [],
        None,
    )
    app.seeded_bits = lambda device_id, boot: (
        random.Random(f"{Hook.world.seed} boot {boot}").getrandbits
    )


_ALL = (
    "joints", "errors", "http.client",
    "link.clock", "link.slept_clock", "link.link", "link.timekeeper", "link.ntp",
    "power.brown_out", "power.gate", "power.keeper", "power.resets", "power.saver",
    "queue.backlog", "queue.waits", "store.medium", "store.recovery", "store.repair",
    "store.slots", "store.store", "supervisor.heartbeat", "supervisor.indicator",
    "supervisor.people", "supervisor.status", "supervisor.supervisor", "transfer.cloud",
    "transfer.lane", "transfer.whole_file", "capture.level", "capture.pace", "capture.recorder",
    "capture.resting", "capture.take", "config",
)  # fmt: skip


def _ticks_ms():
    """The board's ticks, which may go wrong (skew) in its sleep."""
    world = Hook.world
    skew_ms = world.skew_ms
    now_ms = world.loop.now_ms
    return (int(now_ms + skew_ms) if skew_ms else now_ms) % _TICKS_PERIOD


class _Time:
    @staticmethod
    def monotonic_ns():
        return _ticks_ms() * 1_000_000


class _Os:
    """The module os, as far as the device uses it: the present world's medium."""

    @staticmethod
    def stat(path):
        return Hook.world.medium.stat(path)

    @staticmethod
    def remove(path):
        Hook.world.medium.remove(path)

    @staticmethod
    def mkdir(path):
        Hook.world.medium.mkdir(path)

    @staticmethod
    def rmdir(path):
        Hook.world.medium.rmdir(path)


class _Json:
    """The module json of the slots, with one encoder for all lines in place of one a line."""

    loads = staticmethod(json.loads)
    _encode = staticmethod(json.JSONEncoder(separators=(",", ":"), check_circular=False).encode)

    @classmethod
    def dumps(cls, value, separators):
        return cls._encode(value)


def _recorder_wait(polls_ms):
    poll = clockwork.waiter(current_loop, is_poll=True)
    exact = clockwork.waiter(current_loop)

    def wait_for_ms(awaitable, limit_ms):
        return (poll if limit_ms in polls_ms else exact)(awaitable, limit_ms)

    return wait_for_ms


def _keep_module(*names):
    """A board lets go of modules to save memory; here they would only be loaded again."""


def _measure(i, n, x, marks):
    for place, value in enumerate(_MARKS):
        marks[place] = value
    marks[2] = n & 0x7FFF
    world = Hook.world
    if world.leaves_out:
        first = blocks.first_of(x[: 2 * n], n)
        level = _ROOM if world.microphone.is_hushed(first) else _VOICE
        marks[2], marks[3] = level * n & 0x7FFF, level * n >> 15
    elif world.history.evict_order == "quietest":  # louder and lower, a few seconds each
        marks[3] += world.microphone.position // RATE_HZ // 3 * 7 % 40


def _put_codec(codec):
    encoder_of, format_of, rate_of = codec.encoder_of, codec.format_of, codec.rate_of
    codec.NAMES = (*codec.NAMES, blocks.NAME)

    def encoder(name, rate_hz, snr_db=0):
        return blocks.BlockEncoder(rate_hz) if name == blocks.NAME else encoder_of(
            name, rate_hz, snr_db
        )  # fmt: skip

    def form(name, rate_hz):
        return blocks.BlockFormat(rate_hz) if name == blocks.NAME else format_of(name, rate_hz)

    def rate(name, header):
        if name != blocks.NAME:
            return rate_of(name, header)
        return RATE_HZ if header[:4] == b"BLK1" else 0

    codec.encoder_of, codec.format_of, codec.rate_of = encoder, form, rate
