"""Net port: names from the name server, roots from the set in force (rescue/roots.py).

lwIP looks names up blocking, up to a quarter of a minute when nobody answers: that would cost
audio. So a thread of its own asks (the call lets go of the interpreter's lock), and the answer is
kept for a while. It tells one address a name unless it was built for more (ESP-IDF
components/lwip/Kconfig, LWIP_DNS_MAX_HOST_IP); an address that fails is forgotten, and the name
server asked again.
"""

import _thread

from device.compat import const, sleep_ms, ticks_diff, ticks_ms
from device.errors import Transient
from device.hal import sockets

_KEPT_MS = const(300_000)
_KEPT_NAMES = const(4)
_LOOK_MS = const(20)
_LOOK_UP_LIMIT_MS = const(20_000)


class Net(sockets.Net):
    """roots_der: trusted roots, one after the other; is_up(): the radio."""

    def __init__(self, roots_der, is_up):
        super().__init__(roots_der)
        self._is_up = is_up
        self._kept = {}  # host -> (addresses, ticks)
        self._asked = None  # (host, list for the answer) while a thread asks

    async def open(self, host, port, is_tls):
        """See the net port."""
        try:
            return await super().open(host, port, is_tls)
        except Transient:
            self._kept.pop(host, None)  # perhaps the server moved
            raise

    async def _find(self, host, port, kind):
        if not self._is_up():
            raise Transient("link_down")
        kept = self._kept.get(host)
        if kept is None or ticks_diff(ticks_ms(), kept[1]) > _KEPT_MS:
            if len(self._kept) >= _KEPT_NAMES:
                self._kept.clear()
            kept = self._kept[host] = (await self._ask(host), ticks_ms())
        # Addresses: nobody is asked.
        return [sockets.look_up(address, port, kind)[0] for address in kept[0]]

    async def _ask(self, host):
        """The addresses of host. Raises Transient(dns_failed, low_memory)."""
        started = ticks_ms()
        while self._asked is None or self._asked[0] != host:
            if self._asked is None or self._asked[1]:
                self._asked = (host, [])
                try:
                    _thread.start_new_thread(_look_up, self._asked)
                except (OSError, RuntimeError, MemoryError):
                    self._asked = None
                    raise Transient("low_memory", "thread")
            else:  # an earlier question that nobody waits for is still open
                await self._wait_a_little(started)
        answer = self._asked[1]
        while not answer:
            await self._wait_a_little(started)
        if self._asked is not None and self._asked[1] is answer:
            self._asked = None
        if answer[0]:
            return answer[0]
        raise Transient("dns_failed", host)

    @staticmethod
    async def _wait_a_little(started):
        if ticks_diff(ticks_ms(), started) > _LOOK_UP_LIMIT_MS:
            raise Transient("dns_failed", "no answer")
        await sleep_ms(_LOOK_MS)

    def drop_all(self):
        super().drop_all()
        self._kept.clear()


def _look_up(host, answer):
    """In a thread: puts the addresses of host into answer, or None."""
    found = []
    try:
        for entry in sockets.look_up(host, 0, 1):  # SOCK_STREAM: each address once
            if entry[-1][0] not in found:
                found.append(entry[-1][0])
        answer.append(found)
    except (Transient, ValueError, MemoryError):
        answer.append(None)
