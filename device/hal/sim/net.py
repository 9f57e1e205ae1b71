"""Net port of the virtual recorder: names come from the simulator's table.

The table is the whole world: a name that is not in it cannot be resolved, so a virtual recorder
never leaves the laptop.
"""

from device.errors import Transient
from device.hal import sockets


class Net(sockets.Net):
    """hosts: dict of name -> address, or several with blanks between; roots_der: trusted roots;
    is_up(): Wi-Fi.

    cellular, once there is a modem: (is_up(), hosts) of 4G, where the world may look otherwise.
    """

    def __init__(self, hosts, roots_der, is_up):
        super().__init__(roots_der)
        self._hosts = hosts
        self._is_up = is_up
        self.cellular = None

    def _resolve(self, host):
        if self._is_up():
            hosts = self._hosts
        elif self.cellular and self.cellular[0]():
            hosts = self.cellular[1]
        else:
            raise Transient("link_down")
        addresses = hosts.get(host)
        if addresses is None:
            raise Transient("dns_failed", host)
        return addresses.split()

    async def _find(self, host, port, kind):
        return [sockets.look_up(address, port, kind)[0] for address in self._resolve(host)]

    def lend(self):
        """See the net port: what a blocking probe needs, with the names of the simulation."""
        from device.hal.sim.names import NamedSockets

        return self._context, NamedSockets(self._resolve)
