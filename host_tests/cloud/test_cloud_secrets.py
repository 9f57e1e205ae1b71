"""No token, key or signature is left in any log, file, process list or text of an object."""

import json
import pathlib

from tools.cloud.wirelog import redact


def test_nothing_secret_is_written_anywhere(tmp_path):
    from tools.cloud import Cloud

    with Cloud.start(tmp_path) as cloud:
        device_id, token = cloud.register_recorder("S-secret")
        with cloud.client(token) as api, cloud.client() as storage:
            # A careless recorder: its token where tokens do not belong.
            headers = {"Idempotency-Key": token}
            careless = {"name": token, "metadata": {token: [f"https://x.test/a?b={token}"]}}
            recording_id = api.post("/recordings", json={}, headers=headers).json()["id"]
            api.post(f"/recordings/{token}/upload-url", json=careless)
            wish = {"content_type": "audio/flac"}
            url = api.post(f"/recordings/{recording_id}/upload-url", json=wish).json()[
                "upload_url"
            ]
            storage.put(url, content=b"x", headers={"Content-Type": "audio/flac"})
            storage.put(url, content=b"x", headers={"Content-Type": "audio/wav"})
            fresh = api.post(f"/devices/{device_id}/token/refresh").json()["device_token"]
        signature = url.partition("X-Amz-Signature=")[2][:64]
        secrets = [token, fresh, cloud.operator_key, cloud.restricted_key(), signature]
        in_memory = repr([vars(cloud), cloud.log.requests, cloud.log.connections])
        command_lines = b"".join(
            path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
        )
    in_memory = in_memory.replace(cloud.operator_key, "", 1)  # its public attribute
    for secret in [s for s in secrets if s]:
        assert secret not in in_memory
        assert secret.encode() not in command_lines
        for path in tmp_path.rglob("*"):
            # The name column keeps what a caller puts there: that is the caller's data.
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
    assert len(signature) == 64


def test_the_file_of_the_log_has_one_json_line_per_record(tmp_path):
    from tools.cloud import Cloud

    with Cloud.start(tmp_path) as cloud:
        cloud.register_recorder("S-log")
        cloud.log.wait_for(lambda log: all(c.closed_by for c in log.connections))
        requests = cloud.log.requests
    lines = [json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines()]
    written = [line for line in lines if line["kind"] == "request"]
    assert [line["path"] for line in written] == [r.path for r in requests]
    assert all(line["credential"] == "api_key" for line in written)
    assert written[0]["body_json"] == {"serial_number": "S-log"}
    assert written[2]["answer_json"]["device_token"] == "dtok_(removed)"
    assert [line["closed_by"] for line in lines if line["kind"] == "connection"] == ["client"]


def test_what_the_log_tells_of_an_upload(cloud, recorder):
    recording_id = recorder.uploaded(b"sound")
    recorder.complete(recording_id, b"sound")
    create, wish, put, complete = cloud.log.requests[-4:]
    assert [r.route for r in (create, wish, put, complete)] == [
        "create",
        "upload_url",
        "put",
        "complete",
    ]
    assert put.origin == "storage" and put.credential == ""
    assert "authorization" not in put.header_names and not put.transfer_encoding
    assert put.body_bytes == 5 and put.body_sha256 == complete.body_json["content_sha256"]
    assert create.credential == "device_token" and create.answer_json["id"] == recording_id
    assert "?" not in put.path
    assert put.ended_s <= complete.began_s


def test_redaction_reaches_everything():
    value = {"dtok_abcdef": ["up_123456 and sk_test_99", "https://h/p?X-Amz-Signature=1"], "n": 5}
    assert redact(value) == {
        "dtok_(removed)": ["up_(removed) and sk_(removed)", "https://h/p?(removed)"],
        "n": 5,
    }
    assert redact("a rectangular up_ and task_force") == "a rectangular up_ and task_force"
