"""What a blocking probe gets in place of the module socket; loaded for a technician alone."""

import socket

from device.errors import Transient


class NamedSockets:
    """The module socket, for names of the simulator's table only."""

    socket = socket.socket

    def __init__(self, resolve):
        self._resolve = resolve

    def getaddrinfo(self, host, port, *kind):
        try:
            return socket.getaddrinfo(self._resolve(host)[0], port, *kind)
        except Transient as e:
            raise OSError(e.code)
