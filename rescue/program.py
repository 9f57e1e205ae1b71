"""The rescue program: delivers what waits, says why it runs, and tries the full program again.

It records nothing. One clip after the other, oldest first; one that fails three times lets the
others pass; what can never go is set aside with its reason. After an hour, once nothing moves any
more, the next start is the full program's (choice.py).
"""

import gc
import sys
import time

from rescue import clips, const, forget
from rescue.ends import ASIDE, FRESH, LATER, SOMEBODY, End

_WATCHDOG_MS = const(120_000)  # above a look-up of a name and a mount, each far below a minute
_HELD_MS = const(600_000)  # what a person at the prompt has before the watchdog ends it
_STAY_S = const(3_600)
_STILL_S = const(600)  # nothing delivered for so long: it does not move
_SAY_S = const(60)
_SLICE_MS = const(200)
_FIRST_WAIT_S = const(30)
_MOST_WAIT_S = const(900)
_LOOK_S = const(60)
_STRIKES = const(3)
_MOST_PASSED = const(64)
_SOON_S = const(5)
_GC_BYTES = const(2048)  # collect often: what is loaded for the moment finds one place
# The state is written before the step that depends on it, as device/transfer/whole_file.py has it,
# so that either program goes on where the other one stopped. Each is loaded to be taken.
_STEPS = {"closed": "freeze", "creating": "create", "created": "url send", "completing": "finish"}
_LINK_CODES = ("link_down", "dns_failed", "connect_failed", "connection_lost", "timeout")


class Program:
    """Loaded whole before it begins, so that what is broken here shows at once."""

    def __init__(self, chip):
        if sys.platform == "esp32":
            from rescue.esp32_board import Board
            from rescue.esp32_secrets import Secrets
        else:
            from rescue.sim_board import Board
            from rescue.sim_secrets import Secrets
        self.chip = chip
        self.board = Board()
        self.secrets = Secrets()
        self.api = None  # until ready.py has mounted the medium and joined the parts
        self.root = self.time_server = ""
        self.ids = ("", "")
        self.networks = []
        self.place = None  # of the upload that is due: (URL, head of the PUT)
        self.started = self._moved = self._said = time.ticks_ms()
        self.heard = None  # when the last heartbeat went
        self._passed = []  # numbers that let the others pass in this round
        self._strikes = (0, 0)  # (number, failures in a row)
        self._wait_s = _FIRST_WAIT_S
        self.code, self.detail = "starting", ""
        self.delivered = self.set_aside = self.waiting = 0
        self.left = {}  # of the last round: why clips do not go -> how many

    def run(self):
        """Never returns: ends in a reset, or in the REPL by Ctrl-C."""
        try:
            gc.threshold(_GC_BYTES)
            self.chip.guard(_WATCHDOG_MS)
            while not self._is_over():
                self.rest(self._turn() * 1000)
            from rescue.choice import try_full

            try_full()
            self.chip.say("W rescue ends: the full program is tried again")
        except KeyboardInterrupt:
            self.chip.guard(_HELD_MS)
            self.chip.say("W rescue held: the prompt is yours, the watchdog waits ten minutes")
            raise
        except Exception as e:  # noqa: BLE001  whatever it is, the next start goes on
            self.chip.say("E rescue failed: %s %s" % (e.__class__.__name__, e))
            sys.print_exception(e)
        self.chip.reset()

    def since_s(self, ticks_ms):
        return time.ticks_diff(time.ticks_ms(), ticks_ms) * self.board.haste // 1000

    def _is_over(self):
        if self.since_s(self.started) < _STAY_S:
            return False
        return not self.delivered or self.since_s(self._moved) >= _STILL_S

    def _turn(self):
        """Do what can be done now; returns how many seconds to rest."""
        wait_s = _LOOK_S
        try:
            self._get_ready()
            return self._round()
        except End as e:
            code, detail = e.code, e.detail
            if e.kind != SOMEBODY:
                wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, _MOST_WAIT_S)
                wait_s = max(wait_s, e.wait_s)
            elif code == "auth_refused":
                wait_s = _MOST_WAIT_S
            if code in _LINK_CODES:
                self.board.leave()  # everything anew from one known state
        except OSError as e:
            code, detail = "storage_failed", "errno=%s" % e.errno
        except MemoryError:
            # Everything anew: what is left of a connection lies in the way of the next one.
            self.api = None
            self.board.leave()
            gc.collect()
            code, detail, wait_s = "low_memory", "", _SOON_S
        except Exception as e:  # noqa: BLE001  of one clip: after three times the others go on
            code, detail = "damaged", "%s %s" % (e.__class__.__name__, e)
        self.now(code, detail)
        return wait_s

    def _get_ready(self):
        try:
            from rescue import ready

            ready.run(self)
        finally:
            ready = None
            forget("ready", "begin", "settings", "aside", "ntp", "words")
            gc.collect()

    def count(self):
        total = 0
        for _ in clips.numbers(self.root + "/clips"):
            total += 1
            self.chip.feed()
        self.waiting = max(0, total - sum(self.left.values()))

    def _round(self):
        """Send every clip that may go; returns how many seconds to rest."""
        left = {}
        for number in clips.numbers(self.root + "/clips"):
            gc.collect()
            self.chip.feed()
            try:
                why = "passed" if number in self._passed else self._take(number)
            except Exception as e:  # noqa: BLE001  whatever it is, it must not stop the others
                if getattr(e, "kind", LATER) == SOMEBODY or not self._strike(number):
                    raise
                why = "passed"
            if why:
                left[why] = left.get(why, 0) + 1
        self.left = left
        self.count()
        if self._passed:
            self._passed = []
            return _MOST_WAIT_S
        self.now("nothing_to_send")
        return _LOOK_S

    def _take(self, number):
        """Deliver clip number or set it aside; returns why if it does not go at all."""
        clip = clips.Clip(self.root, number)
        why = self._stands(clip)
        if why:
            return why
        self.now("sending", "clip=%d" % number)
        self.chip.mark(str(number))
        try:
            self._deliver(clip)
        except End as e:
            if e.kind != ASIDE:
                raise
            self._set_aside(clip, e)
        finally:
            self.chip.mark("")  # a death leaves the mark; whatever is raised here is none

    def _deliver(self, clip):
        """Step by step to the cloud's proof, then free it. Raises End; OSError: the medium."""
        is_fresh = False
        while clip.state != "done":
            if clip.state == "stored":
                clip.save(state="completing")
                continue
            for name in _STEPS[clip.state].split():
                try:
                    __import__("rescue." + name, None, None, ("step",)).step(self, clip)
                except End as e:
                    # Once more with a fresh URL, then everyone waits.
                    if e.kind != FRESH or is_fresh:
                        raise
                    is_fresh = True
                    break
                finally:
                    forget(name)
                    gc.collect()
        clip.free()
        self.delivered += 1
        self.waiting -= 1
        self._moved = time.ticks_ms()
        self._wait_s = _FIRST_WAIT_S
        self.chip.say(
            "I clip delivered clip=%d recording=%s sha256=%s"
            % (clip.number, clip.record.get("rid"), clip.record.get("sha"))
        )

    def _stands(self, clip):
        """Why clip does not go now, or None."""
        if clip.record is None:
            return "unreadable"
        if clip.state in ("open", "done"):
            return "open" if clip.state == "open" else None  # the full program repairs it
        if clip.record.get("epoch", 0) != self.secrets.counter("epoch"):
            return "other_epoch"
        if clip.state in clips.SENDABLE:
            # Whether its chunks became a recording is for the full program to ask.
            is_asking = clip.record.get("via") == "chunks" and clip.state == "completing"
            return "in_chunks" if is_asking else None
        if clip.record.get("why") != "kills_device":
            return "aside"
        from rescue import aside

        # What killed the full program may be harmless here.
        why = None if aside.revive(clip) else "aside"
        forget("aside")
        return why

    def _set_aside(self, clip, end):
        from rescue import aside

        aside.set_aside(clip, end.code, end.detail)
        forget("aside")
        self.set_aside += 1
        self.chip.say(
            "E clip set aside clip=%d reason=%s %s" % (clip.number, end.code, end.detail)
        )

    def _strike(self, number):
        """Clip number failed through no fault of its own; True if it lets the others pass."""
        count = self._strikes[1] + 1 if self._strikes[0] == number else 1
        self._strikes = (number, count)
        if count < _STRIKES or len(self._passed) >= _MOST_PASSED:
            return False
        self._passed.append(number)
        return True

    def now(self, code, detail=""):
        """What it does or waits for now: said when it is news."""
        is_news = code != self.code and code != "sending"
        self.code, self.detail = code, detail
        if is_news:
            self._say()

    def _say(self, command=None):
        """Say how it stands, on the console or as the answer to a command."""
        from rescue import words

        if command is None:
            self._said = time.ticks_ms()
            self.chip.say(words.line(self))
        else:
            self.board.reply(command, words.answer(self, command))
        forget("words")

    def breathe(self):
        """Called in every wait: the watchdog, and whoever asks over the console."""
        self.chip.feed()
        command = self.board.command()
        if command is not None:
            self._say(command)
        if self.since_s(self._said) >= _SAY_S:
            self._say()

    def rest(self, duration_ms):
        began = time.ticks_ms()
        while self.since_s(began) * 1000 < duration_ms and not self._is_over():
            self.breathe()
            time.sleep_ms(_SLICE_MS // self.board.haste or 1)
