"""Clips on the laptop: one folder a store, three files a clip, each with one writer.

    FOLDER/<device>-<store id>/00000012.wav            the audio as the cloud will get it
                               00000012.clip.json      what the clip is          (pull)
                               00000012.upload.json    recording id, state       (deliver)
                               00000012.receipt.json   the cloud's proof         (deliver)

clip.json is written last by pull, after audio whose SHA-256 was checked is synced: a clip without
it was not pulled. Writing is temp, sync, rename, sync the folder. Nothing here is a secret.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re

from tools.recorder.errors import ToolError, UsageError

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out there
    fcntl = None

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Clip:
    """One clip on the laptop; facts as pull wrote them."""

    def __init__(self, facts_path: pathlib.Path):
        self.facts = read_json(facts_path)
        self._stem = str(facts_path).removesuffix(".clip.json")
        for name in ("device", "store_id", "n", "codec", "type", "bytes", "sha256", "key", "body"):
            if name not in self.facts:
                raise ToolError(f"{facts_path} has no {name!r}: it was not written by pull.")

    def __str__(self) -> str:
        return f"{self.facts['device']} clip {self.facts['n']}"

    @property
    def audio(self) -> pathlib.Path:
        return pathlib.Path(f"{self._stem}.{self.facts['codec']}")

    @property
    def upload(self) -> dict:
        path = pathlib.Path(self._stem + ".upload.json")
        return read_json(path) if path.exists() else {"rid": self.facts.get("rid")}

    def save_upload(self, **upload) -> None:
        write_json(pathlib.Path(self._stem + ".upload.json"), upload)

    @property
    def receipt(self) -> dict | None:
        path = pathlib.Path(self._stem + ".receipt.json")
        return read_json(path) if path.exists() else None

    def save_receipt(self, rid: str) -> None:
        facts = {name: self.facts[name] for name in ("device", "store_id", "n", "bytes", "sha256")}
        write_json(pathlib.Path(self._stem + ".receipt.json"), facts | {"rid": rid})


def clips_in(folder: pathlib.Path, device: str | None = None) -> list[Clip]:
    """Every pulled clip below folder, by device, store and number."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. `recorder pull` makes one.")
    found = [Clip(path) for path in sorted(folder.glob("*/*.clip.json"))]
    return [clip for clip in found if device in (None, clip.facts["device"])]


def has_clip(folder: pathlib.Path, facts: dict) -> bool:
    """True if this very clip lies here, whole."""
    path = _stem(folder, facts).with_suffix(".clip.json")
    if not path.exists():
        return False
    clip = Clip(path)
    return clip.facts["sha256"] == facts["sha256"] and sha256_of(clip.audio) == facts["sha256"]


def keep(folder: pathlib.Path, facts: dict, audio: bytes) -> None:
    """Make a clip durable. Raises ToolError if audio is not what facts say."""
    if hashlib.sha256(audio).hexdigest() != facts["sha256"] or len(audio) != facts["bytes"]:
        raise ToolError(f"Clip {facts['n']} did not arrive whole; nothing was kept. Pull again.")
    stem = _stem(folder, facts)
    stem.parent.mkdir(parents=True, exist_ok=True)
    _write(stem.with_suffix("." + facts["codec"]), audio)
    write_json(stem.with_suffix(".clip.json"), facts)


def _stem(folder: pathlib.Path, facts: dict) -> pathlib.Path:
    for name in (facts["device"], facts["store_id"], facts["codec"]):
        # They become names of files here, and come from the other end of a cable.
        if not _NAME.fullmatch(str(name)) or str(name).startswith("."):
            raise ToolError("The board gives itself a name that no folder can have.")
    return folder / f"{facts['device']}-{facts['store_id']}" / f"{int(facts['n']):08d}"


@contextlib.contextmanager
def lock(folder: pathlib.Path):
    """One tool at a time works on a folder; the other is told, and does not wait."""
    with open(folder / ".lock", "w") as f:
        try:
            if fcntl:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ToolError(f"Another `recorder` works on {folder}. Wait for it to end.") from None
        try:
            yield
        finally:
            if fcntl:
                # Closing is not enough: a process that was just forked off has the file too.
                fcntl.flock(f, fcntl.LOCK_UN)


def sha256_of(path: pathlib.Path) -> str | None:
    try:
        with open(path, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError:
        return None


def read_json(path: pathlib.Path) -> dict:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} cannot be read ({type(error).__name__}). Pull again.") from None
    if not isinstance(value, dict):
        raise ToolError(f"{path} holds no object. Pull again.")
    return value


def write_json(path: pathlib.Path, value: dict) -> None:
    _write(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def _write(path: pathlib.Path, data: bytes) -> None:
    new = path.with_name(path.name + f".{os.getpid()}.new")
    with open(new, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(new, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
