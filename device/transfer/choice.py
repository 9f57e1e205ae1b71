"""Which way a clip goes, whole or in chunks, and which clip of the take that runs goes first.

The lane's strategy where the settings allow chunks; else the lane has WholeFile alone. A clip that
went as chunks and was refused goes whole, in a new recording, and so does every other clip of
this boot: not each of them asks in vain.

    setting   whole, auto, chunks                 offered   no refusal in this boot
    auto      chunks for what the measured link cannot bring up within a URL's life, and for what
              was cut twice beyond the size of a chunk; else whole
"""

from device.compat import const
from device.errors import Permanent, Transient
from device.store.clip import ASIDE, CHUNKS, CLOSED, COMPLETING, CREATED, OPEN, WHOLE
from device.transfer.chunk_calls import NotOffered
from device.transfer.finalize import begin_anew
from device.transfer.whole_file import no_news

_SAFE_URL_LIFE_S = const(3300)  # 55 of the documented 60 minutes
_CUTS = const(2)
_CUT_CODES = ("link_down", "connection_lost", "timeout")


def choose(setting, offered, size_bytes, chunk_bytes, needed_s, cuts):
    """CHUNKS or WHOLE for a closed clip that was not begun.

    needed_s: how long the measured link needs for it, None if unknown; cuts: how often its PUT was
    cut in this boot after more than a chunk.
    """
    if setting == WHOLE or not offered or size_bytes <= chunk_bytes:
        return WHOLE
    if setting == CHUNKS or cuts >= _CUTS:
        return CHUNKS
    return CHUNKS if needed_s is not None and needed_s > _SAFE_URL_LIFE_S else WHOLE


class Strategies:
    """whole: WholeFile; chunked: Chunked; setting: upload.strategy; is_live: upload.live;
    epoch(): the token epoch that clips must have to be sent now.
    """

    def __init__(self, store, whole, chunked, setting, is_live, epoch, log):
        self._store = store
        self._whole = whole
        self._chunked = chunked
        self._setting = setting
        self._is_live = is_live
        self.live = self if is_live else None  # whom the lane asks for the open clip's turn
        self._epoch = epoch
        self._log = log
        self._begun = 0  # the clip that began to go while it was recorded
        self._stopped = 0  # an open clip that something stands against: looked at when closed
        self._cuts = [0, 0]  # clip, how often its PUT was cut
        self.offered = True

    def as_dict(self):
        """The part of the status document: which way clips go now."""
        state = self._whole.as_dict()
        state.update(strategy=self._setting, live=self._is_live, chunks_offered=self.offered)
        return state

    def next(self):
        """The clip that may go before older ones: the open one if a chunk of it is ready, or the
        one before it, which began to go when it was open and is not through. None if there is
        none. Raises DeviceError (medium).
        """
        if not self._is_live or not self.offered:
            return None
        opened = self._store.opened
        if self._begun and not (opened and opened[0].number == self._begun):
            clip = self._store.after(self._begun - 1)
            if clip and clip.number == self._begun and clip.record and self._may_go(clip):
                return clip
            self._begun = 0
        if opened is None or opened[0].number == self._stopped:
            return None
        clip, writer = opened
        if clip.record["epoch"] != self._epoch() or not self._chunked.is_ready(clip, writer):
            return None
        self._begun = clip.number
        return clip

    def _may_go(self, clip):
        if clip.state == OPEN or clip.state in ASIDE:
            return False
        return clip.record.get("epoch", 0) == self._epoch()

    def let_others_go(self, clip):
        """clip waits for something of its own: it has its turn in the queue."""
        if clip.number == self._begun:
            self._begun = 0

    async def advance(self, clip, alive=no_news):
        """Take clip one step further, whole or by a chunk; its state says how far.

        Raises Permanent (never for an open clip), Transient, NeedsOperator.
        """
        if clip.state == OPEN:
            await self._advance_open(clip, alive)
        elif self._goes_as_chunks(clip):
            try:
                await self._chunked.advance(clip, alive)
            except NotOffered as e:
                self._give_up(clip, e)
            except Permanent as e:
                # What this cloud leaves without proof must not happen to one clip after another.
                self.offered = self.offered and e.code not in ("conflict", "probably_uploaded")
                raise
        else:
            try:
                await self._whole.advance(clip, alive)
            except Transient as e:
                if not self._change_over(clip, e):
                    raise

    async def _advance_open(self, clip, alive):
        try:
            await self._chunked.advance(clip, alive)
        except NotOffered as e:
            self._note_refusal(clip, e)
            self._stopped = clip.number
        except Permanent as e:
            self._log.warning("not sent while recorded clip=%d %s", clip.number, e)
            self._stopped = clip.number

    def _goes_as_chunks(self, clip):
        record = clip.record
        via = record.get("via")
        if clip.state == COMPLETING or via == WHOLE or clip.state != CLOSED and via != CHUNKS:
            return via == CHUNKS
        begun = self._chunked.progress(clip)
        if via == CHUNKS or begun:
            if not self.offered:
                self._give_up(clip, NotOffered("refused", "in this boot"))
            return self.offered
        needed_s = self._whole.seconds_for(record["bytes"])
        cuts = self._cuts[1] if self._cuts[0] == clip.number else 0
        limits = (record["bytes"], self._chunked.chunk_bytes)
        return choose(self._setting, self.offered, *limits, needed_s, cuts) == CHUNKS

    def _note_refusal(self, clip, e):
        self._log.warning("chunks given up clip=%d reason=%s", clip.number, e)
        if e.code == "refused":
            self.offered = False

    def _give_up(self, clip, e):
        self._note_refusal(clip, e)
        self._begin_whole(clip)

    def _begin_whole(self, clip):
        begin_anew(self._store, clip, WHOLE, self._chunked.progress(clip).get("r"))
        self._chunked.forget()

    def _change_over(self, clip, e):
        """The whole file does not get through: True if it goes as chunks from now on."""
        record = clip.record
        if self._setting == WHOLE or not self.offered or clip.state != CREATED:
            return False
        if record.get("via") or record["bytes"] <= self._chunked.chunk_bytes:
            return False
        if e.code != "link_too_slow":
            if e.code not in _CUT_CODES:
                return False  # it was answered: smaller pieces would be refused as well
            if self._whole.cut_bytes <= self._chunked.chunk_bytes:
                return False
            cuts = self._cuts[1] if self._cuts[0] == clip.number else 0
            self._cuts = [clip.number, cuts + 1]
            self._whole.cut_bytes = 0
            if cuts + 1 < _CUTS:
                return False
        self._log.info("from now on in chunks clip=%d because=%s", clip.number, e)
        begin_anew(self._store, clip, CHUNKS, record.get("rid"))
        return e.code == "link_too_slow"  # after a cut the lane waits all the same
