"""Work on a board's file system as scripts of bounded size: whatever runs on a board that may have
no application, and little heap.

A script holds some KiB of steps. mpremote's own `cp` asks the board for each 256 bytes, escaped
as a literal; here a step carries six times as much in base64, which is four times as quick over
a virtual port and sends half as many bytes over a slow cable.
"""

import base64

_SCRIPT_BYTES = 4096  # text that the board holds and compiles at once
_PIECE_BYTES = 1536  # of a file, in one step

_STEPS = """\
import binascii, json, os
def _d(path):
    try:
        os.mkdir(path)
    except OSError as e:
        if e.errno != 17:
            raise
def _r(path):
    try:
        os.remove(path)
    except OSError:
        try:
            os.rmdir(path)
        except OSError:
            pass
def _k(source, target):
    piece = memoryview(bytearray(1024))
    with open(source, "rb") as f, open(target, "wb") as g:
        while True:
            n = f.readinto(piece)
            if not n:
                break
            g.write(piece[:n])
def _n(path):
    global _f
    _f = open(path, "wb")
def _w(text):
    _f.write(binascii.a2b_base64(text))
def _c():
    _f.close()
def _p(done):
    print('@field {"progress": {"bytes": %d}}' % done)
"""

# Defines _hash(path): SHA-256 in hex, or None where there is no such file.
HASH = """\
import binascii, hashlib
def _hash(path):
    h = hashlib.sha256()
    piece = memoryview(bytearray(1024))
    try:
        with open(path, "rb") as f:
            while True:
                n = f.readinto(piece)
                if not n:
                    break
                h.update(piece[:n])
    except OSError:
        return None
    return binascii.hexlify(h.digest()).decode()
"""


class FileSteps:
    """Collects steps; scripts() packs them. Paths are absolute. A step that was done before, in a
    run that was cut, is done again without harm.
    """

    def __init__(self):
        self._steps: list[str] = []
        self.sent_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._steps)

    def folder(self, path: str) -> None:
        self._steps.append(f"_d({path!r})")

    def remove(self, path: str) -> None:
        """A file, or a folder that is empty by now; what is not there is no fault."""
        self._steps.append(f"_r({path!r})")

    def copy(self, source: str, target: str) -> None:
        """From one place of the board to another."""
        self._steps.append(f"_k({source!r}, {target!r})")

    def write(self, path: str, data: bytes) -> None:
        self._steps.append(f"_n({path!r})")
        for start in range(0, len(data), _PIECE_BYTES):
            piece = data[start : start + _PIECE_BYTES]
            self._steps.append(f'_w("{base64.b64encode(piece).decode()}")')
            self.sent_bytes += len(piece)
            self._steps.append(f"_p({self.sent_bytes})")
        self._steps.append("_c()")

    def scripts(self) -> list[str]:
        packed, lines, size = [_STEPS], [], 0
        for step in self._steps:
            if size + len(step) > _SCRIPT_BYTES and lines:
                packed.append("\n".join(lines) + "\n")
                lines, size = [], 0
            lines.append(step)
            size += len(step) + 1
        return [*packed, "\n".join(lines) + "\n"] if lines else packed
