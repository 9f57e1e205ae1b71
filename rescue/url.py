"""Before created → stored: where the bytes of a clip go. Nothing of it is kept: a URL is a secret
and soon stale.
"""

import json

from rescue.api import is_plain
from rescue.ends import FRESH, LATER, End

_NEVER_TO_STORAGE = ("authorization", "cookie", "host", "content-length", "transfer-encoding")


def step(program, clip):
    """program.place becomes (url, head of the PUT: "PUT", "name: value", …). Raises End."""
    api, record = program.api, clip.record
    content_type = "audio/" + record["codec"]
    asked = {"content_type": content_type, "file_size_bytes": record["bytes"], "type": "audio"}
    path = "/recordings/%s/upload-url" % record["rid"]
    try:
        answer = api.post(path, json.dumps(asked).encode())
    except End as e:
        if e.detail[7:10] != "400":
            raise
        del asked["type"]  # the oldest generation does not know it
        answer = api.post(path, json.dumps(asked).encode())
    url, given = answer.get("upload_url"), answer.get("headers")
    if not is_plain(url):
        raise End(LATER, "bad_answer", "no upload_url")
    if not isinstance(given, dict):
        stated = answer.get("content_type")
        given = {"Content-Type": stated if is_plain(stated) else content_type}
    head = ["PUT"]
    for name in given:
        if name.lower() not in _NEVER_TO_STORAGE:
            if not is_plain(name) or ":" in name or not is_plain(given[name]):
                raise End(FRESH, "url_refused", "header that cannot be sent")
            head.append(name + ": " + given[name])
    program.place = (url, head)
