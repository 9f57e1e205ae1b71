"""Microphone port that hears a room: samples as they come over a loopback connection, now.

Loaded where `audio` of board.json is the address of a room (tools/page/room.py). Unlike a file, a
room does not wait: what is said while nobody records, or while the power is off, is not heard.
Each block is asked for with its number of samples, two bytes, low one first.
What was handed over stands in the truth file, as with a file.
"""

import asyncio
import socket

from device.compat import sleep_ms, wait_readable
from device.errors import Fatal


class RoomMicrophone:
    """address: (host, port) of the room."""

    def __init__(self, address, truth_path, rate_hz, event):
        self.rate_hz = rate_hz
        self._address = address
        self._truth_path = truth_path
        self._event = event
        self._task = None

    def prepare(self, rate_hz, block_frames, blocks):
        """Nothing to make: the room is read straight into the ring."""

    def start(self, ring):
        line = socket.socket()
        try:
            line.connect(socket.getaddrinfo(*self._address)[0][-1])
            line.setblocking(False)
            truth = open(self._truth_path, "ab", 0)  # each write is safe from kill -9
        except OSError as e:
            line.close()
            raise Fatal("microphone_failed", "errno=%s" % e.errno)
        self._event("microphone_start", position=0)
        self._task = asyncio.create_task(self._run(ring, line, truth))

    def stop(self):
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, ring, line, truth):
        size_bytes = 2 * ring.frames_per_block
        filled = size_bytes
        try:
            while True:
                block = ring.slot()
                if block is None:
                    await sleep_ms(1)
                    continue
                if filled == size_bytes:
                    # Asked for block by block: what was said is either heard, or not said yet.
                    line.send(ring.frames_per_block.to_bytes(2, "little"))
                    filled = 0
                await wait_readable(line)
                try:
                    data = line.recv(size_bytes - filled)
                except OSError:
                    continue
                if not data:
                    return  # the room is gone: silence, which the recorder will notice
                block[filled : filled + len(data)] = data
                filled += len(data)
                if filled == size_bytes:
                    truth.write(block)
                    ring.commit(ring.frames_per_block)
        finally:
            line.close()
            truth.close()
