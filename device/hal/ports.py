"""What each port promises. Documentation only: no code runs from here, and nothing imports it.

A board's `build(...)` returns one `Board` with these attributes, `limits`: a dict of setting
-> the highest number that the board has the memory for ("activity.pre_roll_s"), and `faults`: what
is wrong with the description of the board, as sentences; `media`: absent or None, or two storage
ports, of which the second takes over while the first is lost (`storage` is the one that was there
at the start); and `trusted_roots()`: the roots of TLS in force, each as DER, one after the other.
Everything above hal/ gets its ports through constructors. All waits are bounded by the caller
(compat.wait_for_ms, http.limits) unless a port says otherwise. Errors are translated inside the
port to device.errors.
"""


class Microphone:
    """Blocks of 16-bit little-endian mono samples, written by the driver into a ring that is lent.

    start(ring)    begin to fill ring (capture.ring.BlockRing). From here on the driver calls
                   ring.slot() for the next free block, ring.commit(frames) when it is full and
                   ring.overrun(frames) for what it had to drop. It may do so from an interrupt:
                   these three do not allocate.
    prepare(rate_hz, block_frames, blocks)   once, before start: make the driver's own buffers for
                   this rate and ring (blocks of block_frames), while the heap is still unbroken.
    stop()         stop filling; a part of a block that is already there is committed first.
    rate_hz        samples a second.
    Raises Fatal("microphone_failed") from start.
    """


class Storage:
    """One mounted medium for audio and its records. Paths are absolute and below `root`.

    root                    where the medium is mounted, without a trailing slash.
    block_fill_bytes(i)     how many bytes of a file fill its i-th block (i from 0): flush there.
    free_bytes()            free space, never negative; may read a lot, so ask rarely.
    total_bytes()           size of the medium.
    is_mounted, mount()     of the first of `Board.media`: whether it is mounted; mount it again,
                            as after a card was put in. Raises NeedsOperator(storage_failed).
    again_ms                how often mount() may be tried: the board may stand still for it.
    Files are used with open(), os.remove, os.mkdir, os.rmdir, os.stat and compat.list_dir.
    Their OSErrors are translated by store/ (they are about the medium, not about a port call).
    """


class Wifi:
    """connect(ssid, password)   begin to join; returns at once.
    status()                  "idle", "joining", "up", "not_found", "refused" or "failed".
    disconnect()              leave the network and drop the address; the radio is off.
    is_up()                   status() is "up".
    address()                 the address as text, or None.
    rssi_dbm()                signal strength, or None.
    connect and disconnect raise Transient(wifi_error) if the driver refuses.
    """


class Modem:
    """A 4G modem behind a serial line: AT commands while it is spoken to, PPP while it carries
    data.

    The board makes it with open_modem() -> Modem or None (there is none), once.
    baud                      the speed it shall have.
    key_on_ms, key_off_ms     how long its power key is held to switch it on, off.
    open(baud)                the line at this speed; what had arrived is dropped. May come again.
    close()                   nothing is read or sent any more.
    write(data)               hand bytes to the line; returns at once.
    readinto(buf) -> n        what has arrived, 0 if nothing. Never waits.
    key(is_down)              its power key.
    supply(on) -> bool        its supply; False if the board cannot switch it.
    start_data(auth, user, password)   after CONNECT: the line is PPP's; returns at once. auth:
                              "none", "pap" or "chap". Raises Transient(ppp_failed).
    data_status()             "idle", "joining", "up" or "failed".
    is_up()                   data_status() is "up".
    signal_dbm, is_roaming    as the dialling found them; rssi_dbm() gives the first, for a modem
                              in data mode hears no question.
    stop_data()               ask PPP to end, at once; data_status() turns "idle" when it has.
    address()                 the address as text, or None.
    """


class Net:
    """Names, TLS and UDP.

    await open(host, port, tls) -> Connection   resolves, connects to the first address that
        answers, and prepares TLS with certificate, name and dates verified against the roots of
        the board. The handshake takes place in the first write or read; nothing of the caller's
        bytes leaves before the peer is verified. tls=False only for a board that says so.
    await exchange_datagram(host, port, data, size) -> bytes   one UDP question and its answer.
    lend() -> (context, sockets)   for a technician's blocking probe alone: the TLS context that
        verifies, and what has the names of the module `socket`.
    Raises Transient(dns_failed, connect_failed, low_memory).

    Connection:
        await write(mv)        all of mv; raises Transient(connection_lost) or a TLS NeedsOperator.
        await readinto(mv)     at least one byte, or 0 at the end; raises as write does.
        has_input()            True if a read would not wait. Never waits.
        close()                never raises, may be called twice.
    """


class Clock:
    """The board's own clock, which may be wrong or never set.

    rtc_unix_s()        what it shows, as Unix seconds, or None if it was never set.
    set_rtc(unix_s)     set it (TLS needs it for dates).
    build_unix_s        when the firmware was built: a floor for every believable time.
    """


class Secrets:
    """A small durable store apart from the file system: token, Wi-Fi passwords, counters.

    get(key) -> str or None, set(key, text), counter(key) -> int (0 if new),
    raise_counter(key, value)   durable when it returns; never lowers.
    version                     grows with each set(); a cheap way to notice a new token.
    Values never appear in repr, logs or errors.
    """


class Battery:
    """percent() -> 0-100, or None where the board cannot measure it; voltage_mv() -> the cell's
    voltage or None; is_charging() -> bool, True while the charger feeds the cell."""


class Button:
    """await pressed()   returns once for each press, debounced; presses while nobody waits are
    remembered, at most one."""


class Indicator:
    """show(code)   one of the codes of hal/lights.py, until the next one."""


class Watchdog:
    """start(limit_ms), feed()   resets the board when feed() does not come in time."""


class System:
    """device_id     text that is unique to the board.
    reset_cause()    "power_on", "reset", "watchdog", "brown_out", "deep_sleep" or "unknown".
    mark(text)       kept through a reset, not through a loss of power, and costs no wear: the
                     numbers of the clips in hand, or a word that says the reset is no crash.
    marked           what was marked when the start before ended; "" if nothing was.
    reset(reason)    does not return. reason: a short ASCII text, marked for the next start; "":
                     what is marked already stays.
    reset_reason()   what reset() was told before this start; "" after every other ending.
    log_sink(text)   one line to the serial console.
    log_folder       where the log is kept: on the chip's own flash, so that it also tells of
                     a dead card. None: nowhere.
    firmware_version text.
    """


class Sleep:
    """Pauses of the whole board. `Board.open_sleep()` makes it where somebody wants to sleep, or
    gives None where the board cannot. Radio and microphone are off before; the light goes dark.

    light(limit_ms) -> what ended it: "time", "button", "level" (the board's sound pin) or
        "other". The program stands still for limit_ms at most; memory, pins and the media stay,
        ticks go on. A press that ends it is remembered by the button port like any other.
    deep(limit_ms)      does not return: the board starts anew (reset_cause "deep_sleep") after
        limit_ms (None: never by itself) or at a press.
    wake_cause()        what ended the deep sleep before this start, in the words of light().
    wakes_by            tuple of what ends a sleep: "time" and some of "button", "level".
    drift_ppm           how far the ticks of a sleep may be off.
    """


class Console:
    """Commands of a person or tool, from the serial line or the simulator.

    await next_command() -> dict     {"do": "status", ...}
    reply(command, answer)           answer is a dict of plain values.
    event(name, **values)            something worth telling without being asked (simulator only).
    """
