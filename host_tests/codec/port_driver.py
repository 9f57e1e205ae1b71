"""Runs on MicroPython's unix port: encodes, scans and measures for the tests. Not a test."""

import gc
import io
import struct
import sys

import micropython

from device.codec import flac_frame, flac_hot, flac_scan
from device.codec.flac import FlacEncoder


def encode_stream(rate_hz, snr_db, step, pcm):
    encoder = FlacEncoder(rate_hz, snr_db)
    out = memoryview(bytearray(encoder.max_encoded_bytes(step // 2)))
    head = memoryview(bytearray(encoder.header_bytes))
    encoder.begin()
    parts = [b""]
    samples = memoryview(pcm)
    for at in range(0, len(pcm), step):
        n = encoder.encode(samples[at : at + step], out)
        parts.append(bytes(out[:n]))
    n = encoder.finish(out)
    parts.append(bytes(out[:n]))
    encoder.upload_header(len(pcm) // 2, encoder.facts(), head)
    parts[0] = bytes(head)
    return b"".join(parts)


def encode(given, made):
    with open(given, "rb") as f, open(made, "wb") as g:
        while True:
            head = f.read(16)
            if not head:
                break
            rate_hz, snr_db, step, size = struct.unpack("<IIII", head)
            # One byte more: every other case lies at an odd address.
            room = bytearray(size + 1)
            odd = snr_db & 1 or step & 4
            at = 1 if odd else 0
            pcm = memoryview(room)[at : at + size]
            f.readinto(pcm)
            stream = encode_stream(rate_hz, snr_db, step, pcm)
            g.write(struct.pack("<I", len(stream)) + stream)


def scan(path, first, last):
    """Scan the file as if cut at each length, and print what was found."""
    with open(path, "rb") as f:
        data = f.read()
    work = bytearray(4200)
    tables = flac_frame.crc8_table(), flac_frame.crc16_table()
    for cut in range(int(first), int(last)):
        good, samples, crc, facts = flac_scan.scan(io.BytesIO(data[:cut]), cut, work, *tables)
        print(cut, good, samples, crc, facts[0], facts[1])


def locked(path, snr_db):
    """Encode with the heap locked: any allocation raises MemoryError."""
    with open(path, "rb") as f:
        pcm = memoryview(f.read())
    encoder = FlacEncoder(16000, int(snr_db))
    out = memoryview(bytearray(encoder.max_encoded_bytes(1500)))
    pieces = [pcm[at : at + 3000] for at in range(0, len(pcm), 3000)]
    encoder.begin()
    total = 0
    micropython.heap_lock()
    try:
        for piece in pieces:
            total += encoder.encode(piece, out)
        total += encoder.finish(out)
    finally:
        micropython.heap_unlock()
    print(total)


def memory():
    """Print the bytes that one encoder keeps."""
    FlacEncoder(16000, 30)
    gc.collect()
    before = gc.mem_alloc()
    encoder = FlacEncoder(16000, 30)
    gc.collect()
    print(gc.mem_alloc() - before, encoder.name)


def which():
    print(flac_hot.pack.__name__, flac_hot.lpc.__name__)


{"encode": encode, "scan": scan, "locked": locked, "memory": memory, "which": which}[sys.argv[1]](
    *sys.argv[2:]
)
