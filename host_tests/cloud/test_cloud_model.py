"""The cloud in memory that months run against (tools/torture) answers as the cloud itself does.

Histories of random requests, good and bad, go to both; status and error code of each answer must
agree. What an answer holds is compared where a recorder reads it.
"""

import hashlib
import json
import random

import pytest
from cloud_recorder import Recorder

from device.api.verdict import xml_code
from tools.torture.cloud_model import CloudModel

HISTORIES = 12
REQUESTS = 30
READ = ("status", "content_sha256", "file_size_bytes")  # of a recording, beside its id


class Both:
    """Sends each request to the cloud and to the model; ids are known by their place in a list."""

    def __init__(self, cloud, recorder: Recorder, seed: int, polls: int):
        self.recorder = recorder
        self.model = CloudModel(seed)
        self.model.tokens[recorder.token] = "dev_model"
        self.model.verification_polls = polls
        cloud.switches.verification_polls = cloud.switches.stitching_polls = polls
        self.recordings: list[tuple[str, str]] = [("rec_unknown", "rec_unknown")]
        self.urls: list[tuple[str, str, str]] = []  # at the cloud, at the model, content type
        self.said: list[str] = []

    def post(self, path, body: bytes, key: str | None = None, token: str | None = "own"):
        """path: a function of the recording id. Returns both answers as (status, value)."""
        headers = {"Content-Type": "application/json"}
        if key:  # keys are of the whole project: other tests use it too
            headers["Idempotency-Key"] = f"{self.recorder.serial_number}-{key}"
        real_path, model_path = path
        bearer = self.recorder.token if token == "own" else token
        asked = headers | {"Authorization": f"Bearer {bearer}"}
        real = self.recorder.storage.post(
            str(self.recorder.api.base_url).rstrip("/") + real_path, content=body, headers=asked
        )
        lower = {name.lower(): value for name, value in asked.items()}
        answer = self.model.api("POST", "/v1" + model_path, lower, body, 1000)
        value = real.json()
        code = value.get("error", {}).get("code", "") if real.status_code >= 400 else ""
        self.compare(real_path, (real.status_code, code), (answer.status, answer.code))
        return value, answer.value

    def compare(self, what, real, model):
        self.said.append(f"{what}: {real}")
        assert real == model, "\n".join([*self.said, f"the model says {model}"])

    def create(self, body: bytes, key: str | None):
        paths = ("/recordings", "/recordings")
        real, model = self.post(paths, body, key)
        if "id" in real:
            pair = (real["id"], model["id"])
            if pair not in self.recordings:
                self.recordings.append(pair)
            firsts = [first for first, _ in self.recordings]
            assert len(set(firsts)) == len(firsts), "one replayed a key, the other did not"

    def upload_url(self, number: int, body: bytes, content_type: str):
        ids = self.recordings[number]
        real, model = self.post([f"/recordings/{rid}/upload-url" for rid in ids], body)
        if "upload_url" in real:
            assert real["content_type"] == model["content_type"]
            self.urls.append((real["upload_url"], model["upload_url"], content_type))

    def put(self, number: int, data: bytes, content_type: str, is_bent: bool):
        real_url, model_url, _ = self.urls[number]
        if is_bent:
            real_url, model_url = bent(real_url), bent(model_url)
        real = self.recorder.put(real_url, data, content_type)
        target = "/" + model_url.split("/", 3)[3]
        answer = self.model.storage("PUT", target, {"content-type": content_type}, data, 1000)
        self.compare(
            "PUT",
            (real.status_code, xml_code(real.content) if real.status_code >= 400 else ""),
            (answer.status, xml_code(answer.content) if answer.status >= 400 else ""),
        )

    def chunk_url(self, number: int, chunk: int, content_type: str):
        paths = [f"/recordings/{rid}/chunks/{chunk}/upload-url" for rid in self.recordings[number]]
        real, model = self.post(paths, json.dumps({"content_type": content_type}).encode())
        if "upload_url" in real:
            self.urls.append((real["upload_url"], model["upload_url"], content_type))

    def finalize(self, number: int, body: bytes):
        ids = self.recordings[number]
        real, model = self.post([f"/recordings/{rid}/finalize" for rid in ids], body)
        if "chunks_received" in real:
            names = ("status", "chunks_received")
            assert [real[n] for n in names] == [model[n] for n in names], self.said
            assert (real["id"], model["id"]) == ids

    def complete(self, number: int, body: bytes):
        ids = self.recordings[number]
        real, model = self.post([f"/recordings/{rid}/upload-complete" for rid in ids], body)
        if "id" in real:
            found = {name: real.get(name) for name in READ}
            assert found == {name: model.get(name) for name in READ}, self.said


def bent(url: str) -> str:
    """The URL with its signature's last digit changed."""
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def one_request(draw: random.Random, both: Both) -> None:
    kinds = ("create", "url", "url", "put", "put", "complete", "complete", "beat")
    kind = draw.choice((*kinds, "chunk", "chunk", "finalize"))
    number = draw.randrange(len(both.recordings))
    if kind == "create":
        good = (b'{"metadata":{"clip":1}}', b"{}", b'{"streaming":true}')
        body = draw.choice((*good, b"[1]", b"no", b'{"metadata":7}'))
        both.create(body, draw.choice((None, "key-1", "key-2", "key-3")))
    elif kind == "url":
        content_type = draw.choice(("audio/flac", "audio/wav", "text/html"))
        wish = {"type": draw.choice(("audio", "audio", "smell")), "content_type": content_type}
        wish["file_size_bytes"] = draw.choice((40, 40, 0, -1, "many"))
        both.upload_url(number, json.dumps(wish).encode(), content_type)
    elif kind == "chunk":
        both.chunk_url(number, draw.choice((1, 1, 2, 3, 0)), draw.choice(("audio/flac", "x/y")))
    elif kind == "finalize":
        body = {"total_chunks": draw.choice((1, 1, 2, 0, "1")), "final_duration_ms": 5}
        data = draw.choice((b"a" * 40, b"b" * 40, None))
        if data is not None:
            body["checksum_md5"] = hashlib.md5(data).hexdigest()
        both.finalize(number, json.dumps(body).encode())
    elif kind == "put" and both.urls:
        url = draw.randrange(len(both.urls))
        data = draw.choice((b"a" * 40, b"b" * 40, b"short"))
        given = draw.choice((both.urls[url][2], both.urls[url][2], "audio/ogg"))
        both.put(url, data, given, draw.random() < 0.15)
    elif kind == "complete":
        right = hashlib.sha256(draw.choice((b"a" * 40, b"b" * 40))).hexdigest()
        said = draw.choice((right, right, right, None, "nonsense", 5))
        body = {} if said is None else {"content_sha256": said}
        both.complete(number, json.dumps(body).encode())
    else:
        token = draw.choice(("own", "own", "dtok_unknown"))
        path = ("/devices/me/heartbeat",) * 2
        both.post(path, draw.choice((b"{}", b'{"battery_percent":50}', b"[]")), token=token)


@pytest.mark.parametrize("seed", range(1, HISTORIES + 1))
def test_the_model_answers_as_the_cloud_does(cloud, recorder, seed):
    draw = random.Random(seed)
    both = Both(cloud, recorder, seed, polls=draw.choice((0, 0, 2)))
    both.create(b'{"metadata":{"clip":1}}', "key-1")
    both.create(b'{"streaming":true}', "key-0")
    for _ in range(REQUESTS):
        one_request(draw, both)
    assert len(both.said) > REQUESTS // 2
