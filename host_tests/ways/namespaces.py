"""Network namespaces of this process alone, and interfaces in them. Linux, as root.

A namespace has no name: it lives as long as its file descriptor is open. A thread enters it; the
sockets, TUN devices and processes that it makes there stay there, whoever uses them afterwards. So
nothing is left behind, and no tool is needed.
"""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A new one, with its loopback up. Raises OSError where that is not allowed."""

    def __init__(self):
        self._descriptor = _in_a_thread(self._make)
        self.run(set_up, "lo")

    @staticmethod
    def _make() -> int:
        _check(_libc.unshare(_CLONE_NEWNET), "a network namespace")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def run(self, work, *arguments):
        """What work(*arguments) returns or raises, called inside."""

        def inside():
            _check(_libc.setns(self._descriptor, _CLONE_NEWNET), "to enter a namespace")
            return work(*arguments)

        return _in_a_thread(inside)

    def close(self) -> None:
        os.close(self._descriptor)


def why_not() -> str | None:
    """Why this process may have no namespaces with TUN devices; None: it may."""
    if not hasattr(_libc, "unshare") or not os.path.exists("/dev/net/tun"):
        return "no Linux with /dev/net/tun"
    try:
        with contextlib.closing(Namespace()) as made:
            os.close(made.run(open_tun, "probe0", "10.77.0.1"))
    except OSError as error:
        return str(error)
    return None


def open_tun(name: str, address: str) -> int:
    """Make a TUN device in the namespace of this thread, /24 and up; the end where its packets
    come out and go in: a file descriptor that does not block.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
        for call, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            packed = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            _ask(call, struct.pack("16s16s8x", name.encode(), packed))
        set_up(name)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def set_up(name: str, is_up: bool = True) -> None:
    """`ip link set NAME up`, or down."""
    request = struct.pack("16sH22x", name.encode(), 0)
    (flags,) = struct.unpack("16xH22x", _ask(_SIOCGIFFLAGS, request))
    flags = flags | _IFF_UP if is_up else flags & ~_IFF_UP
    _ask(_SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags))


def counters(name: str) -> tuple[int, int]:
    """(bytes received, bytes sent) of an interface, as the kernel counts them."""
    with open("/proc/thread-self/net/dev") as table:
        for row in table:
            interface, _, numbers = row.partition(":")
            if interface.strip() == name:
                fields = numbers.split()
                return int(fields[0]), int(fields[8])
    raise KeyError(name)


def _ask(call: int, request: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, call, request)


def _check(outcome: int, what: str) -> None:
    if outcome:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _in_a_thread(work):
    """A thread of its own: what it entered ends with it."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()
