"""One name per kind of request: the words that the wire log and the fault table share."""

import re

# The requests of a recorder, in the order of a clip's life. Faults can aim at each of them.
DEVICE_ROUTES = (
    "create",
    "upload_url",
    "chunk_url",
    "put",
    "complete",
    "finalize",
    "heartbeat",
    "refresh",
)

_ID = r"[^/]+"
_API_POSTS = (
    ("create", re.compile(r"/v1/recordings")),
    ("upload_url", re.compile(rf"/v1/recordings/{_ID}/upload-url")),
    ("chunk_url", re.compile(rf"/v1/recordings/{_ID}/chunks/{_ID}/upload-url")),
    ("complete", re.compile(rf"/v1/recordings/{_ID}/upload-complete")),
    ("finalize", re.compile(rf"/v1/recordings/{_ID}/finalize")),
    ("heartbeat", re.compile(rf"/v1/devices/{_ID}/heartbeat")),
    ("refresh", re.compile(rf"/v1/devices/{_ID}/token/refresh")),
)


def route_name(origin: str, method: str, path: str) -> str:
    """The name of a request: one of DEVICE_ROUTES, or "other". `path` has no query."""
    if origin == "storage":
        return "put" if method == "PUT" else "other"
    if method == "POST":
        for name, pattern in _API_POSTS:
            if pattern.fullmatch(path):
                return name
    return "other"
