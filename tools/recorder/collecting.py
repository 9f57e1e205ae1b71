"""Clips from a board or a card into a folder on the laptop, each checked before it counts.

From a board, a cut of cable or power leaves:
  before the offer      nothing
  while files come      whole clips in the folder, the rest still queued on the board
  before the mark       clips in the folder that the board may also send itself: key and body
                        were frozen by the offer, so both meet the same recording
  after the mark        parked(collected) on the board, until a receipt or a requeue
"""

import asyncio
import dataclasses
import json
import pathlib
import time

from device import codec
from device.api import dialect
from device.store import paths
from device.store.clip import ASIDE, CLOSED, DONE, OPEN
from device.store.clip import Clip as CardClip
from device.transfer.source import ClipSource
from tools.recorder.collected import has_clip, keep
from tools.recorder.errors import ToolError, UsageError
from tools.recorder.port import COPY_BYTES_PER_S, Board

_OFFER_LIMIT_S = 1800.0  # every byte of the backlog is hashed on the board
_HOLD_AGAIN_S = 240.0  # the hold lasts ten minutes; a long pull winds it up in between


@dataclasses.dataclass
class Pulled:
    """new, known: clip numbers; left: number -> why it was left where it is."""

    device: str = ""
    new: list[int] = dataclasses.field(default_factory=list)
    known: list[int] = dataclasses.field(default_factory=list)
    left: dict[int, str] = dataclasses.field(default_factory=dict)

    def document(self) -> dict:
        return dataclasses.asdict(self)


def pull_board(
    board: Board, device: str, folder: pathlib.Path, numbers=None, again=False, say=lambda t: None
) -> Pulled:
    """Every clip that still has to be sent, into folder; the board keeps its own until a receipt.

    numbers: only these. again: also those that were collected before (by a laptop that is lost).
    """
    pulled = Pulled(device)
    offers: list[dict] = []

    def came(message: dict) -> None:
        if "offer" in message:
            offers.append(message["offer"])
        if "left" in message:
            pulled.left[message["left"]["n"]] = message["left"]["why"]

    asked = {"do": "offer", "device": device, "numbers": numbers, "again": again}
    answer = board.call("collect", asked, _OFFER_LIMIT_S, came)
    owner = {"device": device, "store_id": answer["store_id"], "epoch_now": answer["epoch"]}
    folder.mkdir(parents=True, exist_ok=True)
    held_s = time.monotonic()
    for offer in offers:
        facts = offer | owner
        path, header = facts.pop("path"), bytes.fromhex(facts.pop("header"))
        if not facts.pop("intact"):
            pulled.left[facts["n"]] = "damaged"
            continue
        if has_clip(folder, facts):
            pulled.known.append(facts["n"])
            continue
        if time.monotonic() - held_s > _HOLD_AGAIN_S:
            board.hold()
            held_s = time.monotonic()
        say(f"clip {facts['n']}: {facts['bytes']} bytes")
        stored = board.get(path, 60 + facts["bytes"] / COPY_BYTES_PER_S)
        keep(folder, facts, header + stored[len(header) : facts["bytes"]])
        pulled.new.append(facts["n"])
    here = pulled.new + pulled.known
    if here:
        marked = board.call("collect", {"do": "mark", "device": device, "numbers": here}, 120)
        if marked["marked"] < len(here) and not again:
            say(f"{len(here) - marked['marked']} of them were marked before")
    return pulled


def pull_card(
    card: pathlib.Path, folder: pathlib.Path, device: str | None, store_id: str | None
) -> Pulled:
    """A card's clips into folder; nothing is written to the card.

    Key and body are what the recorder froze; where it had not, they are made as it would have
    made them. Whose clips they are the card says only through frozen bodies: else device and
    store_id must be given. Raises UsageError.
    """
    if not (card / "clips").is_dir():
        raise UsageError(f"{card} holds no folder `clips`: it is no recorder's card.")
    found = list(_card_clips(card))
    known_device, known_store = _identity(found)
    device, store_id = device or known_device, store_id or known_store
    if known_device and (device, store_id) != (known_device, known_store):
        raise UsageError(f"The card is of {known_device}, store {known_store}.")
    if not device or not store_id:
        raise UsageError(
            "The card does not say whose it is: give --device SERIAL and --store-id (eight hex "
            "digits; `recorder list --json` shows it while the board lives, else choose one)."
        )
    pulled = Pulled(device)
    for clip in found:
        try:
            facts, audio = _read(clip, device, store_id)
        except ToolError as error:
            pulled.left[clip.number] = str(error)
            continue
        if has_clip(folder, facts):
            pulled.known.append(clip.number)
        else:
            keep(folder, facts, audio)
            pulled.new.append(clip.number)
    return pulled


def _card_clips(card: pathlib.Path):
    number = 0
    while (number := paths.next_number(str(card), number) or 0) != 0:
        clip = CardClip(number, paths.stem(str(card), number))
        try:
            clip.load()
        except OSError:
            clip.record = None
        yield clip


def _identity(clips) -> tuple[str | None, str | None]:
    for clip in clips:
        key = _frozen(clip)[0]
        if key.startswith("rec-"):
            device, store_id, _ = key[4:].rsplit("-", 2)
            return device, store_id
    return None, None


def _frozen(clip: CardClip) -> tuple[str, str]:
    """(key, body), empty where the recorder had not frozen any."""
    try:
        key, _, body = pathlib.Path(clip.body_path).read_bytes().partition(b"\n")
        json.loads(body)
        return key.decode(), body.decode()
    except (OSError, ValueError):
        return "", ""


def _read(clip: CardClip, device: str, store_id: str) -> tuple[dict, bytes]:
    """(facts, audio) of a card's clip. Raises ToolError with why it cannot be taken."""
    record = clip.record
    if record is None:
        raise ToolError("record_unreadable")
    state = record.get("was", clip.state)
    if state in ASIDE:
        raise ToolError(record.get("why", state))
    if state == DONE:
        raise ToolError("done")
    try:
        stored = codec.format_of(record["codec"], record["hz"])
        if state == OPEN:
            _measure(clip, stored)
        source = ClipSource(clip, stored)
        source.rewind()
        audio = bytearray(source.length)
        view, offset = memoryview(audio), 0
        while offset < len(audio) and (n := source.readinto(view[offset:])):
            offset += n
        source.close()
    except (OSError, ValueError):
        raise ToolError("damaged") from None
    if not source.is_intact():
        raise ToolError("damaged")
    key, body = _frozen(clip)
    if state in (OPEN, CLOSED) or not key:
        start = record.get("start")
        key = f"rec-{device}-{store_id}-{clip.number}"
        body = dialect.create_body(clip, device, store_id, start).decode()
    facts = {"device": device, "store_id": store_id, "n": clip.number, "codec": record["codec"]}
    facts |= {"type": stored.content_type, "bytes": len(audio), "sha256": source.sha256_hex}
    facts |= {"key": key, "body": body, "rid": record.get("rid"), "state": state}
    return facts | {"epoch": record.get("epoch", 0), "epoch_now": None}, bytes(audio)


def _measure(clip: CardClip, stored) -> None:
    """What recovery would find of a clip that the power left open. Raises ToolError."""
    size = pathlib.Path(clip.audio_path).stat().st_size
    with open(clip.audio_path, "rb") as f:
        work = memoryview(bytearray(2304))
        good_bytes, samples, crc, facts = asyncio.run(stored.scan(f, size, work))
    if samples < clip.record["hz"] and clip.record["index"] == 0:
        raise ToolError("too_short")
    clip.record.update(bytes=good_bytes, samples=samples, crc=crc, facts=facts, cut=1, last=1)
