"""config.json: whatever it holds, the settings are complete and valid (field case B29, S14)."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device import config
from device.config_kept import load_settings
from device.config_table import MAX_CLIP_BYTES, ROWS
from device.errors import DeviceError
from device.store.slots import Slots
from device.transfer.cloud import Cloud
from host_tests.conftest import ROOT
from tools.sim.example import example_text

DEFAULTS = config.defaults()
INTS = [row for row in ROWS if row[1] == "int"]
CHOICES = [row for row in ROWS if row[1] == "choice"]


def tree_of(path, value):
    section, _, name = path.partition(".")
    return {section: {name: value}}


def load(tree):
    return config.load(json.dumps(tree).encode())


def assert_valid(settings):
    assert set(settings) == set(DEFAULTS)
    for path, kind, _, allowed, _, _ in ROWS:
        value = settings[path]
        if kind == "int":
            assert type(value) is int and value <= allowed[1]
            assert value >= allowed[0] or path == "recording.clip_length_s"
        elif kind == "cap":
            assert value is None or (type(value) is int and allowed[0] <= value <= allowed[1])
        elif kind == "choice":
            assert value in allowed and type(value) is type(allowed[0])
        elif kind in ("text", "origin", "plain"):
            assert isinstance(value, str) and allowed[0] <= len(value) <= allowed[1]
        elif kind == "bool":
            assert isinstance(value, bool)
        else:
            assert isinstance(value, list) and len(value) <= allowed[0]
    clip_bytes = 2 * settings["recording.rate_hz"] * settings["recording.clip_length_s"]
    assert clip_bytes <= MAX_CLIP_BYTES
    assert settings["upload.retry_cap_s"] >= settings["upload.retry_first_s"]


def test_defaults_are_allowed_and_no_file_is_no_fault():
    assert config.load(None) == (DEFAULTS, [])
    assert config.load(b"{}") == (DEFAULTS, [])
    assert_valid(DEFAULTS)
    tree = {}
    for path, value in DEFAULTS.items():
        section, _, name = path.partition(".")
        tree.setdefault(section, {})[name] = value
    assert load(tree) == (DEFAULTS, [])


def test_comments_inside_a_section_are_for_people_too():
    assert load({"log": {"_level": "what the console shows"}}) == (DEFAULTS, [])


@pytest.mark.parametrize("row", INTS, ids=[row[0] for row in INTS])
def test_limits_of_whole_numbers(row):
    path, _, default, (low, high), _, _ = row
    for value in (low, high):
        settings, faults = load(tree_of(path, value))
        about_it = [fault for fault in faults if fault.startswith(path)]
        if path not in ("recording.clip_length_s", "upload.retry_cap_s"):
            assert (settings[path], about_it) == (value, [])
    for value in (low - 1, high + 1, str(default), float(default), True, None, [default], 10**30):
        settings, faults = load(tree_of(path, value))
        assert settings[path] == default and len(faults) == 1
        assert faults[0].startswith(path + ": ") and json.dumps(value)[:30] in faults[0]
        assert "%d to %d" % (low, high) in faults[0]


@pytest.mark.parametrize("row", CHOICES, ids=[row[0] for row in CHOICES])
def test_choices(row):
    path, _, default, allowed, _, _ = row
    for value in allowed:
        settings, _ = load(tree_of(path, value))
        assert settings[path] == value
    for value in ("other", "", 7, None, True, [default], {}, str(default) + " "):
        settings, faults = load(tree_of(path, value))
        assert settings[path] == default
        if value != {}:
            assert len(faults) == 1 and "one of " in faults[0]


@pytest.mark.parametrize("path", [row[0] for row in CHOICES if isinstance(row[2], int)])
def test_a_choice_has_the_type_of_its_choices(path):
    settings, _ = load(tree_of(path, float(DEFAULTS[path])))
    assert_valid(settings)


def test_network_names():
    names = ["a", "\u00e4" * 16, "b" * 32]
    assert load({"wifi": {"networks": names}})[0]["wifi.networks"] == names
    for bad in ("home", [""], ["b" * 33], ["\u00e4" * 17], [7], ["a"] * 9, [["a"]], {"a": 1}):
        settings, faults = load({"wifi": {"networks": bad}})
        assert settings["wifi.networks"] == [] and len(faults) == 1


def test_an_apn_cannot_end_the_text_it_stands_in():
    for good in ("internet", "iot.1nce.net", "m2m-data", "web.vodafone.de", ""):
        assert load(tree_of("cellular.apn", good)) == ({**DEFAULTS, "cellular.apn": good}, [])
    for bad in ('a"', 'x",1;+CFUN=0', "a b", "a\r", "\u212a", "a,b", "a" * 64, None, 7):
        settings, faults = load(tree_of("cellular.apn", bad))
        assert settings["cellular.apn"] == "" and len(faults) == 1 and "0 to 63" in faults[0]


def test_windows():
    windows = ["08:00-12:30", "22:00-06:00", "00:00-24:00"]
    section = {"recording": {"mode": "schedule"}, "schedule": {"windows": windows}}
    settings, faults = load(section)
    assert (settings["schedule.windows"], faults) == (windows, [])
    for bad in ("08:00-12:30", ["8-12"], ["08:00-08:00"], [7], [None], ["08:00-12:30"] * 9):
        settings, faults = load({"schedule": {"windows": bad}})
        assert settings["schedule.windows"] == [] and len(faults) == 1
        assert '"08:00-12:30"' in faults[0]
    _, faults = load({"recording": {"mode": "schedule"}})
    assert faults == ["schedule.windows: empty, so recording.mode schedule never records"]


def test_a_board_has_limits_of_its_own_and_names_them():
    data = json.dumps({"activity": {"pre_roll_s": 8}}).encode()
    settings, faults = config.load(data, {"activity.pre_roll_s": 5})
    assert settings["activity.pre_roll_s"] == 5
    assert faults == ["activity.pre_roll_s: 8 is not allowed; this board takes at most 5"]
    assert config.load(data, {"activity.pre_roll_s": 8})[1] == []
    settings, faults = config.load(None, {"activity.pre_roll_s": 1})
    assert (settings["activity.pre_roll_s"], faults) == (1, []), "a default follows the board"


def test_all_faults_at_once_with_path_value_and_the_nearest_key():
    settings, faults = load(
        {
            "recording": {"mode": "always", "clip_lenght_s": 60},
            "upload": {"retry_first_s": "30", "max_connections": 3},
            "retry_cap_s": 60,
            "log": {"level": "debug"},
        }
    )
    assert len(faults) == 5
    assert settings["log.level"] == "debug", "the good ones are taken"
    assert 'recording.mode: "always" is not allowed; one of button, continuous' in faults[0]
    assert "did you mean recording.clip_length_s?" in faults[1]
    assert 'upload.retry_first_s: "30"' in faults[2] and "1 to 3600 s (default 30)" in faults[2]
    assert "max_connections: 3" in faults[3]
    assert "did you mean upload.retry_cap_s?" in faults[4]


def test_long_values_are_cut_in_the_fault():
    _, faults = load({"log": {"level": "x" * 3000}})
    assert len(faults[0]) < 150


def test_comments_are_for_people():
    assert load({"_comment": "hello", "_notes": {"a": 1}}) == (DEFAULTS, [])


@pytest.mark.parametrize(
    "rate_hz, most_s", [(8000, 1048), (16000, 524), (44100, 190), (48000, 174)]
)
def test_a_clip_is_at_most_16_mb(rate_hz, most_s):
    assert most_s == 16 * 1024 * 1024 // (2 * rate_hz)
    for length_s, is_fine in ((most_s, True), (most_s + 1, False)):
        settings, faults = load({"recording": {"rate_hz": rate_hz, "clip_length_s": length_s}})
        assert settings["recording.clip_length_s"] == most_s
        assert (faults == []) is is_fine
        if not is_fine:
            assert faults[0].startswith("recording.clip_length_s: %d is not" % length_s)


def test_live_upload_needs_chunks():
    settings, faults = load({"upload": {"live": True}})
    assert settings["upload.live"] is False
    assert faults == ["upload.live: needs upload.strategy chunks or auto, which is whole"]
    settings, faults = load({"upload": {"live": True, "strategy": "auto"}})
    assert settings["upload.live"] is True and faults == []


def test_the_cap_is_never_below_the_first_wait():
    settings, faults = load({"upload": {"retry_first_s": 3600, "retry_cap_s": 5}})
    assert settings["upload.retry_cap_s"] == 3600 and len(faults) == 1


GOOD = b'{"recording":{"mode":"continuous"},\n"upload":{"retry_first_s":40}}'


def test_bom_and_crlf_are_taken():
    for data in (b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD + b"\r\n\r\n"):
        settings, faults = config.load(data)
        assert (settings["upload.retry_first_s"], faults) == (40, [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        GOOD[:40],
        GOOD.replace(b"40}", b"40,}"),
        GOOD.replace(b"}}", b"},}"),
        GOOD.decode().encode("utf-16"),
        GOOD.decode().encode("utf-16-be"),
        b"\xff\xfe\x7b\x00",
        b"[]",
        b'["recording"]',
        b"null",
        b"7",
        b'"x"',
        GOOD + b"}",
        GOOD + GOOD,
        GOOD.replace(b"}}", b"]}"),
        GOOD.replace(b'"', b"'"),
        b'{"upload" {"retry_first_s":40}}',
        b'{"upload","x"}',
        b'{"upload":{"retry_first_s":40 "retry_cap_s":50}}',
        b'{"upload":{"retry_first_s":040}}',
        b"{" * 3000,
        GOOD + b" " * 13_000,
        bytes(100),
        b"\x80\x81",
    ],
)
def test_a_file_that_is_no_whole_json_object_changes_nothing_and_says_so(data):
    settings, faults = config.load(data)
    assert settings == DEFAULTS and len(faults) == 1 and faults[0].startswith("config.json: ")


def test_cut_at_every_byte():
    for cut in range(len(GOOD)):
        settings, faults = config.load(GOOD[:cut])
        assert settings == DEFAULTS and len(faults) == 1, cut


@given(st.binary(max_size=300))
@example(b'{"wifi":{"networks":["\xf0\x9f\x98\x80"]}}')
def test_any_bytes(data):
    settings, faults = config.load(data)
    assert_valid(settings)
    assert all(isinstance(fault, str) for fault in faults)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
SECTIONS = st.dictionaries(
    st.sampled_from(sorted({path.split(".")[0] for path in DEFAULTS}) + ["x"]),
    st.dictionaries(
        st.sampled_from(sorted({path.split(".")[1] for path in DEFAULTS}) + ["y"]),
        ANY.filter(lambda v: not isinstance(v, float)) | st.integers(0, 50_000),
        max_size=5,
    )
    | ANY,
    max_size=6,
)


@given(SECTIONS)
def test_any_tree(tree):
    settings, faults = load(tree)
    assert_valid(settings)
    assert all(isinstance(fault, str) for fault in faults)


def test_a_lone_surrogate_is_a_fault():
    settings, faults = config.load(b'{"wifi":{"networks":["\\ud800"]}}')
    assert settings == DEFAULTS and len(faults) == 1


@pytest.mark.parametrize(
    "url", ["http://api.example", "api.bota.dev", "https://", "ftp://h.example"]
)
def test_an_api_url_that_can_never_work_is_a_fault(url):
    settings, faults = load({"cloud": {"api_url": url}})
    try:
        Cloud(None, settings["cloud.api_url"], None, None)
    except DeviceError:
        raise AssertionError("the program cannot be built with it") from None
    assert len(faults) == 1


def test_the_table_is_let_go_of_after_reading(tmp_path):
    import sys

    settings, faults, _ = load_settings(GOOD, Slots("config1", str(tmp_path / "config")), {})
    assert settings["upload.retry_first_s"] == 40 and faults == []
    assert "device.config_table" not in sys.modules


def test_the_example_is_made_from_the_table_and_faultless():
    shipped = (ROOT / "config.example.json").read_bytes()
    assert shipped.decode() == example_text(), "run: python -m tools.sim.example"
    settings, faults = config.load(shipped)
    assert faults == [] and settings == config.defaults()


@pytest.mark.parametrize(
    "value, kept", [(None, None), (0, 0), (500, 500), (-1, None), ("5", None)]
)
def test_a_cap_is_a_number_or_null(value, kept):
    found, faults = load(tree_of("cellular.daily_mb", value))
    assert found["cellular.daily_mb"] == kept
    assert bool(faults) == (value in (-1, "5"))
