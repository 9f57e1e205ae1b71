"""End users: the people recordings belong to."""

import json
from typing import Annotated, Any

import msgspec

from tools.cloud.api.call import Answer, Call
from tools.cloud.api.recordings import Metadata, check_metadata
from tools.cloud.api.values import new_id, now_iso

Text255 = Annotated[str, msgspec.Meta(max_length=255)]


class NewEndUser(msgspec.Struct):
    name: Text255 | None = None
    external_id: Text255 | None = None
    metadata: Metadata | None = None


def create(call: Call) -> Answer:
    new, db = call.read(NewEndUser), call.services.db
    row = {
        "id": new_id("eu"),
        "name": new.name,
        "external_id": new.external_id,
        "metadata": check_metadata(new.metadata),
        "created_at": now_iso(),
    }
    db.insert("end_users", **row)
    return Answer(201, view(row))


def list_all(call: Call) -> Answer:
    return call.list_answer("SELECT * FROM end_users", [], view)


def view(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "metadata": json.loads(row["metadata"])}
