# What the compared clients share, on the unix port: words of the command line, TLS that verifies,
# the answer. Each client uploads FILE once by PUT and prints {"us": …}: from before the connection
# until the answer.
#   CLIENT.py SCHEME PORT ROOT_DER FILE TARGET HASH    HASH: "sha256" or "-"
import json
import os
import ssl
import sys
import time

ADDRESS = "127.0.0.1"
HOST = "sink.bota.test"
PIECE_BYTES = 4096

SCHEME, PORT, ROOT, FILE, TARGET, HASH = sys.argv[1:7]
PORT = int(PORT)
SIZE = os.stat(FILE)[6]
HEAD = (
    "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (TARGET, HOST, SIZE)
).encode()


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    with open(ROOT, "rb") as f:
        made.load_verify_locations(cadata=f.read())
    return made


class NoHash:
    def update(self, data):
        pass


def new_hash():
    if HASH == "-":
        return NoHash()
    import hashlib

    return hashlib.sha256()


def pieces():
    """The file, in views of one buffer."""
    buffer = memoryview(bytearray(PIECE_BYTES))
    digest = new_hash()
    with open(FILE, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return
            digest.update(buffer[:n])
            yield buffer[:n]


def done(status, begun_us):
    took_us = time.ticks_diff(time.ticks_us(), begun_us)
    if int(status) != 200:
        raise SystemExit("status %s" % status)
    print(json.dumps({"us": took_us}))
