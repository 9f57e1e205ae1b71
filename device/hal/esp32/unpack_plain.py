"""From I2S slots to samples, in plain Python; twin of unpack_viper.

raw: bytearray of 32-bit little-endian slots, the sample in the upper 24 bits; out: memoryview of
16-bit samples. Both twins give the same values on every input.

The driver copies 30 frames at a time (SIZEOF_TRANSFORM_BUFFER_IN_BYTES of 240, 8 bytes a frame,
ports/esp32/machine_i2s.c). mark() puts a word at the head of each such run that no microphone of
24 bits can give, so that filled() sees how far a buffer was filled when the driver is stopped.
"""


def unpack(at, n, raw, out, state):
    """Convert frames raw[at:at+n] into out[0:n]: offset taken away, shifted, saturated.

    state: 0 the offset in 1/64 of a 24-bit step, + 2**30, which follows with the weight 1/2048;
    1 how far 32 bits are shifted to the right, 9 to 16; 2 words a frame; 3 which of them.
    """
    level = state[0] - 0x40000000
    shift, words = state[1] - 8, state[2]
    half = 1 << (shift - 1)
    word = at * words + state[3]
    for i in range(n):
        k = 4 * word
        v = ((raw[k + 3] ^ 0x80) - 0x80) << 16 | raw[k + 2] << 8 | raw[k + 1]
        level += ((v << 6) - level + 1024) >> 11
        v = (v - (level >> 6) + half) >> shift
        if v > 32767:
            v = 32767
        if v < -32768:
            v = -32768
        out[2 * i] = v & 0xFF
        out[2 * i + 1] = v >> 8 & 0xFF
        word += words
    state[0] = level + 0x40000000


def mark(n, raw, words):
    """Mark each run of 30 frames among the n frames of raw as not filled yet."""
    i = 0
    while i < n:
        k = 4 * i * words
        raw[k : k + 4] = b"\xa5\x5a\xa5\x5a"
        i += 30


def filled(n, raw, words):
    """How many of the n frames of raw the driver filled since mark()."""
    i = 0
    while i < n:
        k = 4 * i * words
        if raw[k : k + 4] == b"\xa5\x5a\xa5\x5a":
            return i
        i += 30
    return n
