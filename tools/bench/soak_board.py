# Runs on the unix port in place of tools/sim/start.py: the whole recorder, and in the place of its
# console a hand that presses the button for take after take, asks for the status, and says after
# each delivery what the heap looks like. SOAK_BOARD.PY CODE CLIPS
import asyncio
import gc
import json
import sys

import micropython

TAKE_SAMPLES = 16000
MOST_WAITING = 3  # then no take begins, so that the medium stays small
LOOK_MS = 5


def say(**values):
    print("soak " + json.dumps(values))


def heap(clip):
    """What is free, and the largest block of it: micropython.mem_info alone knows that."""
    gc.collect()
    say(clip=clip, free_bytes=gc.mem_free())
    micropython.mem_info()


class Hand:
    """The console port (device/hal/ports.py): its commands are ours, the answers come to us."""

    def __init__(self, button, clips):
        self._button = button
        self._clips = clips
        self._pressed = 0
        self._ends = True  # the take in hand was told to
        self._measured = -1  # the first measure: a board that just began

    async def next_command(self):
        await asyncio.sleep_ms(LOOK_MS)
        return {"do": "status"}

    def reply(self, command, status):
        recorder, queue = status["recorder"], status["queue"]
        status = None
        if recorder["code"] == "recording":
            # Takes of one to four seconds, so that no two clips in a row are of one size.
            wanted = TAKE_SAMPLES * (2 + self._pressed % 7) // 2
            is_this = recorder["take"] == self._pressed
            if not self._ends and is_this and recorder["take_samples"] >= wanted:
                self._ends = True
                self._button.press()
        elif recorder["code"] == "idle" and self._ends and self._pressed < self._clips:
            if queue["waiting"] < MOST_WAITING:
                self._ends = False
                self._pressed += 1
                self._button.press()
        if queue["delivered"] > self._measured:
            self._measured = queue["delivered"]
            heap(self._measured)
            if self._measured == self._clips:
                sys.exit(0)

    def event(self, name, **values):
        pass


def main(code, clips):
    """What tools/sim/start.py does, with the hand in the console's place."""
    sys.path.insert(0, code)
    from device.hal.sim import board as parts

    build = parts.build

    def build_with_hand():
        board = build()
        board.console = Hand(board.button, clips)
        return board

    parts.build = build_with_hand
    for name in ("boot.py", "main.py"):
        with open(code + "/" + name) as f:
            program = compile(f.read(), name, "exec")
        program = exec(program, {"__name__": "__main__"})
    sys.exit(3)


main(sys.argv[1], int(sys.argv[2]))
