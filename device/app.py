"""The composition root: the only file that names concrete classes and joins the stages.

Large buffers are made first, before most of the code is even imported, so that they find an
unbroken heap; from here on they are lent.
"""

import asyncio
import gc
import random
import sys

from device import codec as codecs
from device.capture.ring import BlockRing
from device.compat import const
from device.errors import DeviceError
from device.log import LEVEL_NAMES, Log

_GC_THRESHOLD_BYTES = const(16384)  # collect early: short pauses, and large blocks stay free
_WORK_BYTES = const(2304)  # the largest FLAC frame and the header behind it
_PIECE_BYTES = const(4096)  # one TLS record; larger pieces only make asyncio copy the rest
_READ_BYTES = const(1024)


class Buffers:
    """Every large buffer of the product, sized by the settings."""

    def __init__(self, settings):
        rate_hz = settings["recording.rate_hz"]
        block_frames = rate_hz * settings["recording.block_ms"] // 1000
        self.ring = BlockRing(settings["recording.ring_blocks"], block_frames)
        self.codec = codecs.encoder_of(settings["recording.codec"], rate_hz, snr_db(settings))
        self.encoded = memoryview(bytearray(self.codec.max_encoded_bytes(block_frames) + 96))
        self.piece = memoryview(bytearray(_PIECE_BYTES))
        self.work = memoryview(bytearray(_WORK_BYTES))
        connections = settings["upload.max_connections"]
        self.reads = [bytearray(_READ_BYTES) for _ in range(connections)]


class App:
    """board: the ports (device/hal/ports.py). build() may raise Fatal or NeedsOperator
    (storage).
    """

    def __init__(self, board, settings, faults, buffers):
        self._board = board
        self._faults = faults
        self.log = Log(board.system.log_sink, LEVEL_NAMES[settings["log.level"]])
        for fault in faults:
            self.log.error("settings %s", fault)
        self._build(board, settings, buffers)
        gc.collect()

    def _build(self, board, settings, buffers):
        from device.capture.recorder import Recorder
        from device.http.client import HttpClient
        from device.link.clock import Clock
        from device.link.link import Link
        from device.link.timekeeper import TimeKeeper
        from device.queue.backlog import Backlog
        from device.queue.waits import Waits
        from device.store.medium import Quota
        from device.store.recovery import Recovery
        from device.store.slots import Slots
        from device.store.store import ClipStore
        from device.supervisor.heartbeat import Heartbeat
        from device.supervisor.indicator import IndicatorTask
        from device.supervisor.status import Status, queue_part
        from device.supervisor.supervisor import Supervisor
        from device.transfer.cloud import Cloud
        from device.transfer.lane import Lane
        from device.transfer.whole_file import WholeFile

        log, secrets = self.log, board.secrets
        boot = secrets.counter("boot")
        random_bits = seeded_bits(board.system.device_id, boot)
        self.clock = clock = Clock(board.clock, boot, log)
        self.store = store = ClipStore(board.storage, secrets)
        store.prepare()
        state_path = board.storage.root + "/state/"
        clock.attach(Slots("boots1", state_path + "boots"))
        quota = Quota(board.storage, settings["storage.reserve_kb"] * 1024, log)
        self.http = http = HttpClient(board.net, buffers.piece, buffers.reads, clock.witness_date)
        cloud = Cloud(http, settings["cloud.api_url"], secrets, clock)
        networks = [
            (name, secrets.get("wifi:" + name) or "") for name in settings["wifi.networks"]
        ]
        link = Link(board.wifi, networks, self._link_changed, log)
        self._timekeeper = TimeKeeper(
            board.net, clock, link, settings["clock.ntp_server"], random_bits, log
        )
        waits = Waits(
            settings["upload.retry_first_s"], settings["upload.retry_cap_s"], clock, random_bits
        )
        waits.attach(Slots("lane1", state_path + "lane"))
        recovery = Recovery(store, buffers.work, log, self._work_came)
        backlog = Backlog(store, self._epoch, recovery.pend, log)
        strategy = WholeFile(
            store, cloud, clock, board.system.device_id, store_id(secrets, random_bits), log
        )
        self.lane = lane = Lane(
            store, backlog, waits, strategy, cloud, link, clock, settings["clock.wait_s"], log
        )
        clock.on_set = lane.notify  # a clip may wait for the time
        self.recorder = recorder = Recorder(
            board.microphone,
            buffers,
            store,
            quota,
            clock,
            {
                "clip_samples": settings["recording.clip_length_s"]
                * settings["recording.rate_hz"],
                "is_continuous": settings["recording.mode"] == "continuous",
                "boot": boot,
                "snr_db": snr_db(settings) if settings["recording.codec"] == "flac" else 0,
            },
            {"epoch": self._epoch, "closed": lane.notify, "torn": recovery.pend},
            log,
        )
        heartbeat = Heartbeat(
            cloud,
            lane,
            link,
            clock,
            settings["cloud.heartbeat_s"],
            (board.battery, recorder, store, quota),
            log,
        )
        indicator = IndicatorTask(board.indicator, recorder, lane)
        self.status = Status(
            board.system,
            {
                "recorder": recorder.as_dict,
                "queue": queue_part(lane, backlog, store, recovery, http),
                "link": link.as_dict,
                "clock": clock.as_dict,
                "storage": quota.as_dict,
                "heartbeat": heartbeat.as_dict,
                "settings": self._settings_part,
                "indicator": lambda: indicator.code,
            },
        )
        self.supervisor = Supervisor(board.watchdog, settings["watchdog.limit_s"] * 1000, log)
        for name, run in (
            ("recorder", recorder.run),
            ("button", self._button),
            ("recovery", recovery.run),
            ("link", link.run),
            ("timekeeper", self._timekeeper.run),
            ("lane", lane.run),
            ("heartbeat", heartbeat.run),
            ("indicator", indicator.run),
            ("console", self._console),
        ):
            self.supervisor.add(name, run)

    async def run(self):
        """Run until a task fails; returns its name. The caller resets the board."""
        self.log.info(
            "start device=%s firmware=%s boot=%d cause=%s",
            self._board.system.device_id,
            self._board.system.firmware_version,
            self._board.secrets.counter("boot"),
            self._board.system.reset_cause(),
        )
        return await self.supervisor.run()

    def _epoch(self):
        return self._board.secrets.counter("epoch")

    def _link_changed(self, is_up):
        if is_up:
            self._timekeeper.notify()
        else:
            self.http.close()
        self.lane.notify()

    def _work_came(self):
        self.lane.notify()

    async def _button(self, check_in):
        while True:
            check_in(2**28)  # a button may rest for days; it cannot hang
            await self._board.button.pressed()
            self.recorder.toggle()

    async def _console(self, check_in):
        """Commands of a person or tool; each is answered, an unknown one too."""
        console = self._board.console
        while True:
            check_in(2**28)
            command = await console.next_command()
            name = command.get("do")
            if name == "status":
                console.reply(command, self.status.document())
            elif name == "look_again":
                self.lane.look_again()
                console.reply(command, {"ok": True})
            elif name == "record":
                self.recorder.want(bool(command.get("on")))
                console.reply(command, {"ok": True})
            else:
                console.reply(command, {"error": "unknown command"})

    def _settings_part(self):
        return {"faults": self._faults} if self._faults else {"ok": True}


def snr_db(settings):
    """The signal-to-noise ratio that recordings keep, in dB; 0: they are lossless."""
    quality = settings["recording.quality"]
    if quality == "auto":
        return 30 if settings["cellular.apn"] else 0
    return 0 if quality == "lossless" else int(quality[:-2])


def store_id(secrets, random_bits):
    """Eight hex digits that tell this store of clips from an earlier one of the same board."""
    value = secrets.get("store_id")
    if not value:
        value = "%08x" % random_bits(32)
        secrets.set("store_id", value)
    return value


def seeded_bits(device_id, boot):
    """random_bits(n) of a generator that differs from board to board and from boot to boot."""
    seed = boot
    for letter in device_id:
        seed = (seed * 33 + ord(letter)) & 0x3FFFFFFF
    try:
        import os

        seed ^= int.from_bytes(os.urandom(4), "big") & 0x3FFFFFFF
    except (ImportError, AttributeError, NotImplementedError):
        pass
    random.seed(seed)
    return random.getrandbits


def load_settings(config_data):
    """(settings, faults); what only reading them needs is let go of again."""
    import device
    from device import config

    settings, faults = config.load(config_data)
    for name in ("config", "config_table"):
        del sys.modules["device." + name]
        if hasattr(device, name):
            delattr(device, name)
    return settings, faults


def run(board, config_data):
    """Build and run the recorder; returns the name of the failed task, or raises DeviceError."""
    settings, faults = load_settings(config_data)
    gc.collect()
    buffers = Buffers(settings)
    try:
        app = App(board, settings, faults, buffers)
    except DeviceError as e:
        board.system.log_sink("E cannot start reason=%s" % e)
        raise
    if hasattr(gc, "threshold"):
        gc.threshold(_GC_THRESHOLD_BYTES)
    return asyncio.run(app.run())
