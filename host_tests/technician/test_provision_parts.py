"""The parts of a provisioning: what people hand over, minting, the commit that boot.py ends."""

import json

import pytest

from tools.cloud import Cloud
from tools.recorder import inputs, minting
from tools.recorder.errors import ToolError, UsageError

SSIDS = [
    "Café Zürich",
    " blanks at both ends ",
    'it\'s "quoted" \\ and {braced}',
    "x" * 32,
    "日本語のネット",
    "📻 studio",
    "a,b;c:d|e",
]


@pytest.mark.parametrize(
    "text",
    ["tok_abc\n", "tok_abc\r\n", "\ufefftok_abc", " tok_abc ", "Bearer tok_abc"],
)
def test_a_token_as_editors_leave_it_is_the_token(text):
    assert inputs.device_token(text).reveal() == "tok_abc"


@pytest.mark.parametrize("text", ["tok_abc\0", "tok\nabc", "", " \r\n", "tök", "sk_live_abc"])
def test_a_token_that_is_none_is_refused_and_not_shown(text):
    with pytest.raises(UsageError) as caught:
        inputs.device_token(text)
    assert "abc" not in str(caught.value) and "tök" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"log": {"level": "info"},}', "config.json"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"recording": {"mode": "button", "rate_hz": 160', "config.json"),
        (b"", "config.json"),
        (b'{"log": {"level": "info"}, "log": {"level": "debug"}}', "log"),
        (b"[]", "object"),
        (b'{"recording": {"rate_hz": "16000"}}', "recording.rate_hz"),
    ],
)
def test_settings_that_are_cut_or_wrong_are_refused_here(tmp_path, data, words):
    (tmp_path / "c.json").write_bytes(data)
    with pytest.raises(UsageError, match=words):
        inputs.make_config(str(tmp_path / "c.json"), ["net"], None)


def test_bom_and_crlf_are_taken_and_the_networks_go_in(tmp_path):
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{\r\n"log": {"level": "debug"}\r\n}\r\n')
    made = json.loads(inputs.make_config(str(tmp_path / "c.json"), SSIDS, "internet"))
    assert made["log"] == {"level": "debug"}
    assert made["wifi"]["networks"] == SSIDS
    assert made["cellular"]["apn"] == "internet"


@pytest.mark.parametrize(
    "entry",
    [
        {"ssid": "x" * 33, "password": "long enough"},
        {"ssid": "", "password": "long enough"},
        {"ssid": "short", "password": "1234567"},
        {"ssid": "\ud800", "password": "long enough"},
        {"ssid": 5},
    ],
)
def test_a_network_that_no_radio_takes_is_refused_without_its_password(tmp_path, entry):
    (tmp_path / "w.json").write_text(json.dumps([entry]))
    with pytest.raises(UsageError) as caught:
        inputs.read_networks(str(tmp_path / "w.json"))
    assert "long enough" not in str(caught.value) and "1234567" not in str(caught.value)


def test_minting_registers_binds_and_keeps_what_the_board_has(tmp_path):
    with Cloud.start(tmp_path / "cloud") as cloud, cloud.operator() as operator:
        users = [operator.post("/end-users", json={"name": n}).json()["id"] for n in ("a", "b")]
        first = minting.mint(operator, "REC-9", users[0], False, "")
        assert first.token.reveal().startswith("dtok_") and first.did == "bound"
        again = minting.mint(operator, "REC-9", users[0], True, first.bound_to)
        assert again.token is None
        lost = minting.mint(operator, "REC-9", users[0], False, "")
        assert lost.token != first.token
        with cloud.client(first.token.reveal()) as old:
            assert old.post("/devices/me/heartbeat", json={}).status_code == 401
        with cloud.client(lost.token.reveal()) as new:
            assert new.post("/devices/me/heartbeat", json={}).status_code == 200
        with pytest.raises(ToolError, match="--rebind"):
            minting.mint(operator, "REC-9", users[1], True, lost.bound_to)
