"""openapi.yaml against the code: same operations, and answers as it says under random requests."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from tools.cloud import cloud as cloud_module
from tools.cloud.api.app import OPERATIONS
from tools.cloud.api.call import GENERATIONS

_DOCUMENT = pathlib.Path(cloud_module.__file__).with_name("openapi.yaml")
_METHODS = ("get", "put", "post", "delete", "patch")

_SETTINGS = """\
headers = { Authorization = "Bearer ${CLOUD_TEST_KEY}" }
[phases.stateful]
enabled = false
[checks]
# The schema cannot say which identifiers exist, nor in which state a recording is.
positive_data_acceptance.enabled = false
"""


def documented(generation):
    paths = yaml.safe_load(_DOCUMENT.read_text())["paths"]
    return {
        (method.upper(), path)
        for path, item in paths.items()
        for method, operation in item.items()
        if method in _METHODS and generation in operation.get("x-generations", GENERATIONS)
    }


@pytest.mark.parametrize("generation", GENERATIONS)
def test_document_and_code_name_the_same_operations(generation):
    served = {(o.method, o.path) for o in OPERATIONS if generation in o.generations}
    assert documented(generation) == served | {("GET", "/health")}


def test_random_requests_get_documented_answers(cloud, recorder, operator, tmp_path):
    pending, uploaded = recorder.create(), recorder.uploaded(b"sound" * 1000)
    streaming = recorder.streamed(b"sound", b"more")
    identifiers = {
        "POST /v1/recordings/{id}/upload-url": pending,
        "POST /v1/recordings/{id}/upload-complete": uploaded,
        "POST /v1/recordings/{id}/chunks/{number}/upload-url": streaming,
        "POST /v1/recordings/{id}/finalize": streaming,
        "GET /v1/recordings/{id}": uploaded,
        "GET /v1/recordings/{id}/download-url": uploaded,
        "GET /v1/devices/{id}": recorder.device_id,
        "GET /v1/devices/{id}/state": recorder.device_id,
        "POST /v1/devices/{id}/heartbeat": recorder.device_id,
    }
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(_SETTINGS + "".join(map(_operation, identifiers, identifiers.values())))
    host, port = cloud.plain_api_address
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [str(_document_of("s", tmp_path)), "--url", f"http://{host}:{port}"]
    command += ["--seed", "3", "--max-examples", "8", "--workers", "1", "--no-color"]
    command += ["--suppress-health-check", "too_slow"]  # of a busy host
    environment = {**os.environ, "CLOUD_TEST_KEY": cloud.operator_key}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    generated, passed = map(
        int, re.search(r"(\d+) generated, (\d+) passed", result.stdout).groups()
    )
    assert generated == passed > 300
    # The identifiers were used: some of all those heartbeats were good ones.
    device = operator.get(f"/devices/{recorder.device_id}").json()
    assert device["last_heartbeat_at"] is not None


def _operation(name, identifier):
    parameters = f'parameters = {{ "path.id" = "{identifier}" }}'
    return f'[[operations]]\ninclude-name = "{name}"\n{parameters}\n'


def _document_of(generation, folder):
    """The document cut down to the operations of one generation."""
    document = yaml.safe_load(_DOCUMENT.read_text())
    for path, item in list(document["paths"].items()):
        for method in set(item) & set(_METHODS):
            if (method.upper(), path) not in documented(generation):
                del item[method]
        if not set(item) & set(_METHODS):
            del document["paths"][path]
    target = folder / "openapi.yaml"
    target.write_text(yaml.safe_dump(document))
    return target
