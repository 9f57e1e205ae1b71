"""The worker that turns recordings into words, offline, where the extra `pocketsphinx` is there.

Without it every transcription ends honestly as failed with processing_error, and says what is
missing. One thread, one recording at a time; what a stopped cloud left unfinished is taken up at
the next start. Audio is recognised utterance by utterance, so that a long recording needs no more
memory than its samples, and a stopping cloud waits for one utterance at most.
"""

import importlib.util
import io
import queue
import threading
from collections.abc import Iterator

import numpy
import soundfile
import soxr

from tools.cloud.api.values import now_iso
from tools.cloud.db import Database
from tools.cloud.storage import ObjectStore

_RATE_HZ = 16_000  # what the English model was trained with
_SHORTEST_S = 1.0
_NOT_INSTALLED = "Speech recognition is not installed here: `make asr` adds it."


class Failure(Exception):
    """Why a recording has no text: a documented code and a sentence."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """The cloud stops; the transcription stays unfinished."""


class Transcriber:
    def __init__(self, db: Database, store: ObjectStore, follows_recording: bool):
        """`follows_recording`: the recording's own status ends with its transcription (d1, d2)."""
        self._db = db
        self._store = store
        self._follows_recording = follows_recording
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="transcriber", daemon=True)

    def start(self) -> None:
        unfinished = "SELECT id FROM transcriptions WHERE status IN ('pending', 'processing')"
        for row in self._db.all(unfinished):
            self._waiting.put(row["id"])
        self._thread.start()

    def stop(self) -> None:
        """End after the present utterance; what is unfinished is left for the next start."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join()

    def submit(self, transcription_id: str) -> None:
        self._waiting.put(transcription_id)

    def _work(self) -> None:
        while not self._stopping.is_set():
            transcription_id = self._waiting.get()
            row = self._db.one("SELECT * FROM transcriptions WHERE id = ?", transcription_id)
            if row is None:
                continue  # the end, or its recording was deleted
            self._db.update("transcriptions", transcription_id, status="processing")
            try:
                text = self._recognise(row)
            except Stopped:
                return
            except Failure as failure:
                self._fail(row, failure.code, str(failure))
            except Exception as error:  # noqa: BLE001  one bad file must not end the worker
                self._fail(row, "processing_error", f"It failed: {type(error).__name__}.")
            else:
                self._finish(row, "completed", text=text)

    def _recognise(self, row: dict) -> str:
        utterances = recognise(b"".join(self._store.pieces(self._object_key(row))))
        words = []
        for utterance in utterances:
            if self._stopping.is_set():
                raise Stopped
            words.append(utterance)
        return " ".join(filter(None, words))

    def _object_key(self, row: dict) -> str:
        medium = self._db.one(
            "SELECT object_key FROM media WHERE recording_id = ? AND type = 'audio' "
            "AND sha256 IS NOT NULL ORDER BY rowid DESC",
            row["recording_id"],
        )
        if medium is None:
            raise Failure("audio_corrupt", "The recording has no audio.")
        return medium["object_key"]

    def _fail(self, row: dict, code: str, message: str) -> None:
        self._finish(row, "failed", error_code=code, error_message=message)

    def _finish(self, row: dict, status: str, **facts) -> None:
        now = now_iso()
        with self._db.transaction():
            self._db.update("transcriptions", row["id"], status=status, completed_at=now, **facts)
            if self._follows_recording:
                self._db.update("recordings", row["recording_id"], status=status, updated_at=now)


def is_available() -> bool:
    return importlib.util.find_spec("pocketsphinx") is not None


def recognise(audio: bytes) -> Iterator[str]:
    """The English words of each utterance in an audio file's bytes. Raises Failure."""
    samples = decode(audio)
    if not is_available():
        raise Failure("processing_error", _NOT_INSTALLED)
    import pocketsphinx

    decoder = pocketsphinx.Decoder(samprate=_RATE_HZ, loglevel="FATAL")
    segmenter = pocketsphinx.Segmenter(sample_rate=_RATE_HZ)
    for segment in segmenter.segment(io.BytesIO(samples.tobytes())):
        decoder.start_utt()
        decoder.process_raw(segment.pcm, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        yield hypothesis.hypstr if hypothesis else ""


def decode(audio: bytes) -> numpy.ndarray:
    """Mono 16-bit samples at 16 kHz. Raises Failure for what is no audio, or too short."""
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(audio), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        raise Failure("unsupported_format", "The file's format is not understood.") from None
    if len(samples) < _SHORTEST_S * rate_hz:
        raise Failure("audio_too_short", "The recording is shorter than one second.")
    mono = samples.mean(axis=1)
    if rate_hz != _RATE_HZ:
        mono = soxr.resample(mono, rate_hz, _RATE_HZ)
    return (numpy.clip(mono, -1.0, 1.0) * 32767).astype(numpy.int16)
