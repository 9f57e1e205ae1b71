"""A reset that somebody planned, and when it may come; loaded once somebody plans one.

It (for a radio or modem that nothing else brings back, for a heap in which no connection finds
room) waits until nobody records and no clip is in hand. It needs an hour of uptime. So two of them
are an hour apart whatever is lost in between: no clock, no flash and no counter is needed for the
limit to hold.
"""

from device.compat import const, sleep_ms

_APART_MS = const(3_600_000)
_LOOK_MS = const(5_000)
_PATIENCE_MS = const(6 * 3_600_000)


async def carry_out(system, reason, uptime_ms, is_busy, end_take):
    """Ends in a reset; reason is told after it. uptime_ms(), is_busy(): asked now and then.

    end_take(): close the take in order, or None. Called after six hours: a recorder that always
    records would keep a queue that stands still for ever.
    """
    due_ms = max(uptime_ms(), _APART_MS)
    while uptime_ms() < _APART_MS or is_busy():
        if end_take and uptime_ms() - due_ms >= _PATIENCE_MS:
            end_take()
            end_take = None
        await sleep_ms(_LOOK_MS)
    system.reset("planned " + reason)
