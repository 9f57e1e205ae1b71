"""Every setting: one table that validates config.json, makes config.example.json and the docs.

Imported only while settings are read; app.py lets go of it afterwards, so its texts cost no heap.
Secrets (device token, Wi-Fi passwords) are never settings: they live in the secrets store.

Row: path, kind, default, allowed, unit, help.
    kind "int":    allowed = (lowest, highest)        kind "choice": allowed = the values
    kind "cap":    as int, or null for no limit
    kind "text":   allowed = (shortest, longest)      kind "bool":   allowed = None
    kind "plain":  a text of letters, digits and . _ - @, allowed = (shortest, longest)
    kind "origin": an https address, allowed = (shortest, longest)
    kind "names":  list of texts, allowed = (most entries, longest text)
    kind "windows": list of daily windows, "HH:MM-HH:MM", allowed = (most entries,)
A board may set a lower limit for a number (Board.limits in hal/ports.py).
"""

ROWS = (
    (
        "recording.mode",
        "choice",
        "button",
        ("button", "continuous", "schedule", "activity"),
        "",
        "button: a press begins a take, the next ends it; continuous: record whenever possible; "
        "schedule: in the windows of schedule.windows; activity: while somebody speaks (in these "
        "windows, if there are any). In the last three a press stops it, the next lets it go on",
    ),
    (
        "recording.codec",
        "choice",
        "flac",
        ("flac", "wav"),
        "",
        "how audio is stored and sent; flac halves it, wav takes 25 KiB less heap",
    ),
    (
        "recording.quality",
        "choice",
        "auto",
        ("auto", "lossless", "36dB", "30dB", "25dB"),
        "",
        "of FLAC: lossless, or the signal-to-noise ratio that each block keeps; auto: lossless, "
        "but 30dB where cellular.apn is set",
    ),
    (
        "cellular.apn",
        "plain",
        "",
        (0, 63),
        "",
        "access point of the 4G modem, empty: no 4G; a PIN is a secret",
    ),
    (
        "cellular.auth",
        "choice",
        "none",
        ("none", "pap", "chap"),
        "",
        "how PPP says who we are, if the contract asks for it; the password is a secret",
    ),
    ("cellular.user", "plain", "", (0, 63), "", "name for cellular.auth"),
    (
        "cellular.roaming",
        "bool",
        False,
        None,
        "",
        "whether 4G may be used in a network that is not the SIM's own",
    ),
    (
        "link.first",
        "choice",
        "wifi",
        ("wifi", "cellular"),
        "",
        "which is tried first where both are set up; the other one is the second way",
    ),
    (
        "recording.rate_hz",
        "choice",
        16000,
        (8000, 16000, 22050, 24000, 44100, 48000),
        "Hz",
        "samples a second",
    ),
    (
        "recording.clip_length_s",
        "int",
        480,
        (30, 3600),
        "s",
        "a longer take is cut into clips of this length, without a gap",
    ),
    (
        "recording.leave_out_silence",
        "bool",
        False,
        None,
        "",
        "leave silence out of takes, by the rules of activity.*; the record says where "
        "and how long",
    ),
    ("recording.gain_db", "int", 0, (0, 40), "dB", "amplification before coding, saturating"),
    (
        "recording.high_pass_hz",
        "int",
        0,
        (0, 400),
        "Hz",
        "takes offset and rumble below it away, 6 dB an octave; 0: none",
    ),
    (
        "recording.skip_start_ms",
        "int",
        0,
        (0, 2000),
        "ms",
        "cut from the start of each take: the pop of a microphone that is switched on",
    ),
    (
        "activity.level_dbfs",
        "int",
        -55,
        (-90, -6),
        "dBFS",
        "sound below this level is silence (RMS of a block)",
    ),
    (
        "activity.above_floor_db",
        "int",
        9,
        (0, 40),
        "dB",
        "and so is sound that is not so far above the noise floor, which is learnt",
    ),
    ("activity.minimum_ms", "int", 200, (0, 5000), "ms", "shorter sounds begin nothing"),
    ("activity.hang_over_s", "int", 5, (1, 600), "s", "silence of this length ends it"),
    (
        "activity.pre_roll_s",
        "int",
        2,
        (0, 10),
        "s",
        "what was heard before the first sound is recorded too; the board may set a lower limit",
    ),
    ("schedule.windows", "windows", [], (8,), "", "for example 08:00-12:30; may pass midnight"),
    (
        "schedule.utc_offset_min",
        "int",
        0,
        (-840, 840),
        "min",
        "what the clock of the windows is ahead of UTC",
    ),
    ("recording.block_ms", "int", 64, (16, 256), "ms", "one block of the microphone's ring"),
    (
        "recording.ring_blocks",
        "int",
        8,
        (4, 64),
        "blocks",
        "how many blocks bridge a stall of flash or network",
    ),
    (
        "cellular.daily_mb",
        "cap",
        None,
        (0, 1000000),
        "MB",
        "most that may cross the 4G link a day, both ways and with all overhead; 0: nothing, "
        "null: no limit (the cloud's own daily_data_limit_mb of 0 may mean either: state it here)",
    ),
    ("cellular.monthly_mb", "cap", None, (0, 1000000), "MB", "and a month, from its first day on"),
    (
        "cellular.off_peak",
        "windows",
        [],
        (8,),
        "",
        "4G is used in these hours alone (local time by schedule.utc_offset_min); empty: always",
    ),
    ("wifi.daily_mb", "cap", None, (0, 1000000), "MB", "as cellular.daily_mb, for Wi-Fi"),
    ("wifi.monthly_mb", "cap", None, (0, 1000000), "MB", "as cellular.monthly_mb, for Wi-Fi"),
    (
        "wifi.networks",
        "names",
        [],
        (8, 32),
        "",
        "network names, most wanted first; passwords are secrets",
    ),
    ("cloud.api_url", "origin", "https://api.bota.dev", (8, 200), "", "origin of the cloud's API"),
    ("cloud.heartbeat_s", "int", 600, (0, 86400), "s", "time between heartbeats, 0: none"),
    (
        "cloud.token_refresh_days",
        "int",
        0,
        (0, 365),
        "days",
        "exchange the device token when it is so old, 0: never. An answer that is lost leaves the "
        "device without a token until it is provisioned anew",
    ),
    (
        "upload.order",
        "choice",
        "oldest",
        ("oldest", "newest"),
        "",
        "which of the waiting clips goes first; what somebody asked for goes before all of them",
    ),
    ("upload.retry_first_s", "int", 30, (1, 3600), "s", "first wait after a failure; it doubles"),
    ("upload.retry_cap_s", "int", 1800, (1, 14400), "s", "longest wait after failures"),
    (
        "upload.max_connections",
        "choice",
        2,
        (1, 2),
        "",
        "1 on boards without memory for two TLS connections",
    ),
    (
        "upload.strategy",
        "choice",
        "whole",
        ("whole", "auto", "chunks"),
        "",
        "whole: each clip in one piece; chunks: in parts that survive a cut; auto: in parts where "
        "one piece does not get through. The cloud's route for parts is an assumption: "
        "docs/uploads.md",
    ),
    ("upload.chunk_kb", "int", 256, (64, 1024), "KiB", "size of such a part"),
    (
        "upload.live",
        "bool",
        False,
        None,
        "",
        "send the clip while it is recorded, in parts; needs upload.strategy chunks or auto",
    ),
    (
        "upload.former_user",
        "choice",
        "keep",
        ("keep", "send"),
        "",
        "clips made for another user than the present one: kept until somebody decides, or sent "
        "to the present one",
    ),
    ("clock.ntp_server", "text", "pool.ntp.org", (1, 100), "", "host, or host:port"),
    (
        "clock.wait_s",
        "int",
        600,
        (0, 86400),
        "s",
        "how long clips wait for the time to be known before they go without a start time",
    ),
    (
        "storage.reserve_kb",
        "int",
        256,
        (64, 65536),
        "KiB",
        "room that recording leaves for records, so that nothing ends half written",
    ),
    (
        "storage.evict",
        "choice",
        "never",
        ("never", "oldest", "quietest", "lowest_priority"),
        "",
        "what is given up, and counted, for new audio when only the reserve is left; never: "
        "recording waits",
    ),
    (
        "battery.stop_recording_pct",
        "int",
        5,
        (0, 50),
        "%",
        "below it the take is closed and none begins; 0: never",
    ),
    (
        "battery.stop_sending_pct",
        "int",
        10,
        (0, 60),
        "%",
        "below it the radio is put off; 0: never",
    ),
    (
        "battery.hysteresis_pct",
        "int",
        5,
        (1, 40),
        "%",
        "both go on when the battery is so much above their limit, or charges",
    ),
    (
        "power.save",
        "bool",
        True,
        None,
        "",
        "on battery: the radio is off while nothing is to be sent, and the board sleeps between "
        "takes; the light is dark then, a press wakes it",
    ),
    ("watchdog.limit_s", "int", 60, (30, 600), "s", "reset if the tasks are silent for so long"),
    (
        "log.level",
        "choice",
        "info",
        ("debug", "info", "warning", "error"),
        "",
        "what the serial console shows",
    ),
)

MAX_CLIP_BYTES = 16 * 1024 * 1024  # what 40 kbit/s moves in 55 of the upload URL's 60 minutes
