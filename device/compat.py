"""Every difference between MicroPython (board and unix port) and CPython, in one place.

Above this file nobody asks which interpreter runs. CPython ticks have the ESP32's period of 2**30
ms, so that a forgotten `ticks_diff` shows up in the host tests.
"""

import asyncio
import binascii
import gc
import os
import sys
import time

IS_MICROPYTHON = sys.implementation.name == "micropython"
_TICKS_PERIOD = 1 << 30
_ABSENT = (2, 20)  # ENOENT, ENOTDIR
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

if IS_MICROPYTHON:
    from asyncio import ThreadSafeFlag, sleep_ms, wait_for_ms
    from asyncio import core as _core
    from time import ticks_add, ticks_diff, ticks_ms

    from micropython import const

    mem_free_bytes = gc.mem_free

    def wait_readable(sock):
        """Wait until sock can be read (also at its end or error). A generator: await it."""
        yield _core._io_queue.queue_read(sock)

    def wait_writable(sock):
        """Wait until sock can be written. A generator: await it."""
        yield _core._io_queue.queue_write(sock)

    def list_dir(path):
        """Yield (name, is_folder) of each entry of a folder, without holding the list."""
        for entry in os.ilistdir(path):
            yield entry[0], entry[1] == 0x4000

    def sync_file(f):
        """Make what was written to f durable. On MicroPython flush is the sync."""
        f.flush()

    def is_digits(text):
        """True if text (str or bytes) is one or more of 0-9."""
        return text.isdigit()

    def sync_folder(path):
        """Nothing to do: the file systems of MicroPython commit names with the file."""

    def wake_waiters(sock):
        """Nothing to do: see below."""

    def short_traceback(error):
        """The traceback of error as one string, bounded by the caller."""
        import io

        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()

else:

    def const(value):
        return value

    def ticks_ms():
        return time.monotonic_ns() // 1_000_000 % _TICKS_PERIOD

    def ticks_add(ticks, delta_ms):
        return (ticks + delta_ms) % _TICKS_PERIOD

    def ticks_diff(later, earlier):
        half = _TICKS_PERIOD // 2
        return (later - earlier + half) % _TICKS_PERIOD - half

    def sleep_ms(duration_ms):
        return asyncio.sleep(duration_ms / 1000)

    def wait_for_ms(awaitable, limit_ms):
        return asyncio.wait_for(awaitable, limit_ms / 1000)

    def mem_free_bytes():
        return -1  # CPython has no heap limit to report

    _waiting = {}  # (descriptor, how it is let go of): future

    async def wait_readable(sock):
        await _wait_for_descriptor(sock, "add_reader", "remove_reader")

    async def wait_writable(sock):
        await _wait_for_descriptor(sock, "add_writer", "remove_writer")

    async def _wait_for_descriptor(sock, add, remove):
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        descriptor = sock.fileno()
        _waiting[(descriptor, remove)] = ready
        getattr(loop, add)(descriptor, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            if _waiting.get((descriptor, remove)) is ready:
                del _waiting[(descriptor, remove)]
                getattr(loop, remove)(descriptor)

    def wake_waiters(sock):
        """Before sock is closed: whoever waits for it goes on and meets the end. (MicroPython's
        poll tells by itself that a stream was closed.)
        """
        for remove in ("remove_reader", "remove_writer"):
            ready = _waiting.pop((sock.fileno(), remove), None)
            if ready is not None:
                getattr(ready.get_loop(), remove)(sock.fileno())
                if not ready.done():
                    ready.set_result(None)

    def list_dir(path):
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir()

    def is_digits(text):
        return text.isascii() and text.isdigit()  # CPython also takes digits of other scripts

    def sync_file(f):
        f.flush()
        os.fsync(f.fileno())

    def sync_folder(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def short_traceback(error):
        import traceback

        return "".join(traceback.format_exception(error))

    class ThreadSafeFlag:
        """One waiter; set() before wait() is remembered, as on MicroPython."""

        def __init__(self):
            self._event = asyncio.Event()

        def set(self):
            self._event.set()

        def clear(self):
            self._event.clear()

        async def wait(self):
            await self._event.wait()
            self._event.clear()


# What a bounded wait raises: asyncio.TimeoutError is an OSError on CPython 3.11+ only.
WAIT_ERRORS = (OSError, asyncio.TimeoutError)


def hex_digest(digest):
    """Lower-case hex text of digest bytes (MicroPython's hashlib has no hexdigest)."""
    return binascii.hexlify(digest).decode()


def forget_module(name):
    """Let go of a module that is needed no more, "package.module": its code leaves the heap."""
    package, _, short = name.rpartition(".")
    sys.modules.pop(name, None)
    if hasattr(sys.modules.get(package), short):
        delattr(sys.modules[package], short)


def is_made_of(text, letters):
    """True if text holds none but these letters. Going through it letter by letter would leave
    each of them as a name in MicroPython's RAM.
    """
    return not text.strip(letters)


def is_graphic(text, more=""):
    """True if text holds none but ASCII that can be seen, and `more`."""
    return not text.strip(LETTERS + _MARKS + more)


def file_size(path):
    """Size of the file at path in bytes, or -1 if there is none. Raises OSError if the medium
    does not say.
    """
    try:
        return os.stat(path)[6]
    except OSError as e:
        if e.errno not in _ABSENT:
            raise
        return -1
