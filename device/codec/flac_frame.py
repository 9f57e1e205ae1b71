"""What encoder and repair share of a FLAC frame: its checksums, its number, its largest size."""

from array import array

FRAME_HEADER_MAX = 16


def crc8_table():
    """Return the 256-byte table of polynomial 0x07 (RFC 9639 section 9.1.8)."""
    table = bytearray(256)
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc << 1) ^ (0x107 if crc & 0x80 else 0)
        table[i] = crc
    return table


def crc16_table():
    """Return the table of polynomial 0x8005 (RFC 9639 section 9.3), then that of two bytes.

    256 words for a byte, 256 for a byte with a zero after it.
    """
    table = array("H", bytes(1024))
    for i in range(256):
        crc = i << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x18005 if crc & 0x8000 else 0)
        table[i] = crc
    for i in range(256):
        crc = table[i]
        table[256 + i] = ((crc << 8) & 0xFF00) ^ table[crc >> 8]
    return table


def max_frame_bytes(block_samples):
    """Return the length no frame exceeds: VERBATIM, the longest header, the footer."""
    return 2 * block_samples + FRAME_HEADER_MAX + 2


def put_number(v, out, pos):
    """Write a frame number as RFC 9639 section 9.1.5 codes it; return the position after it."""
    if v < 0x80:
        out[pos] = v
        return pos + 1
    more = 1
    while v >> (5 * more + 6):
        more += 1
    out[pos] = ((0xFF00 >> (more + 1)) & 0xFF) | (v >> (6 * more))
    while more:
        more -= 1
        pos += 1
        out[pos] = 0x80 | ((v >> (6 * more)) & 0x3F)
    return pos + 1
