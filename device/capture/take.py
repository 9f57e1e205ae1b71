"""One take: its samples become clips, cut at an exact sample, with every gap in its place.

The take's axis counts samples from its first one: those recorded, those that the driver lost
(filled with silence, so that later times stay true) and those of silence that was left out.
`gaps` and `skips` of a clip's record place the last two, in samples of the clip.

While it holds (nobody speaks), frames go to the pre-roll; release() gives them to the clip. What
falls out of the pre-roll is left out, or, before the take's first clip, was never part of it.
"""

from device.compat import const
from device.errors import DeviceError, Transient

_MAX_PLACES = const(
    8
)  # gaps, and skips, of a clip; then it is cut, so that its record stays small
_PIECE_SAMPLES = const(1024)  # at most one frame comes of it
_FILL_SAMPLES = const(256)


class Take:
    """buffers: app.Buffers (codec, encoded, preroll, which may be None); meter: level.Meter;
    pace: pace.Pace.

    settings: rate_hz, clip_samples, boot, snr_db. callbacks: epoch() of new clips, closed() after
    each, torn(number) for one that only recovery can close. Methods raise DeviceError (the
    medium's).
    """

    def __init__(self, buffers, meter, pace, store, quota, clock, settings, callbacks, log):
        self._codec = buffers.codec
        self._out = buffers.encoded
        self._preroll = buffers.preroll
        self._meter = meter
        self._pace = pace
        self._store = store
        self._quota = quota
        self._clock = clock
        self._rate_hz = settings["rate_hz"]
        self._clip_samples = settings["clip_samples"]
        self._boot = settings["boot"]
        self._snr_db = settings["snr_db"]
        self._epoch = callbacks["epoch"]
        self._closed = callbacks["closed"]
        self._torn = callbacks["torn"]
        self._log = log
        self._fill = memoryview(bytearray(2 * _FILL_SAMPLES))
        self._clip = self._writer = None
        self.begin()

    def begin(self, holds=False):
        """Begin a take; holds: its samples are kept back until release()."""
        self.number = 0  # of its first clip, 0 before that is open
        self.samples = 0  # of the axis, up to what went out or was left out
        self._index = self._hidden = 0
        self.holds = holds
        self._codec.begin()
        self._codec.is_counting = not holds
        if self._preroll:
            self._preroll.clear()

    @property
    def is_open(self):
        return self._clip is not None

    @property
    def position(self):
        """Samples of the axis, with what the encoder has in hand."""
        return self.samples + self._codec.held

    def append(self, samples, frames):
        """Take frames samples (a memoryview of bytes)."""
        offset = 0
        while offset < frames:
            n = self._room(frames - offset)
            self._feed(samples[2 * offset : 2 * (offset + n)], n)
            offset += n

    def lose(self, frames):
        """The driver lost so many samples: fill their place and say so in the record."""
        self._log.warning("overrun frames=%d position=%d", frames, self.position)
        if self.holds:
            # The pre-roll never spans a gap.
            self._leave_out(self._preroll.clear() + self._codec.held + frames)
            self._codec.held = 0
            return
        known = None
        while frames:
            n = self._place_gap(frames)
            self._feed(self._fill[: 2 * n], n)
            frames -= n
            if len(self._gaps) != known:
                # Durable at once: a clip that a power cut ends must know it too.
                known = len(self._gaps)
                self._store.save(self._clip, gaps=self._gaps)

    def hold(self):
        """Nobody speaks any more: keep back what comes."""
        if self.is_open:
            room = self._left() - self._preroll.max_samples - _PIECE_SAMPLES
            if room < 0 or len(self._skips) == _MAX_PLACES:
                self._finish(False)  # what is kept back would not find its place here
        self.holds = True
        self._codec.is_counting = False

    def release(self, frames_in_hand):
        """Somebody speaks: what the pre-roll holds goes out. frames_in_hand: not yet given."""
        self._leave_out(self._preroll.take_dropped())
        if not self.is_open:
            self._open(self._preroll.samples + self._codec.held + frames_in_hand)
        elif self._hidden:
            self._skips.append([self._done, self._hidden])
            self._store.save(self._clip, skips=self._skips)
        self._hidden = 0
        self.holds = False
        self._codec.is_counting = True
        found = self._preroll.pop()
        while found is not None:
            self._write(self._codec.renumber(found[0], self._out), found[1])
            found = self._preroll.pop()

    def end(self):
        """The take is over: close its last clip, with the silence that the pre-roll holds."""
        if self.holds and self.number and (self.is_open or self._preroll.samples):
            self.release(0)
        if self.is_open:
            self._finish(True)

    def fail(self):
        """The medium or the microphone failed: close the clip if that works."""
        if not self.is_open:
            return
        number = self._clip.number
        try:
            self._finish(True)
        except (DeviceError, MemoryError) as e:
            self._log.error("clip left for recovery clip=%d reason=%s", number, e)

    def _left(self):
        return self._clip_samples - self._done - self._codec.held

    def _room(self, frames):
        """How many of frames samples may come now; opens and cuts clips for them."""
        if self.holds:
            return min(frames, _PIECE_SAMPLES)
        if self.is_open and not self._left():
            # Only now is it certain that the take goes on: the full clip was not its last.
            self._finish(False)
        if not self.is_open:
            self._open(frames)
        return min(frames, self._left())

    def _feed(self, samples, frames):
        codec = self._codec
        given = codec.held + frames
        size = codec.encode(samples, self._out)
        if not size:
            return
        if not self.holds:
            self._write(size, given - codec.held)
            return
        self._preroll.push(self._out[:size], given - codec.held)
        if self.is_open and self._preroll.dropped >= self._clip_samples:
            # Silence as long as a clip ends the take: what was said goes on its way.
            self.end()
            self.begin(holds=True)

    def _write(self, size, samples):
        self._quota.check()
        self._writer.write(self._out[:size], samples)
        self._quota.spend(size)
        self._done += samples
        self.samples += samples

    def _leave_out(self, samples):
        if self.number:
            self.samples += samples
            self._hidden += samples

    def _place_gap(self, frames):
        """Put the beginning of a gap of so many samples into the record; returns how many."""
        n = min(_FILL_SAMPLES, self._room(frames))
        at = self._done + self._codec.held
        gaps = self._gaps
        if not gaps or at - gaps[-1][0] - gaps[-1][1] >= self._rate_hz:
            if len(gaps) == _MAX_PLACES:
                self._finish(False)
                return self._place_gap(frames)
            gaps.append([at, 0, 0])
        # Less than a second apart they are one: so many samples long, so many of them lost.
        gaps[-1][1] = at + n - gaps[-1][0]
        gaps[-1][2] += n
        return n

    def _open(self, frames_in_hand):
        """Open the next clip; its first sample is frames_in_hand before the microphone's next."""
        self._quota.refresh()
        self._quota.check()
        record = {
            "codec": self._codec.name,
            "hz": self._rate_hz,
            "take": self.number,
            "index": self._index,
            "first": self.samples,
            "boot": self._boot,
            "up": self._pace.up_ms(frames_in_hand),
            "epoch": self._epoch(),
        }
        if self._snr_db:
            record["snr"] = self._snr_db
        if self._clock.unix_ms() is None:
            record["nb"] = self._clock.not_before_s()
        self._clip, self._writer = self._store.open(record)
        self.number = record["take"]
        self._index += 1
        self._done = 0
        self._gaps = []
        self._skips = []
        self._meter.begin()
        self._codec.begin(True)
        size = self._codec.write_header(self._out)
        self._writer.write_header(self._out[:size])

    def _finish(self, is_last):
        clip, writer = self._clip, self._writer
        self._clip = self._writer = None
        try:
            if writer.has_failed:
                raise Transient("storage_failed", "not all was written")
            held = self._codec.held
            writer.write(self._out[: self._codec.finish(self._out)], 0)
            self._done += held
            self.samples += held
            self._store.close(clip, writer, **self._facts(clip, is_last))
        except (DeviceError, MemoryError):
            self._store.leave_open(writer)
            self._torn(clip.number)
            raise
        self._log.info(
            "clip closed clip=%d take=%d index=%d samples=%d bytes=%d last=%d",
            clip.number,
            clip.record["take"],
            clip.record["index"],
            clip.record["samples"],
            clip.record["bytes"],
            clip.record["last"],
        )
        self._closed()

    def _facts(self, clip, is_last):
        """What the record of a closed clip gains."""
        facts = {"samples": self._done, "last": 1 if is_last else 0, "facts": self._codec.facts()}
        if self._gaps:
            facts["gaps"] = self._gaps
            facts["lost"] = sum([gap[2] for gap in self._gaps])
        if self._skips:
            facts["skips"] = self._skips
        level = self._meter.report()
        if level:
            facts["lev"] = level
        if self._meter.had_fault:
            facts["mic"] = self._meter.had_fault
        ppm = self._pace.ppm()
        if ppm is not None:
            facts["ppm"] = ppm
        start = self._clock.start_of(clip.record)
        if start is not None:
            facts["start"], facts["doubt"] = start
        return facts
