"""A reset that somebody planned, and when it may come; loaded once somebody plans one.

It (a radio or modem that nothing else brings back) waits until nobody records and no clip is in
hand. It needs an hour of uptime. So two of them are an hour apart whatever is lost in between: no
clock, no flash and no counter is needed for the limit to hold.
"""

from device.compat import const, sleep_ms

_APART_MS = const(3_600_000)
_LOOK_MS = const(5_000)


async def carry_out(system, reason, uptime_ms, is_busy):
    """Ends in a reset; reason is told after it. uptime_ms(), is_busy(): asked now and then."""
    while uptime_ms() < _APART_MS or is_busy():
        await sleep_ms(_LOOK_MS)
    system.reset("planned " + reason)
