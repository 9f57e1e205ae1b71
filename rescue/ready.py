"""What must stand before a clip can go: medium, settings, network, time. Loaded for each turn.

The heartbeat is sent from here, too, once there is a way to the cloud.
"""

import time

from rescue import const
from rescue.ends import LATER, SOMEBODY, End

_PIECE_BYTES = const(1024)
_HEARTBEAT_S = const(900)


def run(program):
    """Each until it is there. Raises End, OSError, MemoryError."""
    if program.api is None:
        from rescue import begin

        program.api = begin.prepare(program, memoryview(bytearray(_PIECE_BYTES)))
    program.api.token()
    if not program.board.is_up():
        join(program)
    if not program.board.knows_time:
        from rescue import ntp

        ntp.set_time(program)
    program.count()
    if program.heard is None or program.since_s(program.heard) >= _HEARTBEAT_S:
        program.heard = time.ticks_ms()
        from rescue import words

        words.heartbeat(program)


def join(program):
    """The first network that takes it. Raises End."""
    code = "no_wifi_configured"
    for name in program.networks:
        program.now("link_down", "joining")
        password = program.secrets.get("wifi:" + name) or ""
        code = program.board.join(name, password, program.breathe)
        if code is None:
            return
    raise End(LATER if program.networks else SOMEBODY, code)
