"""The proof: every clip on the device's list, in storage and at the cloud, sample for sample.

Nothing here asks the device's code how it went: hashes are made over what storage holds, samples
are decoded by libsndfile and compared with what the microphone handed over (truth.pcm): equal, or
where the clip is near-lossless no further from it than it says. The flash is looked at with the
power off.
"""

import dataclasses
import hashlib
import pathlib
import re

import numpy as np
from rich import box
from rich.table import Table

from tools.sim.audio import AudioError, decode

_DELIVERED = re.compile(r"clip delivered clip=(\d+) recording=(\S+) sha256=([0-9a-f]{64})")

_EQUAL_DB = 200  # what has no noise at all


@dataclasses.dataclass
class ClipProof:
    """One clip; faults: what does not hold, empty if all does."""

    number: int
    take: int
    index: int
    is_last: bool
    first_sample: int
    samples: np.ndarray
    rate_hz: int
    size_bytes: int
    recording: str
    sha256: str
    faults: list[str]
    promised_snr_db: int = 0  # 0: lossless
    snr_db: float = float("inf")
    chunks: int = 0  # 0: it came as a whole file

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate_hz


def delivered(serial: str) -> dict[int, tuple[str, str]]:
    """Clip number -> (recording id, SHA-256) as the device's own log says."""
    return {int(n): (rid, sha) for n, rid, sha in _DELIVERED.findall(serial)}


def collect(cloud, serial: str) -> list[ClipProof]:
    """Check every recording of the cloud against the device's log; ordered by clip number."""
    said = {rid: (number, sha) for number, (rid, sha) in delivered(serial).items()}
    proofs = []
    with cloud.operator() as operator:
        recordings = list_recordings(operator)
        given_up = {recording["metadata"].get("replaces_recording") for recording in recordings}
        for recording in recordings:
            if recording["status"] in ("pending", "streaming") or recording["id"] in given_up:
                continue  # a create whose answer was lost, or chunks that came to nothing
            proofs.append(_check(cloud, recording, said.pop(recording["id"], None)))
    for rid, (number, sha) in said.items():
        lost = ClipProof(number, 0, 0, False, 0, np.zeros(0, "<i2"), 1, 0, rid, sha, [])
        lost.faults.append("the device calls it delivered, the cloud does not know it")
        proofs.append(lost)
    return sorted(proofs, key=lambda proof: proof.number)


def list_recordings(operator) -> list[dict]:
    """All recordings, oldest first (the API lists newest first, page by page)."""
    found: list[dict] = []
    while True:
        page = operator.get("/recordings", params={"limit": 100, "offset": len(found)})
        page.raise_for_status()
        found += page.json()["data"]
        if not page.json()["has_more"]:
            return found[::-1]


def _check(cloud, recording: dict, said: tuple[int, str] | None) -> ClipProof:
    metadata = recording["metadata"]
    data = cloud.object_bytes(recording["id"])
    sha256 = hashlib.sha256(data).hexdigest()
    faults = []
    if said is None:
        faults.append("the device does not know that it was delivered")
    elif said != (metadata["clip"], sha256):
        faults.append("hash on the device differs from the object in storage")
    chunks = cloud.chunk_keys(recording["id"])
    if chunks:
        faults += _check_chunks(cloud, recording["id"], data)
    elif "content_sha256" in recording:  # generations before S check it and do not show it
        if recording["content_sha256"] != sha256:
            faults.append("hash at the cloud differs from the object in storage")
        elif not recording.get("content_sha256_verified_at"):
            faults.append("the cloud did not verify the hash")
    try:
        samples, rate_hz = decode(data)
    except AudioError as error:
        samples, rate_hz = np.zeros(0, "<i2"), 1
        faults.append(str(error))
    # What goes while it is recorded declares its length at the end, in milliseconds.
    if "samples" not in metadata:
        if recording["duration_ms"] != len(samples) * 1000 // rate_hz:
            faults.append(
                f"{len(samples)} samples decoded, {recording['duration_ms']} ms declared"
            )
    elif len(samples) != metadata["samples"]:
        faults.append(f"{len(samples)} samples decoded, {metadata['samples']} declared")
    return ClipProof(
        metadata["clip"],
        metadata["take"],
        metadata["index"],
        metadata.get("last", False),
        metadata["first_sample"],
        samples,
        rate_hz,
        len(data),
        recording["id"],
        sha256,
        faults,
        metadata.get("snr_db", 0),
        chunks=len(chunks),
    )


def _check_chunks(cloud, rid: str, data: bytes) -> list[str]:
    """What finalize declared against the objects: every chunk there, their MD5 that of the
    recording.
    """
    said = [
        r.body_json
        for r in cloud.log.requests
        if r.route == "finalize" and f"/{rid}/" in r.path and r.answer_status == 200
    ]
    if len(said) < 2 or said[-1] != said[-2]:
        return ["finalize was not repeated with the same words"]
    faults = []
    if said[-1]["total_chunks"] != len(cloud.chunk_keys(rid)):
        faults.append("another number of chunks in storage than declared")
    if said[-1].get("checksum_md5") != hashlib.md5(data).hexdigest():
        faults.append("MD5 on the device differs from the object in storage")
    return faults


def compare_with_truth(proofs: list[ClipProof], truth: np.ndarray, may_miss: int = 0) -> int:
    """Lay the clips along what the microphone handed over; returns how many samples are missing.

    Clips must follow each other in order, each equal sample for sample. may_miss: the longest hole
    that is allowed before a clip (after a power cut), in samples; holes inside a take never are.
    """
    position = missing = 0
    for proof in proofs:
        samples = proof.samples
        reach = 0 if proof.index else may_miss
        if proof.promised_snr_db:
            at = _find_like(proof, truth, position, reach)
        else:
            at = _find(samples, truth, position, reach)
        if at is None:
            proof.faults.append("decoded audio differs from what the microphone handed over")
            position += len(samples)
            continue
        missing += at - position
        position = at + len(samples)
    return missing + len(truth) - position


def _find(samples: np.ndarray, truth: np.ndarray, start: int, reach: int) -> int | None:
    """The first place from start to start + reach where truth holds samples, or None."""
    size = len(samples)
    probe = samples[: min(size, 256)].tobytes()
    text = truth[start : start + reach + len(probe) // 2].tobytes()
    found = text.find(probe)
    while found >= 0:
        at = start + found // 2
        if found % 2 == 0 and np.array_equal(truth[at : at + size], samples):
            return at
        found = text.find(probe, found + 1)
    return None


def _find_like(proof: ClipProof, truth: np.ndarray, start: int, reach: int) -> int | None:
    """As _find, for near-lossless samples; sets proof.snr_db."""
    size = len(proof.samples)
    probe = min(size, 16000)
    at = start + _most_like(truth[start : start + reach + probe], proof.samples[:probe])
    proof.snr_db = snr_db(truth[at : at + size], proof.samples)
    return at if proof.snr_db >= proof.promised_snr_db else None


def _most_like(truth: np.ndarray, probe: np.ndarray) -> int:
    """The place in truth with the best signal-to-noise ratio; by FFT, for holes are long."""
    reach = len(truth) - len(probe)
    if reach <= 0:
        return 0
    size = len(truth) + len(probe)
    heard, found = truth.astype(np.float64), probe.astype(np.float64)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(found, size))
    alike = np.fft.irfft(product, size)[: reach + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    signal = energy[len(probe) :] - energy[: reach + 1]
    noise = np.maximum(signal - 2 * alike + (found**2).sum(), 1e-3)
    return int(np.argmax(signal / noise))


def snr_db(truth: np.ndarray, samples: np.ndarray) -> float:
    """Signal to noise in dB, of samples against as many of the truth; -inf for other lengths."""
    if len(truth) != len(samples):
        return float("-inf")
    signal = truth.astype(np.float64)
    noise = ((signal - samples) ** 2).sum()
    return 10 * np.log10(max((signal**2).sum(), 1) / noise) if noise else float("inf")


def flash_leftovers(folder: pathlib.Path) -> list[str]:
    """Files of clips that are still on the flash of a board without power."""
    image = folder / "flash.img"
    if not image.exists():
        root = folder / "flash" / "clips"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    from littlefs import LittleFS

    block_count = image.stat().st_size // 4096
    flash = LittleFS(block_size=4096, block_count=block_count, mount=False)
    flash.context.buffer[:] = image.read_bytes()
    flash.mount()
    return sorted(
        f"{folder_name}/{name}" for folder_name, _, names in flash.walk("/clips") for name in names
    )


def _judged(proof: ClipProof) -> str:
    if proof.faults:
        return "[red]faulty[/red]"
    return f"{proof.snr_db:.1f} dB" if proof.snr_db < _EQUAL_DB else "equal"


def rows(proofs: list[ClipProof]) -> list[dict]:
    """The table's facts as plain values, for the page."""
    return [
        {
            "clip": proof.number,
            "seconds": round(proof.seconds, 2),
            "bytes": proof.size_bytes,
            "recording": proof.recording,
            "sha256": proof.sha256,
            "audio": "faulty" if proof.faults else "equal" if proof.snr_db >= _EQUAL_DB
            else f"{proof.snr_db:.1f} dB",
            "faults": proof.faults,
        }
        for proof in proofs
    ]  # fmt: skip


def table(proofs: list[ClipProof]) -> Table:
    """The proof table, one row a clip."""
    view = Table(
        title="Proof, one row a clip",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="SHA-256: the same on the device, of the object in storage, and as the cloud "
        "verified it. Audio: decoded equals heard, sample for sample; or (near-lossless) the "
        "signal-to-noise ratio.",
    )
    in_chunks = [proof.chunks for proof in proofs if proof.chunks]
    if in_chunks:
        view.caption += f" {len(in_chunks)} clips came as {sum(in_chunks)} chunks."
    for name in ("clip", "take", "seconds", "bytes"):
        view.add_column(name, justify="right", no_wrap=True)
    view.add_column("recording", no_wrap=True)
    view.add_column("SHA-256", no_wrap=True)
    view.add_column("audio", no_wrap=True)
    for proof in proofs:
        view.add_row(
            str(proof.number),
            f"{proof.take}, part {proof.index + 1}{' end' if proof.is_last else ''}",
            f"{proof.seconds:.2f}",
            f"{proof.size_bytes}",
            proof.recording,
            proof.sha256[:6] + "…",
            _judged(proof),
        )
    return view
