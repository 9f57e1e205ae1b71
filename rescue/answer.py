"""The second half of a request (wire.py): the answer, as bytes that nobody has to believe."""

import select
import time

from rescue import const
from rescue.ends import LATER, End

_ANSWER_MS = const(60_000)  # the whole answer
_UNTOLD_BYTES = const(2048)  # where only the end of the connection tells
_MOST_BYTES = const(8192)  # of an answer
_KEPT = ("content-length", "content-type", "retry-after", "transfer-encoding")


def run(wire):
    """(status, headers that are read here, body) of the final answer. Raises End, OSError."""
    began = time.ticks_ms()
    status = 100
    while status < 200:
        words = _line(wire, began).split(" ", 2)
        if words[0][:7] != "HTTP/1." or len(words) < 2 or len(words[1]) != 3:
            raise End(LATER, "bad_answer", "not HTTP")
        status = number(words[1], 10)
        headers = {}
        line = _line(wire, began)
        while line:
            name, _, value = line.partition(":")
            name = name.lower()
            if name in headers:
                raise End(LATER, "bad_answer", "two of " + name)
            if name in _KEPT:
                headers[name] = value.strip()
            line = _line(wire, began)
    length = headers.get("content-length")
    is_chunked = "transfer-encoding" in headers
    body = b""
    while status not in (204, 304):
        size = _UNTOLD_BYTES
        if is_chunked:
            size = number(_line(wire, began).split(";")[0].strip(), 16)
        elif length is not None:
            size = number(length, 10)
        if len(body) + size > _MOST_BYTES:
            raise End(LATER, "bad_answer", "too long")
        part = bytearray(size)  # in one place from the start
        at = n = 0
        while at < size:
            n = _some(wire, memoryview(part)[at:], began)
            if not n:
                break
            at += n
        if is_chunked and size and at == size:
            body = body + part if body else part
            _line(wire, began)
        elif at == size or not is_chunked and length is None:
            return status, headers, body if is_chunked else part[:at] if at < size else part
        else:
            raise End(LATER, "connection_lost", "body")
    return status, headers, body


def _line(wire, began):
    """One line of the head or of chunks, as text."""
    wire.breathe()  # where lines come in a flood nothing else is waited for
    if time.ticks_diff(time.ticks_ms(), began) > _ANSWER_MS:
        raise End(LATER, "timeout", "answer")
    piece = wire.piece
    for i in range(len(piece)):
        if not _some(wire, piece[i : i + 1], began):
            raise End(LATER, "connection_lost", "head")
        if piece[i] == 10:
            try:
                return bytes(piece[:i]).decode().strip()
            except UnicodeError:
                raise End(LATER, "bad_answer", "head")
    raise End(LATER, "bad_answer", "line")


def _some(wire, out, began):
    """Read into out; how many bytes, 0 at the end. Raises End when the answer is late."""
    while True:
        n = wire.sock.readinto(out)
        if n is not None:
            return n
        left_ms = _ANSWER_MS - time.ticks_diff(time.ticks_ms(), began)
        wire.wait(select.POLLIN, left_ms, "answer")


def number(digits, base):
    """The number that digits are: int() alone would also take "-1" and "1_0"."""
    for letter in digits.lower():
        if letter not in "0123456789abcdef"[:base]:
            digits = ""
    if not 0 < len(digits) <= 8:
        raise End(LATER, "bad_answer", "a number")
    return int(digits, base)
