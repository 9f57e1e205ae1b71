"""The composition root: the only file that names concrete classes and joins the stages.

Large buffers are made first, before most of the code is even imported, so that they find an
unbroken heap; from here on they are lent. main.py lets go of this file once it has built: only
what it joined lives on.
"""

import gc

from device import codec as codecs
from device.capture.ring import BlockRing
from device.compat import const, file_size, forget_module
from device.errors import NeedsOperator
from device.identity import seeded_bits, store_id
from device.log import LEVEL_NAMES, Log

_WORK_BYTES = const(2304)  # the largest FLAC frame and the header behind it
_PIECE_BYTES = const(4096)  # one TLS record; larger pieces only make asyncio copy the rest
_READ_BYTES = const(512)
_CARD_BUNDLE = "bota-recorder.bundle"  # as device/update/card.py calls it


class Buffers:
    """Every large buffer of the product, sized by the settings."""

    def __init__(self, settings):
        rate_hz = settings["recording.rate_hz"]
        block_frames = rate_hz * settings["recording.block_ms"] // 1000
        self.ring = BlockRing(settings["recording.ring_blocks"], block_frames)
        self.codec = codecs.encoder_of(settings["recording.codec"], rate_hz, snr_db(settings))
        self.encoded = memoryview(bytearray(self.codec.max_encoded_bytes(block_frames) + 96))
        self.preroll = preroll_of(settings, block_frames) if has_gate(settings) else None
        self.piece = memoryview(bytearray(_PIECE_BYTES))
        self.work = memoryview(bytearray(_WORK_BYTES))
        connections = settings["upload.max_connections"]
        self.reads = [bytearray(_READ_BYTES) for _ in range(connections)]


def has_gate(settings):
    """True if what is heard decides what is recorded."""
    return settings["recording.mode"] == "activity" or settings["recording.leave_out_silence"]


def preroll_of(settings, block_frames):
    """Memory for the pre-roll and the sound that must last for activity.minimum_ms."""
    from device.capture.preroll import PreRoll

    rate_hz = settings["recording.rate_hz"]
    pre_roll_s, minimum_ms = settings["activity.pre_roll_s"], settings["activity.minimum_ms"]
    samples = pre_roll_s * rate_hz + minimum_ms * rate_hz // 1000 + block_frames
    is_flac = settings["recording.codec"] == "flac"
    # Speech takes 53 % of PCM, 21 % at 30 dB (docs/codec.md), silence less; what is louder for
    # long shortens the pre-roll.
    percent = (40 if snr_db(settings) else 70) if is_flac else 100
    frame_samples = codecs.format_of("flac", rate_hz).block_samples if is_flac else block_frames
    size_bytes = samples * 2 * percent // 100 + _PIECE_BYTES
    return PreRoll(size_bytes, samples, min(frame_samples, 1024))


def build(board, config_data):
    """Build the recorder over the board's ports; returns its Supervisor, ready to run.

    config_data: bytes of config.json, or None. Raises Fatal or NeedsOperator (storage).
    """
    from device.config_kept import load_settings
    from device.store.slots import Slots

    _look_for_update(board)
    kept = Slots("config1", board.storage.root + "/state/config")
    settings, faults, changes = load_settings(config_data, kept, board.limits)
    forget_module("device.config_kept")
    gc.collect()
    buffers = Buffers(settings)
    board.microphone.prepare(
        settings["recording.rate_hz"],
        buffers.ring.frames_per_block,
        settings["recording.ring_blocks"],
    )
    faults = board.faults + faults
    system, secrets = board.system, board.secrets
    boot = secrets.counter("boot")
    ring = None
    if system.log_folder:
        from device.log_ring import LogRing

        ring = LogRing(system.log_folder, boot, system.log_sink)
    sink = ring.sink if ring else system.log_sink
    board.last_words = ring.last_words if ring else sink
    log = Log(sink, LEVEL_NAMES[settings["log.level"]])
    log.info(
        "start device=%s firmware=%s boot=%d cause=%s",
        system.device_id,
        system.firmware_version,
        boot,
        system.reset_cause(),
    )
    for fault in faults:
        log.error("settings %s", fault)
    supervisor = _join(board, settings, faults, buffers, boot, log, ring)
    if changes is not None:
        try:
            kept.write(changes)
        except OSError as e:
            log.warning("settings not kept errno=%s", e.errno)
    return supervisor


def _look_for_update(board):
    """Install what lies on the card, before anything records. Does not return if it did."""
    try:
        if file_size(board.storage.root + "/" + _CARD_BUNDLE) < 0:
            return
    except OSError:
        return  # a medium that cannot be read is the store's affair
    from device.update import card

    if card.run(board):
        board.system.reset()
    for name in ("card", "install", "bundle", "signature", "note"):
        forget_module("device.update." + name)
    forget_module("rescue.boot_record")
    forget_module("rescue.roots")


def _join(board, settings, faults, buffers, boot, log, ring):
    from device.http.client import HttpClient
    from device.joining import backlog_of, keeper_of, origin_of, planner_of, strategy_of, ways_of
    from device.joints import Joints
    from device.link.clock import BOOTS
    from device.link.link import Link
    from device.link.timekeeper import TimeKeeper
    from device.power import resets
    from device.queue.manners import Manners
    from device.queue.waits import Waits
    from device.store.in_hand import InHand
    from device.store.ledger import Ledger
    from device.store.media import store_of
    from device.store.medium import Quota
    from device.store.recovery import Recovery
    from device.store.slots import Slots
    from device.supervisor.heartbeat import Heartbeat
    from device.supervisor.indicator import IndicatorTask
    from device.supervisor.people import People
    from device.supervisor.status import Status, queue_part, update_part
    from device.supervisor.supervisor import Supervisor
    from device.transfer.cloud import Cloud
    from device.transfer.lane import Lane

    system, secrets = board.system, board.secrets
    random_bits = seeded_bits(system.device_id, boot)
    saves = settings["power.save"] and board.battery.percent() is not None
    if saves:
        from device.link.slept_clock import SleptClock as Clock
    else:
        from device.link.clock import Clock
    clock = Clock(board.clock, boot, log)
    if ring:
        ring.uptime_ms = clock.uptime_ms
    store = store_of(board, clock.uptime_ms, log)
    forget_module("device.store.media")
    store.prepare()
    if system.marked:
        from device.store import deaths

        deaths.blame(store, system.marked, log)
        forget_module("device.store.deaths")
    in_hand = InHand(system.mark)
    state_path = board.storage.root + "/state/"
    names = ((BOOTS, "boots"), ("link1", "link"), ("lane1", "lane"))
    kept = [Slots(magic, state_path + name) for magic, name in names]
    clock.attach(kept[0])
    clock.witness_rtc(system.reset_cause())
    store.ledger = Ledger(store.steady_root, boot, clock, log)
    quota = Quota(board.storage, settings["storage.reserve_kb"] * 1024, log)
    api_url, ntp_server = settings["cloud.api_url"], settings["clock.ntp_server"]
    try:
        # FAT may count its clusters for a minute, once after it was mounted (ff.c, f_getfree):
        # now, before the watchdog runs (docs/watchdog.md).
        quota.refresh()
    except NeedsOperator:
        pass  # whoever records or sends meets it again, and says so
    joints = Joints(system, secrets, board.net, origin_of(api_url), ntp_server, random_bits)
    joints.resets = resets.count(system, secrets)
    joints.store, joints.quota, joints.log = store, quota, log
    joints.evict, quota.make_room = settings["storage.evict"], joints.make_room
    forget_module("device.power.resets")
    joints.http = http = HttpClient(board.net, buffers.piece, buffers.reads, clock.witness_date)
    manners = Manners(clock, random_bits)
    cloud = Cloud(http, api_url, secrets, clock, manners=manners)
    link = Link(
        ways_of(board, settings, log),
        joints.link_changed,
        log,
        joints.is_idle,
        joints.probe,
        joints.plan_reset,
        kept[1],
    )
    joints.timekeeper = timekeeper = TimeKeeper(
        board.net, clock, link, ntp_server, random_bits, log
    )
    retry_s = settings["upload.retry_first_s"], settings["upload.retry_cap_s"]
    waits = Waits(*retry_s, clock, random_bits)
    waits.attach(kept[2])
    waits.spread()
    recovery = Recovery(store, buffers.work, log, joints.work_came, in_hand.repairing)
    kept_budget = Slots("budget1", store.steady_root + "/state/budget")
    joints.planner = planner = planner_of(settings, link, http, clock, kept_budget, log)
    epoch = joints.epoch if settings["upload.former_user"] == "keep" else None
    backlog = backlog_of(settings, quota, store, epoch, recovery.pend, planner)
    makers = (store, cloud, clock, system.device_id, store_id(secrets, random_bits), log)
    strategy = strategy_of(makers, settings, joints)
    clock_wait_s, mark = settings["clock.wait_s"], in_hand.sending
    gates = (manners, planner) if planner else (manners,)
    joints.lane = lane = Lane(
        store, backlog, waits, strategy, cloud, link, clock, clock_wait_s, log, mark, gates
    )
    lane.plan_reset = joints.plan_reset
    clock.on_set = joints.work_came
    callbacks = {"epoch": joints.epoch, "closed": joints.work_came, "torn": recovery.pend}
    recorder = _join_recorder(
        board.microphone, settings, saves, buffers, store, quota, clock, boot, callbacks, log
    )
    recorder.tick = store.ledger.tick
    lane.is_behind = recorder.is_behind
    parts = (board.battery, recorder, backlog, quota)
    heartbeat = Heartbeat(cloud, lane, link, clock, settings["cloud.heartbeat_s"], parts, log)
    heartbeat.firmware = system.firmware_version
    heartbeat.spread(random_bits)
    lane.announce = heartbeat.announce
    if settings["cloud.token_refresh_days"]:
        joints.cloud, joints.clock = cloud, clock
        joints.refresh_days = settings["cloud.token_refresh_days"]
        heartbeat.tend = joints.tend_token
    indicator = IndicatorTask(board.indicator, recorder, lane)
    parts = (recorder, lane, link, heartbeat, recovery, indicator)
    joints.recorder, joints.uptime_ms = recorder, clock.uptime_ms
    keeper = spare = None
    if board.battery.percent() is not None:
        joints.keeper = keeper = keeper_of(board, settings, saves, parts, clock, log)
    elif system.reset_cause() == "brown_out":
        from device.power.brown_out import Spare

        spare = Spare(link)
    shown = {
        "recorder": recorder.as_dict,
        "queue": queue_part(lane, backlog, recovery, http),
        "link": link.as_dict,
        "clock": clock.as_dict,
        "storage": joints.storage_part,
        "seconds": store.ledger.as_dict,
        "heartbeat": heartbeat.as_dict,
        "settings": {"faults": faults} if faults else {"ok": True},
        "indicator": indicator.shown,
        "resets": joints.resets,
        "uploads": strategy.as_dict,
        "update": update_part(system.firmware_version),
    }
    status = Status(system, secrets, board.battery, shown)
    people = People(board.button, board.console, recorder, lane, status, ring)
    if planner:
        shown["budget"] = planner.as_dict
    supervisor = Supervisor(board.watchdog, settings["watchdog.limit_s"] * 1000, log)
    if keeper:
        shown["power"], people.on_touch = keeper.as_dict, keeper.touched
        keeper.watched_by(supervisor)
    if keeper or spare:
        supervisor.add("power", (keeper or spare).run)
    if getattr(board, "media", None):
        store.join(recorder, lane, quota, recovery, kept)
        shown["medium"] = store.as_dict
        supervisor.add("medium", store.run)
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
    if ring:
        supervisor.add("log", ring.run)
    forget_module("device.joining")
    return supervisor


def _join_recorder(
    microphone, settings, saves, buffers, store, quota, clock, boot, callbacks, log
):
    from device.capture.level import Meter
    from device.capture.pace import Pace
    from device.capture.take import Take

    if saves:
        from device.capture.resting import RestingRecorder as Recorder
    else:
        from device.capture.recorder import Recorder

    rate_hz = settings["recording.rate_hz"]
    take_settings = {
        "rate_hz": rate_hz,
        "clip_samples": settings["recording.clip_length_s"] * rate_hz,
        "boot": boot,
        "snr_db": snr_db(settings) if settings["recording.codec"] == "flac" else 0,
    }
    meter = Meter(rate_hz)
    pace = Pace(rate_hz, clock)
    take = Take(buffers, meter, pace, store, quota, clock, take_settings, callbacks, log)
    gate = conditioner = schedule = None
    if has_gate(settings):
        from device.capture.gate import Gate

        names = ("level_dbfs", "above_floor_db", "minimum_ms", "hang_over_s")
        gate = Gate(rate_hz, *[settings["activity." + name] for name in names])
    gain_db, high_pass_hz = settings["recording.gain_db"], settings["recording.high_pass_hz"]
    if gain_db or high_pass_hz:
        from device.capture.conditioner import Conditioner

        conditioner = Conditioner(rate_hz, gain_db, high_pass_hz)
    mode = settings["recording.mode"]
    if mode == "schedule" or (mode == "activity" and settings["schedule.windows"]):
        from device.capture.schedule import Schedule

        schedule = Schedule(settings["schedule.windows"], settings["schedule.utc_offset_min"])
    recorder_settings = {
        "mode": mode,
        "skip_samples": settings["recording.skip_start_ms"] * rate_hz // 1000,
    }
    parts = (meter, pace, gate, conditioner, schedule)
    ring = buffers.ring
    return Recorder(microphone, ring, take, parts, clock, quota, recorder_settings, log)


def snr_db(settings):
    """The signal-to-noise ratio that recordings keep, in dB; 0: they are lossless."""
    quality = settings["recording.quality"]
    if quality == "auto":
        return 30 if settings["cellular.apn"] else 0
    return 0 if quality == "lossless" else int(quality[:-2])
