"""How the service behaves where the contract is silent, or where real services differ.

Every field may be changed while the cloud runs; reset() returns all of them to the start values.
"""

import dataclasses
import math
from typing import Literal


@dataclasses.dataclass
class Switches:
    """Plain data. What a field's values mean is written beside it."""

    url_life_s: int = 3600  # of upload and download URLs
    date_skew_s: int = 0  # added to the Date header of every answer, API and storage
    # bodies come in at most so fast, on each connection; 0: as fast as they are sent
    bytes_per_s: int = 0
    keep_alive_s: float = 75.0  # idle time after which a front closes a connection

    # upload-complete with a hash: this many 425 answers first. math.inf: for ever
    verification_polls: float = 0
    mismatch_answer: Literal["409", "200"] = "409"  # 200: the recording with integrity_failure
    complete_without_object: Literal["refuse", "accept"] = "refuse"  # accept: trusts blindly
    # a repeated complete with the same hash: 200 again, or refused as "not pending"
    repeated_complete_status: Literal[200, 400, 409] = 200
    # a repeated complete that states a size: the live service compares number with text
    repeated_size_conflicts: bool = True
    size_form: Literal["number", "text", "null"] = "number"  # file_size_bytes in recordings

    second_url: Literal["new_media", "same_object"] = "new_media"
    wrong_state_status: Literal[400, 409] = 409  # upload-url when the recording is not pending
    largest_file_bytes: int = 5 * 1024**3  # one S3 PUT; 413 above it

    # refused: create with `streaming` is a 400; no_route: chunks have no URL (404); no_url: an
    # answer that holds none
    chunk_flow: Literal["served", "refused", "no_route", "no_url"] = "served"
    stitching_polls: float = 0  # finalize answers `stitching` so often first. math.inf: for ever
    stitching_fails: bool = False
    repeated_finalize: Literal["same", "refused"] = "same"

    idempotency: Literal["honour", "ignore"] = "honour"
    idempotency_life_s: int = 24 * 3600
    idempotency_conflict_status: Literal[400, 409] = 409  # same key, other body

    rate_limits: bool = True
    rate_window_s: int = 60  # the documentation names a minute, and elsewhere a second
    rate_all: int = 100
    rate_upload_urls: int = 30
    rate_transcriptions: int = 10
    rate_retry_after: bool = False  # 429 carries Retry-After too

    # code: {"error":{"code":…}}, type: {"error":{"type":…}}, text: {"error":"…"}, none: no body
    error_form: Literal["code", "type", "text", "none"] = "code"
    heartbeat_extra: dict = dataclasses.field(default_factory=dict)  # unknown keys in its answer
    auto_transcribe: bool = False

    def __post_init__(self):
        self._start = dataclasses.asdict(self)

    def reset(self) -> None:
        """Every field as it was when the cloud started."""
        for name, value in self._start.items():
            setattr(self, name, dict(value) if isinstance(value, dict) else value)


FOREVER = math.inf
