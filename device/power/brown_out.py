"""After a brown-out: the radio stays off while the supply recovers. Loaded for such a start alone,
on a board that measures no battery (power.keeper does it elsewhere).
"""

from device.compat import const, sleep_ms

SPARED_MS = const(120_000)  # the radio's first seconds draw the most


class Spare:
    def __init__(self, link):
        self._link = link

    async def run(self, check_in):
        check_in(2 * SPARED_MS)
        self._link.hold("brown_out")
        await sleep_ms(SPARED_MS)
        self._link.release()
        while True:
            check_in(None)
            await sleep_ms(3_600_000)
