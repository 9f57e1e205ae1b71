"""The rescue program: delivers what waits, says why it runs, and tries the full program again.

It records nothing. One clip after the other, oldest first; one that fails three times lets the
others pass; what can never go is set aside with its reason. After an hour, once nothing moves any
more, the next start is the full program's (choice.py).
"""

import gc
import sys
import time

from rescue import boot_record, choice, clips
from rescue.chip import open_chip
from rescue.ends import Aside, Later, Somebody

_WATCHDOG_MS = 120_000  # above a look-up of a name and a mount, each far below a minute
_HELD_MS = 600_000  # what a person at the prompt has before the watchdog ends it
_STAY_MS = 3_600_000
_STILL_MS = 600_000  # nothing delivered for so long: it does not move
_HEARTBEAT_MS = 900_000
_SAY_MS = 60_000
_SLICE_MS = 200
_FIRST_WAIT_S = 30
_MOST_WAIT_S = 900
_SOMEBODY_WAIT_S = 900
_STRIKES = 3
_MOST_PASSED = 64
_FLAG_WIFI = 8
_LINK_CODES = ("link_down", "dns_failed", "connect_failed", "connection_lost", "timeout")


class Program:
    """Loaded whole before it begins, so that what is broken here shows at once."""

    def __init__(self):
        if sys.platform == "esp32":
            from rescue.esp32_board import Board
            from rescue.esp32_secrets import Secrets
        else:
            from rescue.sim_board import Board
            from rescue.sim_secrets import Secrets
        from rescue import settings, upload, wire  # noqa: F401  used once the medium is there

        self.chip = open_chip()
        self.board = Board()
        self.secrets = Secrets()
        self._started_ms = self._moved_ms = self._said_ms = time.ticks_ms()
        self._heartbeat_ms = None
        self._upload = self._cloud = None
        self._root = None
        self._passed = []  # numbers that let the others pass in this round
        self._strikes = (0, 0)  # (number, failures in a row)
        self._wait_s = _FIRST_WAIT_S
        self.code, self.detail = "starting", ""
        self.delivered = self.set_aside = 0
        self.seen = {}  # of the last round: why clips do not go -> how many
        self.waiting = 0

    def run(self):
        """Never returns: ends in a reset, or in the REPL by Ctrl-C."""
        try:
            self.chip.guard(_WATCHDOG_MS)
            while not self._is_over():
                self._rest(self._turn() * 1000)
            choice.try_full()
            self._log("W rescue ends: the full program is tried again")
        except KeyboardInterrupt:
            self.chip.mark("")
            self.chip.guard(_HELD_MS)
            self._log("W rescue held: the prompt is yours, the watchdog waits 10 minutes")
            raise
        except Exception as e:  # noqa: BLE001  whatever it is, the next start goes on
            self._log("E rescue failed: %s %s" % (e.__class__.__name__, e))
            if hasattr(sys, "print_exception"):
                sys.print_exception(e)
        self.chip.reset()

    def _is_over(self):
        now = time.ticks_ms()
        stays = time.ticks_diff(now, self._started_ms) * self.board.haste < _STAY_MS
        moves = time.ticks_diff(now, self._moved_ms) * self.board.haste < _STILL_MS
        return not stays and not (moves and self.delivered)

    def _turn(self):
        """Do what can be done now; returns how many seconds to rest."""
        try:
            self._prepare()
            self._send_heartbeat()
            return self._round()
        except Later as e:
            if e.code in _LINK_CODES:
                self._leave_link()
            self._now(e.code, e.detail)
            wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, _MOST_WAIT_S)
            return max(wait_s, e.wait_s or 0)
        except Somebody as e:
            self._now(e.code, e.detail)
            return _SOMEBODY_WAIT_S if e.code == "auth_refused" else 60
        except OSError as e:
            self._now("storage_failed", "errno=%s" % e.errno)
            return 60
        except MemoryError:
            self._now("low_memory")
            return 60
        finally:
            gc.collect()

    def _prepare(self):
        """Medium, settings, network, time: each until it is there. Raises as _turn() catches."""
        if self._root is None:
            root = self.board.mount()
            self._blame(root)
            self._root = root
        if self._cloud is None:
            self._join_parts()
        if not self._cloud.token():
            raise Somebody("no_token")
        if not self.board.is_up():
            self._join_network()
        if not self.board.knows_time():
            self._ask_time()

    def _join_parts(self):
        from rescue import settings
        from rescue.cloud import Cloud
        from rescue.upload import Upload
        from rescue.wire import Wire

        found = settings.read(self._root)
        self._networks, self._time_server = found["networks"], found["ntp_server"]
        self._wire = Wire(self.board.roots(), self.board.resolve, self._breathe)
        self._cloud = Cloud(self._wire, found["api_url"], self.secrets)
        ids = (self.chip.device_id, settings.store_id(self.secrets))
        boots = clips.read_slots("boots2", self._root + "/state/boots")[1] or {}
        self._upload = Upload(self._cloud, ids, boots, self._rest)

    def _join_network(self):
        if not self._networks:
            raise Somebody("no_wifi_configured")
        code = "link_down"
        for name in self._networks:
            self._now("link_down", "joining")
            code = self.board.join(name, self.secrets.get("wifi:" + name) or "", self._breathe)
            if code is None:
                return
        raise Later(code)

    def _leave_link(self):
        """Everything anew from one known state."""
        if self._cloud is not None:
            self._wire.close()
        self.board.leave()

    def _ask_time(self):
        """Certificates have dates. Without an answer they are judged by the clock as it is."""
        from rescue import ntp

        try:
            self.board.set_time(ntp.ask(self.board, self._time_server))
        except Later as e:
            self._log("W rescue knows no time: %s %s" % (e.code, e.detail))

    def _send_heartbeat(self):
        now, last = time.ticks_ms(), self._heartbeat_ms
        if last is not None:
            if time.ticks_diff(now, last) * self.board.haste < _HEARTBEAT_MS:
                return
        self._heartbeat_ms = now
        self._count()
        document = self.document()
        try:
            self._cloud.heartbeat(
                {
                    "device_state": "error",
                    "pending_recordings": self.waiting,
                    "connection_type": ["wifi"],
                    "flags": _FLAG_WIFI,
                    "diagnostics": {"program": "rescue", "starts": document["starts"]},
                }
            )
        except Later as e:
            self._log("W rescue heartbeat failed: %s %s" % (e.code, e.detail))

    def _count(self):
        total = 0
        for _ in clips.numbers(self._root):
            total += 1
            self.chip.feed()
        self.waiting = max(0, total - sum(self.seen.values()))

    def _blame(self, root):
        """The clip that was in hand when this program, or the full one, died."""
        for number in self.chip.in_hand():
            clip = clips.Clip(root, number)
            if clip.record is None or clip.state == clips.DONE:
                continue
            deaths = clip.record.get("deaths", 0) + 1
            clip.save(deaths=deaths)
            self._log("W the program died with clip=%d in hand, times=%d" % (number, deaths))
            if deaths >= clips.MOST_DEATHS and clip.state in clips.SENDABLE:
                clip.set_aside(clips.KILLS, "")
                self.set_aside += 1
        self.chip.mark("")

    def _round(self):
        """Send every clip that may go; returns how many seconds to rest."""
        seen = {}
        self._count()
        for number in clips.numbers(self._root):
            self.chip.feed()
            if number in self._passed:
                continue
            clip = clips.Clip(self._root, number)
            why = self._stands(clip)
            if why:
                seen[why] = seen.get(why, 0) + 1
                continue
            try:
                self._deliver(clip)
            except Aside as e:
                clip.set_aside(e.code, e.detail)
                self.set_aside += 1
                self._log("E clip set aside clip=%d reason=%s %s" % (number, e.code, e.detail))
            except Later:
                if not self._strike(number):
                    raise
            gc.collect()
        self.seen = seen
        self._count()
        if self._passed:
            self._passed = []
            self._now(self.code, "some let the others pass")
            return _MOST_WAIT_S
        self._now("nothing_to_send")
        return 60

    def _stands(self, clip):
        """Why clip does not go now, or None. One that killed the full program is tried here."""
        record = clip.record
        if record is None:
            return "unreadable"
        if clip.state == clips.OPEN:
            return "open"  # the full program repairs it
        if record.get("epoch", 0) != self.secrets.counter("epoch") and clip.state != clips.DONE:
            return "other_epoch"
        if clip.state in clips.ASIDE:
            if record.get("why") != clips.KILLS or record.get("was") not in clips.SENDABLE:
                return "aside"
            if record.get("deaths", 0) >= clips.MOST_DEATHS:
                return "aside"
            clip.save(state=record["was"], was=None, why=None)
        return None

    def _deliver(self, clip):
        self._now("sending", "clip=%d" % clip.number)
        self.chip.mark(str(clip.number))
        try:
            self._upload.advance(clip)
            clip.free()
        finally:
            self.chip.mark("")
        self.delivered += 1
        self.waiting -= 1
        self._moved_ms = time.ticks_ms()
        self._wait_s = _FIRST_WAIT_S
        self._log(
            "I clip delivered clip=%d recording=%s sha256=%s"
            % (clip.number, clip.record.get("rid"), clip.record.get("sha"))
        )

    def _strike(self, number):
        """Clip number failed through no fault of its own; True if it lets the others pass."""
        count = self._strikes[1] + 1 if self._strikes[0] == number else 1
        self._strikes = (number, count)
        if count < _STRIKES or len(self._passed) >= _MOST_PASSED:
            return False
        self._passed.append(number)
        return True

    def _now(self, code, detail=""):
        is_news = code != self.code
        self.code, self.detail = code, detail
        if is_news and code != "sending":
            self._say()

    def _say(self):
        self._said_ms = time.ticks_ms()
        document = self.document()
        queue = document["queue"]
        self._log(
            "W rescue starts=%d code=%s %s waiting=%d delivered=%d set_aside=%d full_in_s=%d"
            % (
                document["starts"],
                self.code,
                self.detail,
                self.waiting,
                self.delivered,
                self.set_aside,
                document["full_program_in_s"],
            )
            + "".join([" %s=%d" % (name, queue["left"][name]) for name in sorted(self.seen)])
        )

    def document(self):
        """The answer of the `status` command."""
        run_ms = time.ticks_diff(time.ticks_ms(), self._started_ms) * self.board.haste
        return {
            "status": 1,
            "program": "rescue",
            "why": "the full program did not stay alive",
            "device": self.chip.device_id,
            "reset_cause": self.chip.cause(),
            "starts": boot_record.read()[3],
            "heap_free_bytes": gc.mem_free(),
            "full_program_in_s": max(0, _STAY_MS - run_ms) // 1000,
            "recorder": {"code": "rescue"},
            "queue": {
                "code": self.code,
                "detail": self.detail,
                "waiting": self.waiting,
                "delivered": self.delivered,
                "set_aside": self.set_aside,
                "left": self.seen,
            },
        }

    def _breathe(self):
        """Called in every wait: the watchdog, and whoever asks over the console."""
        self.chip.feed()
        command = self.board.command()
        if command is not None:
            if command.get("do") == "status":
                self.board.reply(command, self.document())
            else:
                self.board.reply(command, {"error": "the rescue program answers status only"})
        if time.ticks_diff(time.ticks_ms(), self._said_ms) * self.board.haste >= _SAY_MS:
            self._say()

    def _rest(self, duration_ms):
        began = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), began) * self.board.haste < duration_ms:
            self._breathe()
            if self._is_over():
                return
            time.sleep_ms(_SLICE_MS // self.board.haste or 1)

    def _log(self, text):
        self.chip.say(text)
