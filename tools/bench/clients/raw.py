# A blocking socket and nothing else: what the platform itself costs.
import socket
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import common as c

begun_us = time.ticks_us()
sock = socket.socket()
sock.connect(socket.getaddrinfo(c.ADDRESS, c.PORT)[0][-1])
if c.SCHEME == "https":
    sock = c.context().wrap_socket(sock, server_hostname=c.HOST)
sock.write(c.HEAD)
for piece in c.pieces():
    sock.write(piece)
status = sock.readline().split()[1]
sock.close()
c.done(status, begun_us)
