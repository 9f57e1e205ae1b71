"""Reads a bundle: one file, in constant memory, nothing of it believed before its signature.

    bytes   what
    8       magic, "BOTABND1"
    4       length of the head, big-endian
    384     signature (signature.py) of the SHA-256 over magic, length and head
    length  head: lines of JSON. The first is an object:
                {"kind", "version", "arch", "downgrade", "files", "bytes"}
            each other line is a file: [path, size, SHA-256], sorted by path, release.json last
    the rest: the files one behind the other, nothing between or after them

The head is read twice: hashed for the signature, then line by line. A card may lie the second
time, so the lines are hashed again as they are read, and `finish` compares; only then may what
was written count for anything.
"""

import hashlib
import json

from device import strict_json
from device.compat import const, hex_digest
from device.errors import DeviceError
from device.update import signature as signatures

MAGIC = b"BOTABND1"
RELEASE, ROOTS = "release", "roots"
LIST = "release.json"  # the release's own list of files: what makes its folder whole
ANY_ARCH = "any"
_HEAD_AT = const(396)  # 8 + 4 + 384
_MOST_HEAD_BYTES = const(65536)
_MOST_LINE_BYTES = const(400)
_MOST_FILES = const(500)
_MOST_FILE_BYTES = const(1 << 20)
_MOST_BYTES = const(4 << 20)
_MOST_PATH_CHARS = const(80)
_MOST_DEPTH = const(6)
_FOLDERS = ("device", "trust")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."


class BundleRefused(DeviceError):
    """This bundle is not installed; code is of reasons.UPDATE."""


class Bundle:
    """file: open for reading bytes; it may be put in later. work: a buffer that is lent.

    After verify(): kind, version (text), number, arch, may_go_back, files, body_bytes.
    """

    def __init__(self, file, work):
        self.file = file
        self.kind = self.version = ""
        self._work = work
        self._head_end = 0
        self._digest = b""

    def verify(self, keys):
        """Check the signature, then the first line. Raises BundleRefused: no_key, bad_bundle,
        bad_signature.
        """
        if not keys:
            raise BundleRefused("no_key", "trust/keys")
        begin = self._read(0, _HEAD_AT)
        if begin[:8] != MAGIC:
            raise BundleRefused("bad_bundle", "this is no bundle")
        length = int.from_bytes(begin[8:12], "big")
        if not 0 < length <= _MOST_HEAD_BYTES:
            raise BundleRefused("bad_bundle", "head of %d bytes" % length)
        self._head_end = _HEAD_AT + length
        total = hashlib.sha256(begin[:12])
        self._pass_over(length, total.update)
        self._digest = total.digest()
        signature = begin[12:]
        for modulus in keys:
            if signatures.is_signed(self._digest, signature, modulus):
                break
        else:
            raise BundleRefused("bad_signature", "no key of trust/keys signed it")
        self._first = begin[:12]
        self._begin()
        self._take_facts(self._line())

    def _take_facts(self, facts):
        if not isinstance(facts, dict):
            raise BundleRefused("bad_bundle", "no facts")
        try:
            self.number = number_of(facts["version"])
            self.kind = facts["kind"]
            self.version = facts["version"]
            self.arch = facts["arch"]
            self.may_go_back = facts.get("downgrade") is True
            self.files = facts["files"]
            self.body_bytes = facts["bytes"]
        except (KeyError, ValueError):
            raise BundleRefused("bad_bundle", "facts")
        counts = (self.files, self.body_bytes)
        is_counted = all([isinstance(n, int) and not isinstance(n, bool) for n in counts])
        if self.kind not in (RELEASE, ROOTS) or not isinstance(self.arch, str) or not is_counted:
            raise BundleRefused("bad_bundle", "facts")
        if not 0 < self.files <= _MOST_FILES or not 0 < self.body_bytes <= _MOST_BYTES:
            raise BundleRefused("bad_bundle", "%d files, %d bytes" % counts)

    def entries(self):
        """Yield (path, size in bytes, SHA-256 in hex) of each file, all of it checked. The caller
        may read bodies in between (copy). Raises BundleRefused.
        """
        self._begin()
        self._line()
        before, left, body = "", self.files, 0
        while left:
            path, size, digest = self._entry(self._line())
            left -= 1
            if not is_allowed(self.kind, path):
                raise BundleRefused("bad_bundle", "path %r" % path)
            # Sorted: so nothing comes twice, without a list of what came.
            if path <= before or (path == LIST) != (left == 0 and self.kind == RELEASE):
                raise BundleRefused("bad_bundle", "order at %s" % path)
            # release.json is last, wherever it would sort.
            before = "" if left == 1 and self.kind == RELEASE else path
            if not 0 <= size <= _MOST_FILE_BYTES or body + size > self.body_bytes:
                raise BundleRefused("bad_bundle", "size of %s" % path)
            self._body_at = self._head_end + body
            body += size
            yield path, size, digest
        if self._at != self._head_end or body != self.body_bytes:
            raise BundleRefused("bad_bundle", "its list does not fit")

    def copy(self, size, write):
        """Read the body of the entry in hand; write(piece) gets each piece, lent. Returns its
        SHA-256 in hex. Raises BundleRefused(bad_bundle) if the bundle ends early.
        """
        total = hashlib.sha256()
        self.file.seek(self._body_at)

        def take(piece):
            total.update(piece)
            if write is not None:
                write(piece)

        self._pass_over(size, take)
        return hex_digest(total.digest())

    def finish(self):
        """After all entries: the lines were those that are signed, and nothing follows the last
        body. Raises BundleRefused.
        """
        if self._again.digest() != self._digest:
            raise BundleRefused("bad_signature", "the list changed while it was read")
        self.file.seek(self._head_end + self.body_bytes)
        if self.file.read(1):
            raise BundleRefused("bad_bundle", "something follows its end")

    def _begin(self):
        self._at = _HEAD_AT
        self._again = hashlib.sha256(self._first)

    def _line(self):
        """The next line of the head, parsed."""
        self.file.seek(self._at)
        line = self.file.readline(min(_MOST_LINE_BYTES, self._head_end - self._at))
        if line[-1:] != b"\n":
            raise BundleRefused("bad_bundle", "a line of its head")
        self._at += len(line)
        self._again.update(line)
        try:
            if strict_json.fault(line):
                raise ValueError(line)
            return json.loads(line.decode())
        except (ValueError, UnicodeError, RuntimeError):
            raise BundleRefused("bad_bundle", "a line of its head")

    def _entry(self, value):
        if isinstance(value, list) and len(value) == 3:
            path, size, digest = value
            is_size = isinstance(size, int) and not isinstance(size, bool)
            if isinstance(path, str) and is_size and isinstance(digest, str) and len(digest) == 64:
                return path, size, digest
        raise BundleRefused("bad_bundle", "an entry")

    def _read(self, at, size):
        self.file.seek(at)
        data = self.file.read(size)
        if len(data) != size:
            raise BundleRefused("bad_bundle", "cut off after %d bytes" % len(data))
        return data

    def _pass_over(self, size, take):
        while size:
            piece = self._work[: min(size, len(self._work))]
            n = self.file.readinto(piece)
            if not n:
                raise BundleRefused("bad_bundle", "cut off")
            take(piece[:n])
            size -= n


def number_of(version):
    """The order of a version "1.2.3" as one number. Raises ValueError."""
    words = version.split(".") if isinstance(version, str) else ()
    if len(words) != 3:
        raise ValueError(version)
    number = 0
    for word in words:
        if not 1 <= len(word) <= 4 or not all(["0" <= letter <= "9" for letter in word]):
            raise ValueError(version)
        number = number * 10000 + int(word)
    return number


def is_allowed(kind, path):
    """True for a path that a bundle of this kind may bring: inside the release, nothing else."""
    if kind == ROOTS:
        return path == ROOTS
    if path == LIST:
        return True
    names = path.split("/")
    if len(path) > _MOST_PATH_CHARS or not 2 <= len(names) <= _MOST_DEPTH:
        return False
    if names[0] not in _FOLDERS:
        return False
    for name in names:
        if not name or name[0] == "." or not all([letter in _LETTERS for letter in name]):
            return False
    return True
