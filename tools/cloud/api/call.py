"""One call of the API, from bytes to bytes: who calls, what was sent, what is answered.

A handler is a plain function `handler(call) -> Answer`. It may block; it runs in a worker thread.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from tools.cloud.api.auth import Caller
from tools.cloud.api.errors import invalid
from tools.cloud.db import Database
from tools.cloud.storage import ObjectStore
from tools.cloud.switches import Switches

GENERATIONS = ("d1", "d2", "s")  # the copies of the documentation, oldest first

_Shape = TypeVar("_Shape")
_FIELD = re.compile(r"`\$\.([\w.\[\]]+)`")
_MISSING = re.compile(r"missing required field `(\w+)`")
_DEFAULT_LIMIT, _LARGEST_LIMIT = 25, 100
_LARGEST_OFFSET = 2**31


@dataclasses.dataclass(frozen=True)
class Services:
    """What handlers work with."""

    db: Database
    store: ObjectStore
    switches: Switches
    generation: str
    project: str
    transcribe: Callable[[str], None]  # takes a transcription's id, returns at once


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    value: Any = None  # None: no body


@dataclasses.dataclass(frozen=True)
class Operation:
    """A method on a path. `scope`: what an API key needs; `device`: device tokens may call it."""

    method: str
    path: str
    handler: Callable[["Call"], Answer]
    scope: str | None
    device: bool = False
    keyed: bool = False  # honours Idempotency-Key
    generations: tuple[str, ...] = GENERATIONS


@dataclasses.dataclass(frozen=True)
class Call:
    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def read(self, shape: type[_Shape]) -> _Shape:
        """The body as `shape` (an empty body counts as {}). ApiError 400 names a wrong field."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=shape)
        except msgspec.ValidationError as error:
            text = str(error)
            found = _FIELD.search(text) or _MISSING.search(text)
            raise invalid(text, found.group(1) if found else None) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise invalid("The body is not JSON.") from None

    def page(self) -> tuple[int, int]:
        """limit and offset of a list."""
        limit = self._number("limit", _DEFAULT_LIMIT, 1, _LARGEST_LIMIT)
        return limit, self._number("offset", 0, 0, _LARGEST_OFFSET)

    def list_answer(self, sql: str, values: list[Any], view: Callable[[dict], dict]) -> Answer:
        """A page of the rows that `sql` selects (without ORDER BY), newest first."""
        limit, offset = self.page()
        sql += " ORDER BY rowid DESC LIMIT ? OFFSET ?"
        rows = self.services.db.all(sql, *values, limit + 1, offset)
        shown = [view(row) for row in rows[:limit]]
        return Answer(200, {"data": shown, "has_more": len(rows) > limit})

    def _number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.query.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,10}", text) or not low <= int(text) <= high:
            raise invalid(f"{name} must be a whole number from {low} to {high}.", name)
        return int(text)
