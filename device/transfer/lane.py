"""The one upload activity of the device: which clip, may it go now, and what an ending means.

The backlog says which (queue/backlog.py). Where the clip that is being recorded goes too (`live`),
its next chunk goes before the others, then one of these (or a chunk of it), and so on: neither
starves.

Endings of one attempt on a clip:
    done            the clip is freed
    a step          it is on its way (chunks): another may have its turn
    Permanent       the clip is set aside with its reason
    Transient       everyone waits (queue.waits)
    NeedsOperator   everyone waits, and the cloud is asked rarely
"""

import asyncio
import gc

from device.compat import WAIT_ERRORS, const, forget_module, sleep_ms, wait_for_ms
from device.errors import NeedsOperator, Permanent, Transient
from device.reasons import LANE, Reason
from device.store.clip import DONE, OPEN
from device.store.in_hand import unmarked

_IDLE_MS = const(60_000)  # nothing to send: looked for all the same, should an event be missed
_IDLE_CAP_MS = const(300_000)
_EACH_MS = const(100)  # longer for each clip that is set aside: passing it over takes some 10 ms
_CHECK_MS = const(5_000)  # how often a waiting lane looks around; events end a wait earlier
_ALIVE_MS = const(600_000)  # above the sum of the limits of one request without progress
_LONG_MS = const(86_400_000)
_SHUT_MS = const(3_600_000)  # by then another way may be in reach, or the clock known
_SHORTAGES = const(6)  # in a row, with the waits between them half an hour: only a reset helps
_GIVE_WAY_MS, _GIVES_WAY = const(100), const(20)  # so long each time, so often at most
_OF_THE_CLIP = ("verification_pending", "link_too_slow", "read_failed")
# No answer came, or somebody else's: the way may be at fault, and its return may end the wait.
_LINK_CODES = "link_down dns_failed connect_failed connection_lost timeout portal".split()
_INTERCEPTED = ("tls_untrusted", "tls_wrong_name")


class Lane:
    """backlog, waits: queue/; strategy: WholeFile, or Strategies where chunks are allowed; link:
    link.link.Link; mark(number): told which clip is in hand (store/in_hand.py); gates: what else
    says when a clip may go (queue.manners, queue.planner).
    """

    def __init__(
        self,
        store,
        backlog,
        waits,
        strategy,
        cloud,
        link,
        clock,
        clock_wait_s,
        log,
        mark=unmarked,
        gates=(),
    ):
        self._store = store
        self._backlog = backlog
        self._waits = waits
        self._strategy = strategy
        self._cloud = cloud
        self._link = link
        self._clock = clock
        self._clock_wait_ms = clock_wait_s * 1000
        self._log = log
        self._mark = mark
        self._gates = gates
        self._shut = (None, 0)  # reason and end (uptime) of what a gate refused
        self._work = asyncio.Event()
        self._pending_number = 0
        self.live = strategy.live  # where the clip that is being recorded goes too, else None
        self._live_has_turn = True
        self.announce = None  # coroutine function, called before each clip (supervisor.heartbeat)
        self.is_sending = False  # from before the first clip until there is nothing, or a wait
        self.is_behind = None  # () -> True while the recorder has much to write (app.py)
        self.is_away = None  # (clip number) -> True if its medium is lost and another one stands
        self.plan_reset = None  # told of a want of memory that does not end
        self._shortages = 0  # in a row
        self.reason = Reason(LANE, "starting", clock.uptime_ms)
        self.in_hand = 0
        self.chosen = 0  # the same, and already while the cloud is told that it comes
        self.delivered = 0
        self.set_aside = 0

    def notify(self):
        """There may be work, or a wait may be over (clip closed, link up, new token)."""
        self._backlog.note_news()
        self._work.set()

    def rests_ms(self):
        """How long the way to the cloud is not needed, as far as clips go: ms, 0: it is now."""
        if self.in_hand:
            return 0
        backlog = self._backlog
        if not (backlog.has_met or backlog.waiting()) or not self._cloud.has_token():
            return _LONG_MS
        if self._shut[0]:
            return min(_SHUT_MS, max(0, self._shut[1] - self._clock.uptime_ms()))
        return _LONG_MS if backlog.found_none else self._waits.left_ms()

    def slept(self, doubt_ms):
        """See Waits.slept."""
        self._waits.slept(doubt_ms)

    def resting_code(self):
        """The reason for which nothing needs the link."""
        if not self._cloud.has_token():
            return "no_token"
        if self._waits.left_ms():
            return self._waits.code
        return self._shut[0] or "nothing_to_send"

    def link_returned(self):
        """The radio is up again: a wait that only its absence had caused is over."""
        if self._waits.code in _LINK_CODES or self._waits.code in _INTERCEPTED:
            self._waits.cut_short()
        self._work.set()

    def link_lost(self):
        """The radio is off: say so."""
        self._work.set()

    def look_again(self):
        """What the wait was for has changed: end the cool-down."""
        self._waits.cut_short()
        self._backlog.rewind()
        self.notify()

    def send_first(self, number):
        """Somebody asks for clip number; returns the answer (store/wanted.py)."""
        if number == self.in_hand:
            return {"ok": True, "before": 0}
        answer = self._backlog.ask(number)
        self.notify()
        return answer

    def is_resting(self):
        """True while the cloud is to be left alone, or spoken to already."""
        return bool(self.is_sending or self.in_hand or self._shut[0] or self._waits.left_ms())

    async def run(self, check_in):
        """Deliver for ever. check_in(within_ms): tells the supervisor that this task lives."""
        while True:
            check_in(_ALIVE_MS)
            try:
                await self._step(lambda: check_in(_ALIVE_MS))
            except NeedsOperator as e:
                # The medium itself (walking the queue): nothing can be sent from it now.
                self._set_reason(e.code, e.detail, _CHECK_MS)
                self._log.error("backlog unreadable %s", e)
                await self._pause(_CHECK_MS)

    async def _step(self, alive):
        code, left_ms = self._not_now()
        if code:
            self.is_sending = False
            self._set_reason(code, "", left_ms)
            self._backlog.look_over(self._clock.uptime_ms())
            await self._pause(min(left_ms or _CHECK_MS, _IDLE_MS))
            return
        clip = self._next_clip()
        if clip is None:
            await self._find_none()
            return
        if clip.state != DONE and self._waits_for_clock(clip):
            self._set_reason("clock_wait", "", self._clock_wait_ms - self._clock.uptime_ms())
            self.is_sending = False
            await self._pause(_CHECK_MS)
            return
        if not await self._begin(clip):
            return
        try:
            if clip.state != DONE:
                for gate in self._gates:
                    gate.book(clip)
                await self._give_way()
                await self._strategy.advance(clip, alive)
            if clip.state == DONE:
                await self._give_way()
                self._store.free(clip)
                self._delivered(clip)
            else:
                self._waits.succeeded()
                self._link.exchange_succeeded()
        except Permanent as e:
            self._aside(clip, e)
        except NeedsOperator as e:
            self._refused(e)
        except Transient as e:
            self._failed(clip, e)
        except MemoryError:
            self._failed(clip, Transient("low_memory"))
        except asyncio.CancelledError:
            self._mark(0)  # another task failed
            raise
        finally:
            self.in_hand = self.chosen = 0
            for gate in self._gates:
                gate.ended(clip.state == DONE)
            gc.collect()
        self._mark(0)

    async def _find_none(self):
        """No clip may go: the walk is not through, or say why and rest."""
        if self._backlog.is_walking:
            await sleep_ms(0)
            return
        self._backlog.note_none(self._clock.uptime_ms())
        self.is_sending = False
        code, left_ms = self._shut_for(*self._backlog.held_reason())
        others = self._backlog.other_epoch
        code = code or ("other_epoch" if others else "nothing_to_send")
        self._set_reason(code, "clips=%d" % others if others else "", left_ms)
        idle_ms = min(_IDLE_CAP_MS, _IDLE_MS + _EACH_MS * (self._backlog.aside + others))
        await self._pause(min(left_ms or idle_ms, idle_ms))

    async def _begin(self, clip):
        """clip goes now: tell the cloud, then keep its number where a reset finds it. False: the
        cloud asked to be left alone.
        """
        self.chosen = clip.number
        if clip.state != DONE:
            self.is_sending = True
            error = await self.announce() if self.announce is not None else None
            if error is not None:
                wait_s = self._waits.failed(error)
                self._log.warning("lane waits reason=%s wait_s=%d", error, wait_s)
                self.chosen = 0
                return False
        self._set_reason("sending", "clip=%d" % clip.number)
        self.in_hand = clip.number
        self._mark(clip.number)
        return True

    def _not_now(self):
        """(reason, ms until it is looked at again or 0), or (None, 0) if a clip may go."""
        if not self._cloud.has_token():
            return "no_token", 0
        left_ms = self._waits.left_ms()
        if left_ms:
            return self._waits.code, left_ms
        if not self._link.is_up():
            code, left_ms = self._link.shut()
            return self._shut_for(code, left_ms) if code else (self._link.reason, 0)
        for gate in self._gates:
            code, left_ms = gate.refusal()
            if code and (code != "taking_turns" or self._backlog.waiting()):
                return self._shut_for(code, left_ms)
        return self._shut_for(None, 0)

    def _shut_for(self, code, left_ms):
        self._shut = (code, self._clock.uptime_ms() + left_ms)
        return code, left_ms

    def _next_clip(self):
        if self.live is None:
            return self._backlog.next()
        live = self.live.next()
        if live is not None and self._waits_for_clock(live):
            live = None
        self._live_has_turn = not self._live_has_turn
        clip = None
        if live is None or self._live_has_turn:
            clip = self._backlog.next()
        if clip is None and live is not None:
            self._backlog.rule = "live"
            return live
        return clip

    def _waits_for_clock(self, clip):
        if not self._clock.may_still_learn(clip.record):
            return False
        return self._clock.uptime_ms() < self._clock_wait_ms

    def _delivered(self, clip):
        self.delivered += 1
        self._pending_number = self._shortages = 0
        self._waits.succeeded()
        self._link.exchange_succeeded()
        rid, sha = clip.record.get("rid"), clip.record.get("sha")
        self._log.info("clip delivered clip=%d recording=%s sha256=%s", clip.number, rid, sha)

    def _failed(self, clip, e):
        self._shortages = self._shortages + 1 if e.code == "low_memory" else 0
        if self._shortages == _SHORTAGES and self.plan_reset:
            self.plan_reset("low_memory")
        if e.code in _LINK_CODES:
            self._link.exchange_failed(e.code)
        else:
            self._link.exchange_succeeded()
        if e.code == "taking_turns":
            return  # nothing failed: it was not even asked
        if e.code in _OF_THE_CLIP and clip.number != self._pending_number:
            # Only this clip waits (the cloud hashes, link or medium are poor): the others go on.
            self._pending_number = clip.number
            self._backlog.let_pass(clip)
            if self.live is not None:
                self.live.let_others_go(clip)
            return
        if clip.state != OPEN:
            self._backlog.failed(clip)
        wait_s = self._waits.failed(e)
        self._set_reason(e.code, e.detail, wait_s * 1000)
        self._log.warning("lane waits clip=%d reason=%s wait_s=%d", clip.number, e, wait_s)

    def _refused(self, e):
        if e.code == "storage_failed" and self.is_away is not None and self.is_away(self.in_hand):
            return  # the clips of that medium are passed over
        if e.code in _INTERCEPTED:
            self._link.exchange_failed(e.code)
        wait_s = self._waits.refused(e)
        self._set_reason(e.code, e.detail, wait_s * 1000)
        self._log.error("lane waits for somebody reason=%s wait_s=%d", e, wait_s)

    def _aside(self, clip, e):
        from device.transfer import aside

        state, why, said = aside.verdict(e)
        forget_module("device.transfer.aside")
        try:
            self._store.save(clip, state=state, why=why, said=said)
        except Transient as e:
            self._failed(clip, e)
            return
        except NeedsOperator as e:
            self._refused(e)
            return
        self.set_aside += 1
        self._log.error("clip set aside clip=%d reason=%s state=%s", clip.number, e, state)

    async def _give_way(self):
        """Recording goes first: while it is behind, a slow card is left to it for a moment."""
        for _ in range(_GIVES_WAY):
            if self.is_behind is None or not self.is_behind():
                return
            await sleep_ms(_GIVE_WAY_MS)

    def _set_reason(self, code, detail="", left_ms=0):
        again = self._clock.uptime_ms() + left_ms if left_ms > 0 else None
        self.reason.set(code, detail, again)

    async def _pause(self, limit_ms):
        """Wait for an event, or until limit_ms is over."""
        try:
            await wait_for_ms(self._work.wait(), limit_ms)
        except WAIT_ERRORS:
            pass
        self._work.clear()
