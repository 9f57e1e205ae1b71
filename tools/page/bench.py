"""The bench: one recorder, its cloud, its room, and what it is equipped with."""

import dataclasses
from typing import Any

from tools.page.room import Room


@dataclasses.dataclass
class Bench:
    """room: None where the microphone hears a file. total_s: of the audio that the run plays."""

    cloud: Any
    board: Any
    device_id: str
    rate_hz: int
    clip_length_s: int
    total_s: float
    room: Room | None = None
    has_modem: bool = False
    has_cell: bool = False
