"""One clip from closed to done: create → URL → PUT → complete, resumable at each state.

The state is written before the step that depends on it, as device/transfer/whole_file.py has it,
so that either program goes on where the other one stopped.
"""

import hashlib
from binascii import crc32, hexlify

from rescue import cloud as api
from rescue import headers
from rescue.clips import CLOSED, COMPLETING, CREATED, CREATING, DONE, STORED
from rescue.ends import Aside, Fresh, Later

_BODY_BYTES = 2048
_POLL_MS = 2_000
_POLLS = 60
_MOST_TRIES = 3


class Upload:
    """cloud: Cloud; ids: (device id, store id); boots: the clock's table; rest(ms): waits."""

    def __init__(self, cloud, ids, boots, rest):
        self._cloud = cloud
        self._ids = ids
        self._boots = boots
        self._rest = rest

    def advance(self, clip):
        """Take clip to `done`, or raise Later, Aside, Somebody; OSError: the medium."""
        if clip.state == CLOSED:
            self._freeze(clip)
        if clip.state == CREATING:
            self._create(clip)
        while clip.state != DONE:
            if clip.state == CREATED:
                self._send(clip)
            if clip.state == STORED:
                clip.save(state=COMPLETING)
            self._complete(clip)

    def _freeze(self, clip):
        from rescue.body import create_body, start_of

        record = clip.record
        if file_size(clip.audio_path) < record["bytes"]:
            raise Aside("file_missing")
        if record["samples"] < record["hz"] and not record["index"]:
            raise Aside("too_short", "samples=%d" % record["samples"])
        start = start_of(record, self._boots)
        key = "rec-%s-%s-%d" % (self._ids + (clip.number,))
        frozen = key.encode() + b"\n" + create_body(record, *self._ids, start)
        with open(clip.body_path, "wb") as f:
            f.write(frozen)
            f.flush()
        clip.save(state=CREATING, body=crc32(frozen))

    def _create(self, clip):
        try:
            with open(clip.body_path, "rb") as f:
                frozen = f.read(_BODY_BYTES)
        except OSError:
            frozen = b""
        if crc32(frozen) != clip.record.get("body"):
            raise Aside("damaged", "create body")
        key, _, body = frozen.partition(b"\n")
        clip.save(state=CREATED, rid=self._cloud.create(body, key.decode()))

    def _send(self, clip):
        if not headers.fits(clip.record):
            raise Aside("damaged", "samples and bytes disagree")
        source = Source(clip)
        try:
            try:
                self._put(clip, source)
            except Fresh:
                self._put(clip, source)  # once more with a fresh URL, then everyone waits
        finally:
            source.close()
        if source.crc != clip.record["crc"]:
            raise Aside("damaged", "crc of the stored frames")
        clip.save(state=STORED, sha=source.sha256_hex())

    def _put(self, clip, source):
        content_type = headers.CONTENT_TYPES[clip.record["codec"]]
        url, given = self._cloud.upload_url(clip.record["rid"], content_type, source.length)
        self._cloud.put(url, given, source)

    def _complete(self, clip):
        record = clip.record
        for _ in range(_POLLS):
            outcome = self._cloud.complete(record["rid"], record["sha"])
            if outcome != api.PENDING:
                break
            self._rest(_POLL_MS)
        if outcome == api.PROOF:
            clip.save(state=DONE)
        elif outcome == api.PENDING:
            raise Later("verification_pending")
        elif outcome == api.INTEGRITY:
            tries = record.get("tries", 0) + 1
            if tries >= _MOST_TRIES:
                raise Aside("integrity_failure", "tries=%d" % tries)
            clip.save(state=CREATED, tries=tries)
        else:
            if record.get("late"):
                raise Aside("probably_uploaded")
            clip.save(late=1)
            raise Later("bad_answer", "complete refused, asked again later")


class Source:
    """The bytes that leave: the true header, then the stored frames, hashed on the way."""

    def __init__(self, clip):
        self.length = clip.record["bytes"]
        self._path = clip.audio_path
        self._header = headers.true_header(clip.record)
        self._f = None

    def begin(self):
        self.close()
        try:
            self._f = open(self._path, "rb")
            self._f.seek(len(self._header))
        except OSError as e:
            raise Aside("damaged", "open errno=%s" % e.errno)
        self._offset = self.crc = 0
        self._sha = hashlib.sha256()

    def read(self, out):
        """Fill out; returns how much of it. Raises Aside(damaged) where the file ends early."""
        if self._offset < len(self._header):
            n = min(len(out), len(self._header) - self._offset)
            out[:n] = self._header[self._offset : self._offset + n]
        else:
            try:
                n = self._f.readinto(out)
            except OSError as e:
                raise Aside("damaged", "read errno=%s" % e.errno)
            if not n:
                raise Aside("damaged", "file ended early")
            self.crc = crc32(out[:n], self.crc)
        self._sha.update(out[:n])
        self._offset += n
        return n

    def is_through(self):
        return self._offset == self.length

    def sha256_hex(self):
        return hexlify(self._sha.digest()).decode()

    def close(self):
        if self._f is not None:
            self._f.close()
            self._f = None


def file_size(path):
    """Bytes of the file at path, -1 if there is none."""
    import os

    try:
        return os.stat(path)[6]
    except OSError:
        return -1
