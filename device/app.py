"""The composition root: the only file that names concrete classes and joins the stages.

Large buffers are made first, before most of the code is even imported, so that they find an
unbroken heap; from here on they are lent. main.py lets go of this file once it has built: only
what it joined lives on.
"""

import gc
import random

from device import codec as codecs
from device.capture.ring import BlockRing
from device.compat import const, forget_module
from device.log import LEVEL_NAMES, Log

_WORK_BYTES = const(2304)  # the largest FLAC frame and the header behind it
_PIECE_BYTES = const(4096)  # one TLS record; larger pieces only make asyncio copy the rest
_READ_BYTES = const(512)


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


def build(board, config_data):
    """Build the recorder over the board's ports; returns its Supervisor, ready to run.

    config_data: bytes of config.json, or None. Raises Fatal or NeedsOperator (storage).
    """
    from device.store.slots import Slots

    kept = Slots("config1", board.storage.root + "/state/config")
    settings, faults, changes = load_settings(config_data, kept)
    gc.collect()
    buffers = Buffers(settings)
    system, secrets = board.system, board.secrets
    boot = secrets.counter("boot")
    log = Log(system.log_sink, LEVEL_NAMES[settings["log.level"]])
    log.info(
        "start device=%s firmware=%s boot=%d cause=%s",
        system.device_id,
        system.firmware_version,
        boot,
        system.reset_cause(),
    )
    for fault in faults:
        log.error("settings %s", fault)
    supervisor = _join(board, settings, faults, buffers, boot, log)
    if changes is not None:
        try:
            kept.write(changes)
        except OSError as e:
            log.warning("settings not kept errno=%s", e.errno)
    return supervisor


def _join(board, settings, faults, buffers, boot, log):
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
    from device.supervisor.people import People
    from device.supervisor.status import Status, queue_part
    from device.supervisor.supervisor import Supervisor
    from device.transfer.cloud import Cloud
    from device.transfer.lane import Lane
    from device.transfer.whole_file import WholeFile

    system, secrets = board.system, board.secrets
    random_bits = seeded_bits(system.device_id, boot)
    clock = Clock(board.clock, boot, log)
    store = ClipStore(board.storage, secrets)
    store.prepare()
    state_path = board.storage.root + "/state/"
    clock.attach(Slots("boots1", state_path + "boots"))
    quota = Quota(board.storage, settings["storage.reserve_kb"] * 1024, log)
    http = HttpClient(board.net, buffers.piece, buffers.reads, clock.witness_date)
    cloud = Cloud(http, settings["cloud.api_url"], secrets, clock)
    networks = [(name, secrets.get("wifi:" + name) or "") for name in settings["wifi.networks"]]

    def epoch():
        return secrets.counter("epoch")

    def link_changed(is_up):
        if is_up:
            timekeeper.notify()
            lane.link_returned()
        else:
            http.close()
            lane.notify()

    def work_came():
        lane.notify()

    link = Link(board.wifi, networks, link_changed, log)
    timekeeper = TimeKeeper(board.net, clock, link, settings["clock.ntp_server"], random_bits, log)
    waits = Waits(
        settings["upload.retry_first_s"], settings["upload.retry_cap_s"], clock, random_bits
    )
    waits.attach(Slots("lane1", state_path + "lane"))
    waits.spread()
    recovery = Recovery(store, buffers.work, log, work_came)
    backlog = Backlog(store, epoch, recovery.pend)
    strategy = WholeFile(
        store, cloud, clock, system.device_id, store_id(secrets, random_bits), log
    )
    lane = Lane(store, backlog, waits, strategy, cloud, link, clock, settings["clock.wait_s"], log)
    clock.on_set = lane.notify  # a clip may wait for the time
    take_settings = {
        "clip_samples": settings["recording.clip_length_s"] * settings["recording.rate_hz"],
        "is_continuous": settings["recording.mode"] == "continuous",
        "boot": boot,
        "snr_db": snr_db(settings) if settings["recording.codec"] == "flac" else 0,
    }
    callbacks = {"epoch": epoch, "closed": lane.notify, "torn": recovery.pend}
    recorder = Recorder(
        board.microphone, buffers, store, quota, clock, take_settings, callbacks, log
    )
    parts = (board.battery, recorder, backlog, quota)
    heartbeat = Heartbeat(cloud, lane, link, clock, settings["cloud.heartbeat_s"], parts, log)
    indicator = IndicatorTask(board.indicator, recorder, lane)
    settings_part = {"faults": faults} if faults else {"ok": True}
    status = Status(
        system,
        {
            "recorder": recorder.as_dict,
            "queue": queue_part(lane, backlog, recovery, http),
            "link": link.as_dict,
            "clock": clock.as_dict,
            "storage": quota.as_dict,
            "heartbeat": heartbeat.as_dict,
            "settings": lambda: settings_part,
            "indicator": lambda: indicator.code,
        },
    )
    people = People(board.button, board.console, recorder, lane, status)
    supervisor = Supervisor(board.watchdog, settings["watchdog.limit_s"] * 1000, log)
    for name, run in (
        ("recorder", recorder.run),
        ("button", people.run_button),
        ("console", people.run_console),
        ("recovery", recovery.run),
        ("link", link.run),
        ("timekeeper", timekeeper.run),
        ("lane", lane.run),
        ("heartbeat", heartbeat.run),
        ("indicator", indicator.run),
    ):
        supervisor.add(name, run)
    return supervisor


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


def load_settings(config_data, kept):
    """(settings, faults, changes); what only reading them needs is let go of again.

    A file with any fault leaves the last good settings in force: kept (store.slots.Slots) holds
    what they change of the defaults. changes: to be kept now, or None.
    """
    from device import config

    settings, faults = config.load(config_data)
    try:
        last_good = kept.read()
    except OSError:
        last_good = None
    defaults = config.defaults()
    changes = {path: settings[path] for path in settings if settings[path] != defaults[path]}
    if config_data is None and last_good:
        faults = ["config.json: there is none"]
    if faults:
        changes = None
        if last_good is not None and not config.validate(last_good, defaults):
            settings = defaults
            faults.append("config.json: the last good settings are in force")
    elif changes == last_good or config_data is None:
        changes = None
    forget_module("device.config")
    forget_module("device.config_table")
    return settings, faults, changes
