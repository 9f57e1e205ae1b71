"""FLAC encoder, lossless or near-lossless: 16-bit mono, a stream of blocks (RFC 9639).

A stream is in fixed-blocksize form, numbered from 0, and only its last frame may be short. Every
frame carries its number, a CRC-8 over its header and a CRC-16 over all of it, so a torn file is
repaired by cutting it after its last whole frame (flac_scan). Headers are flac_format's.

Near-lossless blocks drop low bits before prediction, as far as both hold (energies are about
the mean of each quarter of the block, so that rumble and offset do not hide speech):
the error's energy over the block stays below the block's by at least snr_db; and below that of
each quarter by at least snr_db - 12, so that a quiet moment beside a loud one keeps its own.
A block that cannot lose its lowest bit under these rules is kept exactly: quiet stays.

All buffers are made in __init__: about 8 KB, of which 4 KB residuals and 2 KB samples.
"""

from array import array

from device.codec import flac_frame, flac_hot
from device.codec.flac_format import BLOCK_SAMPLES, FlacFormat

_QUARTER_MARGIN_DB = 12
_SNR_MIN_DB = 20
_SNR_MAX_DB = 60
_FINEST_LEVEL = 4  # 16 partitions of 64 samples
_PARTITION_MIN = 16  # must exceed the largest predictor order
_LOSSY_MIN = 64  # samples; shorter blocks are kept exactly
_RATE_CODES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10}
_POWER_PER_MILLE = (1000, 1259, 1585, 1996, 2512, 3163, 3982, 5012, 6310, 7944)  # 10**(n/10)


def _power_ratio(db):
    """Return 10**(db/10) as an integer, rounded up, without floats: they differ between boards."""
    return (_POWER_PER_MILLE[db % 10] * 10 ** (db // 10) + 999) // 1000


def _bit_length(v):
    n = 0
    while v >> n:
        n += 1
    return n


def _first_guess(limit, n, shift):
    """Return how many bits n samples may lose if the error is as large as it usually is.

    limit: the energy that the error may have, in units of 4**shift. Dropping w bits costs about
    4**w / 12 a sample. m is in sixteenths.
    """
    m = 12 * limit // ((n + 15) >> 4)
    if m == 0:
        return 0
    guess = shift - 2
    while m >= 4:
        m >>= 2
        guess += 1
    return max(guess, 0)


def _within(error, limit, down):
    """Return error <= limit * 4**down, without growing either."""
    if down < 0:
        return error <= limit >> (-2 * down)
    return (error + (1 << (2 * down)) - 1) >> (2 * down) <= limit


class FlacEncoder(FlacFormat):
    """Turns 16-bit samples into FLAC frames; one stream at a time, begun with begin()."""

    def __init__(self, rate_hz, snr_db=0):
        """Make all buffers. snr_db: 0 is lossless, 20 to 60 near-lossless at that figure.

        Raises ValueError for a rate or figure that cannot be coded. Allocates about 8 KB.
        """
        if rate_hz not in _RATE_CODES:
            raise ValueError("rate_hz %d is not one of %s" % (rate_hz, sorted(_RATE_CODES)))
        if snr_db and not _SNR_MIN_DB <= snr_db <= _SNR_MAX_DB:
            raise ValueError("snr_db %d is not 0 or 20 to 60" % snr_db)
        super().__init__(rate_hz)
        self._rate_code = _RATE_CODES[rate_hz]
        self._ratio = self._quarter_ratio = 0
        if snr_db:
            self._ratio = _power_ratio(snr_db)
            self._quarter_ratio = _power_ratio(snr_db - _QUARTER_MARGIN_DB)
        self._x = array("h", bytes(2 * BLOCK_SAMPLES))
        self._u = array("I", bytes(4 * BLOCK_SAMPLES))
        self._marks = array("I", bytes(4 * 5))
        self._sums = array("I", bytes(4 * 32))
        self._r = array("I", bytes(4 * 32))
        self._refl = array("I", bytes(4 * 32))
        self._coef = array("h", bytes(2 * 8))
        self._bits = array("I", bytes(4 * 3))
        self._quarters = array("I", bytes(4 * 4))
        self._ks = bytearray(64)
        self._shift = 0
        self.is_counting = True  # False: frames are kept back, renumber() counts those that go out
        self._crc8 = flac_frame.crc8_table()
        self._crc16 = flac_frame.crc16_table()
        self.begin()

    def begin(self, keep_held=False):
        """Start a new stream: frame 0, nothing held back unless keep_held."""
        self._frame = 0
        if not keep_held:
            self.held = 0
        self._min_frame = 0
        self._max_frame = 0

    def max_encoded_bytes(self, frames):
        """Return the most bytes that encode() of that many samples, or finish(), may write."""
        blocks = (frames + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
        return blocks * flac_frame.max_frame_bytes(BLOCK_SAMPLES)

    def facts(self):
        """Return [smallest, largest] frame of this stream in bytes, as upload_header wants it."""
        return [self._min_frame, self._max_frame]

    def encode(self, pcm, out):
        """Take samples, write the frames they complete into out, return the bytes written.

        pcm: any even number of bytes, little-endian 16-bit; lent until return. out must hold
        max_encoded_bytes(len(pcm) // 2). Does not allocate.
        """
        count = len(pcm) >> 1
        start = 0
        pos = 0
        while start < count:
            take = BLOCK_SAMPLES - self.held
            if take > count - start:
                take = count - start
            flac_hot.pack.load(self.held, start << 1, self._x, pcm, take, self._marks)
            start += take
            self.held += take
            if self.held == BLOCK_SAMPLES:
                self.held = 0
                pos = self._encode_block(BLOCK_SAMPLES, out, pos)
        return pos

    def finish(self, out):
        """Write the last, short frame if samples are held back; return the bytes written."""
        n = self.held
        self.held = 0
        if n == 0:
            return 0
        return self._encode_block(n, out, 0)

    def _encode_block(self, n, out, pos):
        """Write x[:n] as one frame at out[pos:] and return the position after it."""
        pack = flac_hot.pack
        x = self._x
        marks = self._marks
        bits = self._bits
        bits[0] = self._put_frame_header(n, out, pos)
        bits[1] = bits[2] = 0
        if marks[1] == 0:
            pack.put(out, bits, 0, 8)
            pack.put_samples(out, bits, x, 1, 16)
        else:
            drop = 0
            while not (marks[0] >> drop) & 1:
                drop += 1
            if self._ratio and n >= _LOSSY_MIN:
                drop = self._droppable(n, drop)
            size_bits = _bit_length(marks[2]) - 1
            if drop:
                pack.drop_bits(n, 0, x, drop)
                # Rounding may carry into one more bit.
                size_bits = min(size_bits + 1, 15) - drop
            self._put_subframe(n, out, drop, size_bits)
            if bits[2]:
                pack.put(out, bits, 0, 8 - bits[2])
        end = bits[0]
        crc = pack.crc16(pos, 0, out, end, self._crc16)
        out[end] = crc >> 8
        out[end + 1] = crc & 0xFF
        end += 2
        if self.is_counting:
            self._count(end - pos)
        return end

    def _count(self, frame_bytes):
        if self._frame == 0 or frame_bytes < self._min_frame:
            self._min_frame = frame_bytes
        if frame_bytes > self._max_frame:
            self._max_frame = frame_bytes
        self._frame += 1

    def renumber(self, frame, out):
        """Write a frame that was kept back (is_counting False) into out as the stream's next one.

        frame: memoryview of one frame of encode(), so a whole block with number 0; out must not
        overlap it. Returns the bytes written, up to 6 more: number and checksums are others.
        """
        body_at = 6  # behind sync, codes, number 0 and CRC-8
        out[:4] = frame[:4]
        pos = flac_frame.put_number(self._frame, out, 4)
        pos = self._put_crc8(out, 0, pos)
        end = pos + len(frame) - 2 - body_at
        out[pos:end] = frame[body_at : len(frame) - 2]
        crc = flac_hot.pack.crc16(0, 0, out, end, self._crc16)
        out[end] = crc >> 8
        out[end + 1] = crc & 0xFF
        self._count(end + 2)
        return end + 2

    def _put_frame_header(self, n, out, pos):
        """RFC 9639 section 9.1."""
        start = pos
        code = 10  # 1024 samples
        if n != BLOCK_SAMPLES:
            code = 6 if n <= 256 else 7
        out[pos] = 0xFF
        out[pos + 1] = 0xF8
        out[pos + 2] = (code << 4) | self._rate_code
        out[pos + 3] = 0x08
        pos = flac_frame.put_number(self._frame if self.is_counting else 0, out, pos + 4)
        if code == 7:
            out[pos] = (n - 1) >> 8
            pos += 1
        if code != 10:
            out[pos] = (n - 1) & 0xFF
            pos += 1
        return self._put_crc8(out, start, pos)

    def _put_crc8(self, out, start, end):
        """Close the frame header out[start:end] with its checksum; return the position after."""
        crc = 0
        table = self._crc8
        while start < end:
            crc = table[crc ^ out[start]]
            start += 1
        out[end] = crc
        return end + 1

    def _droppable(self, n, drop):
        """Return how many low bits x[:n] may lose; drop are zero already."""
        pack = flac_hot.pack
        x = self._x
        quarters = self._quarters
        shift = max(0, _bit_length(self._marks[2]) - 10)
        whole = 0
        start = 16
        for i in range(4):
            at = (n * i) >> 2
            end = (n * (i + 1)) >> 2
            e = pack.energy(end - at, 0, x, at, shift)
            whole += e
            e //= self._quarter_ratio
            quarters[i] = e
            start = min(start, _first_guess(e, end - at, shift))
        whole //= self._ratio
        start = min(start, _first_guess(whole, n, shift))
        while start > drop:
            down = shift - max(0, start - 8)
            total = 0
            good = True
            for i in range(4):
                at = (n * i) >> 2
                e = pack.rounding_error(((n * (i + 1)) >> 2) - at, 0, x, at, start)
                total += e
                good = good and _within(e, quarters[i], down)
            if good and _within(total, whole, down):
                return start
            start -= 1
        return drop

    def _put_subframe(self, n, out, drop, size_bits):
        """Write x[:n], of 16 - drop bits, with the predictor that needs the fewest bits.

        RFC 9639 section 9.2. The estimate chooses; the bound decides that it beats VERBATIM.
        """
        pack = flac_hot.pack
        lpc = flac_hot.lpc
        x = self._x
        u = self._u
        sums = self._sums
        ks = self._ks
        marks = self._marks
        bits = self._bits
        bps = 16 - drop
        precision = 10 if bps > 13 else 7
        kind = 1  # VERBATIM
        order = taps = 0
        if n > 4:
            level = _FINEST_LEVEL
            while level and (n & ((1 << level) - 1) or n >> level < _PARTITION_MIN):
                level -= 1
            sums[31] = n >> level
            order = self._choose(n, bps, precision, size_bits)
            if order > 8:
                kind = 23 + order  # 32: one tap
                order -= 8
                taps = order
                lpc.lpc_residual(taps, 0, x, u, n, self._coef, self._shift, sums)
            else:
                kind = 8 + order
                lpc.fixed_residual(0, 0, x, u, n, order, sums)
            pack.plan(sums, ks, n, order, marks)
            if marks[4] + order * bps + (taps * precision + 9 if taps else 0) >= n * bps:
                kind = 1
        pack.put(out, bits, (kind << 1) | (drop > 0), 8)
        if drop:
            pack.put(out, bits, 1, drop)
        if kind == 1:
            pack.put_samples(out, bits, x, n, bps)
            return
        pack.put_samples(out, bits, x, order, bps)
        if taps:
            pack.put(out, bits, ((precision - 1) << 5) | self._shift, 9)
            pack.put_samples(out, bits, self._coef, taps, precision)
        pack.put_residual(order, 0, u, out, bits, ks, n)

    def _choose(self, n, bps, precision, size_bits):
        """Return a fixed predictor's order, 0 to 4, or 8 + taps with coef and shift filled."""
        lpc = flac_hot.lpc
        narrow = max(0, 2 * _bit_length(n - 1) - 12)
        lpc.autocorrelate(n, 0, self._x, n, self._r, narrow, size_bits)
        noise = (n * 22) >> 8
        if size_bits < 10:
            noise <<= 2 * (10 - size_bits)
        else:
            noise >>= 2 * (size_bits - 10)
        order = lpc.choose(self._r, n, max(noise, 1), bps, precision, self._refl)
        while order > 8:
            self._shift = lpc.quantise(self._refl, self._coef, order - 8, precision, size_bits)
            if self._shift >= 0:
                return order
            order -= 1
        return order if order < 8 else 4
