"""Net port of the virtual recorder: names come from the simulator's table.

The table is the whole world: a name that is not in it cannot be resolved, so a virtual recorder
never leaves the laptop.
"""

from device.errors import Transient
from device.hal import sockets


class Net(sockets.Net):
    """hosts: dict of name -> address; roots_der: trusted roots; is_up(): the radio."""

    def __init__(self, hosts, roots_der, is_up):
        super().__init__(roots_der)
        self._hosts = hosts
        self._is_up = is_up

    def _resolve(self, host):
        if not self._is_up():
            raise Transient("link_down")
        address = self._hosts.get(host)
        if address is None:
            raise Transient("dns_failed", host)
        return address

    async def _find(self, host, port, kind):
        return sockets.look_up(self._resolve(host), port, kind)

    def lend(self):
        """See the net port: what a blocking probe needs, with the names of the simulation."""
        from device.hal.sim.names import NamedSockets

        return self._context, NamedSockets(self._resolve)
