# What the firmware of a virtual board does before its REPL: mounts the file system, runs boot.py
# and, after a hard reset, main.py. Run by tools/sim/serial.py with `micropython -i`.
import os
import sys

import machine as _builtin
import micropython
import vfs

_BLOCK_BYTES = 4096


class _Rtc:
    def datetime(self, value=None):
        import time

        t = time.localtime()
        return (t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0)


class _Machine:
    """The builtin module takes no attributes, and lacks what a board's has."""

    RTC = _Rtc

    def __getattr__(self, name):
        return getattr(_builtin, name)

    def reset(self):
        raise SystemExit(3)

    def soft_reset(self):
        raise SystemExit

    def unique_id(self):
        return os.getenv("RECORDER_UNIQUE_ID").encode()


class _Flash:
    """The board's own flash: a file of 4 KiB erase blocks."""

    def __init__(self, path):
        self._f = open(path, "r+b")
        self._f.seek(0, 2)
        self._blocks = self._f.tell() // _BLOCK_BYTES

    def readblocks(self, block, buf, offset=0):
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self._f.seek(block * _BLOCK_BYTES + offset)
        self._f.write(buf)
        self._f.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK_BYTES
        if operation == 6:
            return 0


class _Hardware:
    """The host's folder. VfsPosix with a root builds both paths of a rename in one buffer, so the
    second overwrites the first; relative to the process's folder they need none.
    """

    def __init__(self, folder):
        self._posix = vfs.VfsPosix(folder)

    def __getattr__(self, name):
        return getattr(self._posix, name)

    def rename(self, old, new):
        self._posix.rename(old.lstrip("/"), new.lstrip("/"))


def _mount():
    hardware = os.getenv("RECORDER_HARDWARE_HOST")
    vfs.umount("/")
    vfs.mount(_Hardware(hardware), "/hardware")
    flash = _Flash("/hardware/system.img")
    try:
        volume = vfs.VfsLfs2(flash)
    except OSError:  # a board fresh from `flash`: stock firmware makes the file system then
        vfs.VfsLfs2.mkfs(flash)
        volume = vfs.VfsLfs2(flash)
    vfs.mount(volume, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def _run(name):
    try:
        with open(name) as f:
            text = f.read()
    except OSError:
        return True
    try:
        exec(compile(text, name, "exec"), {"__name__": "__main__"})
    except KeyboardInterrupt:
        return False
    except SystemExit as e:
        if e.args and e.args[0]:
            # With -i a script cannot end the process. The host takes this signal for a reset.
            os.system("kill -TERM $PPID")
        return False
    except Exception as e:  # noqa: BLE001  as the firmware does: print it, and go on to the REPL
        sys.print_exception(e)
    return True


micropython.kbd_intr(-1)  # firmware cannot be interrupted while it mounts
sys.modules["machine"] = _Machine()
_mount()
try:
    micropython.kbd_intr(3)
    with open("/hardware/started", "w") as _f:
        _f.write("")
    if _run("boot.py") and os.getenv("RECORDER_RUNS_MAIN") == "1":
        _run("main.py")
except KeyboardInterrupt:  # one more, between two programs: a board is at its prompt then
    pass
