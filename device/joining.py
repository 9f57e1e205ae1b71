"""What app.py joins by the settings and the board: ways out, strategy, caps, battery. Part of the
composition root, and let go of with it.
"""


def ways_of(board, settings, log):
    """The ways out, most wanted first. What only 4G needs is loaded where 4G is set up."""
    from device.link.link import Way

    secrets = board.secrets
    ways = [Way("wifi", name, board.wifi, secrets) for name in settings["wifi.networks"]]
    modem = board.open_modem() if settings["cellular.apn"] else None
    if modem:
        part = {name: settings["cellular." + name] for name in ("apn", "user", "auth", "roaming")}
        place = 0 if settings["link.first"] == "cellular" else len(ways)
        ways.insert(place, Way("4g", "4g", modem, secrets, part))
    elif settings["cellular.apn"]:
        log.error("settings cellular.apn: this board has no modem")
    return ways


def origin_of(api_url):
    """https://host:port of the API's address."""
    return "/".join(api_url.split("/")[:3])


def planner_of(settings, link, http, clock, kept, log):
    """The planner, or None where the settings limit nothing."""
    caps = {}
    for way in ("cellular", "wifi"):
        limits = [settings[way + name] for name in (".daily_mb", ".monthly_mb")]
        if limits != [None, None]:
            caps[way] = [None if mb is None else mb * 1_000_000 for mb in limits]
    hours = settings["cellular.off_peak"] if settings["cellular.apn"] else []
    if not caps and not hours:
        return None
    from device.capture.schedule import Schedule
    from device.link.budget import Budget
    from device.queue.planner import Planner

    offset_min = settings["schedule.utc_offset_min"]
    budget = Budget(caps, kept, clock, offset_min * 60, log)
    off_peak = Schedule(hours, offset_min) if hours else None
    planner = Planner(link, http, clock, budget, off_peak)
    link.permits = planner.shut
    return planner


def backlog_of(settings, quota, *parts):
    """The order in which clips go. parts: what queue.backlog.Backlog is made of."""
    if settings["upload.order"] == "newest":
        from device.queue.newest import NewestFirst

        may_evict = settings["storage.evict"] != "never"
        backlog = NewestFirst(quota if may_evict else None, *parts)
    else:
        from device.queue.backlog import Backlog

        backlog = Backlog(*parts)
    return backlog


def keeper_of(board, settings, saves, parts, clock, log):
    """The keeper of the battery, with a saver where there is a battery to save."""
    from device.power.gate import Gate
    from device.power.keeper import Keeper

    names = ("battery.stop_recording_pct", "battery.stop_sending_pct")
    gates = [Gate(settings[name], settings["battery.hysteresis_pct"]) for name in names]
    saver = None
    if saves:
        from device.power.saver import Saver

        mode, watchdog_ms = settings["recording.mode"], settings["watchdog.limit_s"] * 1000
        is_scheduled = bool(settings["schedule.windows"]) and mode in ("schedule", "activity")
        port = board.open_sleep() if mode != "continuous" else None
        dozes = mode == "activity" and port is not None and "level" in port.wakes_by
        if mode == "activity" and not is_scheduled and not dozes:
            port = None  # it always listens: nothing to sleep for
        saver = Saver(port, parts, clock, watchdog_ms, is_scheduled, dozes)
    recorder, lane, link = parts[:3]
    cause = board.system.reset_cause()
    return Keeper(board.battery, gates, recorder, lane, link, cause, saver, clock, log)


def strategy_of(makers, settings, joints):
    """The lane's strategy: whole files alone, or chunks where the settings allow them.

    makers: what WholeFile is made of; joints: learn of it.
    """
    from device.transfer.whole_file import WholeFile

    joints.whole_file = whole = WholeFile(*makers)
    setting, is_live = settings["upload.strategy"], settings["upload.live"]
    if setting == "whole":
        return whole
    from device.transfer.choice import Strategies
    from device.transfer.chunk_calls import ChunkCalls
    from device.transfer.chunked import Chunked

    store, cloud, clock, device_id, store_name, log = makers
    chunk_bytes = settings["upload.chunk_kb"] * 1024
    parts = (store, ChunkCalls(cloud), clock, device_id, store_name, chunk_bytes)
    chunked = Chunked(*parts, whole.note_put, log)
    if is_live:
        store.follow = joints.work_came, chunk_bytes
    return Strategies(store, whole, chunked, setting, is_live, joints.epoch, log)
