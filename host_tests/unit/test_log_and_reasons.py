"""log, reasons, errors: repeats are counted, and every code that is raised is in the table."""

import ast
import pathlib

import fakes
import pytest

from device import log as log_module
from device import reason_words, reasons
from device.errors import (
    DeviceError,
    Fatal,
    NeedsOperator,
    Permanent,
    Transient,
    UrlRefused,
)
from device.hal.lights import CODES
from device.log import Log
from device.reasons import Reason, ends_when, is_reason
from device.supervisor import indicator

DEVICE = pathlib.Path(__file__).parents[2] / "device"
LANE, CLIP, RECORDER, UPDATE = (
    fakes.codes(table) for table in (reasons.LANE, reasons.CLIP, reasons.RECORDER, reasons.UPDATE)
)
KINDS = ("Transient", "UrlRefused", "SetUpFault", "Permanent", "NeedsOperator", "Fatal")


def make(level=log_module.INFO):
    lines = []
    return Log(lines.append, level), lines


def test_a_line_is_its_level_and_its_values():
    log, lines = make(log_module.DEBUG)
    log.debug("a n=%d", 1)
    log.info("b")
    log.warning("c %s %s", "x", None)
    log.error("d 100%")
    assert lines == ["D a n=1", "I b", "W c x None", "E d 100%"]


def test_levels_and_lazy_formatting():
    class Loud:
        def __str__(self):
            raise AssertionError("formatted though nobody shows it")

    log, lines = make(log_module.WARNING)
    log.info("a %s", Loud())
    log.debug("a %s", Loud())
    assert lines == []
    assert sorted(log_module.LEVEL_NAMES) == ["debug", "error", "info", "warning"]


def test_repeats_are_counted_not_written(time):
    log, lines = make()
    for _ in range(100):
        log.warning("the same n=%d", 1)
        time.advance(100)
    assert lines == ["W the same n=1"]
    log.info("another")
    assert lines[1:] == ["D ... the line before came 99 times more", "I another"]
    log.info("a third")
    assert lines[3:] == ["I a third"]


def test_a_repeat_is_written_again_after_a_minute(time):
    log, lines = make()
    for _ in range(7):
        log.warning("the same")
        time.advance(20_000)
    assert [line for line in lines if line.startswith("W")] == ["W the same"] * 3
    assert lines[1].endswith("2 times more")


def test_only_the_same_text_is_a_repeat(time):
    log, lines = make()
    for n in range(3):
        log.info("n=%d", n)
    assert len(lines) == 3


def test_a_reason_is_one_code_of_its_table_since_then(time):
    now = [1000]
    reason = Reason(reasons.LANE, "starting", lambda: now[0])
    now[0] = 6000
    reason.set("throttled", "status=429", again_up_ms=36_000)
    now[0] = 16_000
    reason.set("throttled", "status=429 again", again_up_ms=76_000)
    assert reason.as_dict() == {
        "code": "throttled",
        "since_s": 10,
        "ends_when": LANE["throttled"],
        "detail": "status=429 again",
        "again_in_s": 60,
    }
    now[0] = 90_000
    assert reason.as_dict()["again_in_s"] == 0
    reason.set("sending")
    assert set(reason.as_dict()) == {"code", "since_s", "ends_when"}
    assert reason.as_dict()["since_s"] == 0


def test_a_code_of_no_table_is_refused_and_the_old_one_stands():
    reason = Reason(reasons.RECORDER, "idle", lambda: 0)
    for code in ("throttled", "Idle", "", "new", "\n"):
        with pytest.raises(ValueError):
            reason.set(code)
        assert reason.code == "idle"


def test_every_code_is_a_short_word_and_says_what_would_end_it():
    for table in (LANE, CLIP, RECORDER, UPDATE):
        for code, words in table.items():
            assert code.replace("_", "").isalpha() and code.islower() and len(code) <= 24
            assert 10 < len(words) < 80
    for name in ("LANE", "CLIP", "RECORDER", "UPDATE"):
        table = getattr(reasons, name)
        lines = getattr(reason_words, name).strip().split("\n")
        assert [line.split(": ")[0] for line in lines] == table.split(), "the same in both files"
        for line in lines:
            code, words = line.split(": ", 1)
            assert is_reason(table, code) and ends_when(table, code) == words
        for other in ("", " ", "idle:", "dling", "end", table.strip(), None, 7, "throttled\n"):
            assert not is_reason(table, other), other


def calls(names):
    """(path:line, name of the call, its first arguments) for each call of these names."""
    for path in sorted(DEVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "id", None) or getattr(function, "attr", None)
                if name in names and node.args:
                    yield "%s:%d" % (path.relative_to(DEVICE), node.lineno), name, node


def constants(node):
    """Every text that an expression may give: "a", or "a" if x else "b"."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return set()


def test_every_code_that_is_raised_is_in_a_table():
    found = {}
    for place, name, node in calls(KINDS + ("BundleRefused", "DeviceError")):
        for code in constants(node.args[0]):
            found.setdefault((name, code), place)
    assert len(found) > 20
    for (name, code), place in found.items():
        if name == "Permanent":
            assert code in CLIP, place
        elif name == "BundleRefused":
            assert code in UPDATE, place
        elif name in ("Transient", "UrlRefused", "SetUpFault", "NeedsOperator"):
            assert code in LANE, place
        elif not place.startswith("field/"):  # a session's answers are for the laptop, not waits
            assert code in LANE or code in RECORDER or code in CLIP, (place, code)


def test_codes_that_come_from_tables_of_the_code_are_in_a_table():
    from device.hal.sockets import _CERTIFICATE_TEXTS
    from device.link.rules import CURABLE, IN_THE_WAY, UNSURE
    from device.link.wifi import REASONS
    from device.supervisor import heartbeat
    from device.transfer.aside import _PARKED_REASONS
    from device.transfer.lane import _INTERCEPTED, _LINK_CODES

    assert {code for _, code in _CERTIFICATE_TEXTS} | set(REASONS.values()) <= set(LANE)
    assert {*_LINK_CODES, *_INTERCEPTED, *CURABLE.split(), *IN_THE_WAY, *UNSURE} <= set(LANE)
    assert set(_PARKED_REASONS) <= set(CLIP)
    assert heartbeat._LINK_CODES == _LINK_CODES


def test_every_constant_that_is_shown_is_in_a_table():
    shown = 0
    tables = {"lane.py": LANE, "recorder.py": RECORDER, "whole_file.py": CLIP}
    for place, _, node in calls(("set", "_set_reason", "Reason")):
        table = tables.get(place.split("/")[-1].split(":")[0])
        for argument in node.args[:2]:
            for code in constants(argument) - {""}:
                if table is not None:
                    assert code in table, place
                    shown += 1
    assert shown >= 6
    for path in sorted(DEVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "why":
                for code in constants(node.value):
                    assert code in CLIP, path


def test_a_lane_that_hears_any_lane_code_can_show_it():
    reason = Reason(reasons.LANE, "starting", lambda: 0)
    for code in LANE:
        reason.set(code)


NEEDS_SOMEBODY = {
    "wifi_refused",
    "no_wifi_configured",
    "sim_absent",
    "sim_blocked",
    "sim_pin_needed",
    "sim_pin_wrong",
    "cellular_denied",
    "apn_refused",
    "no_token",
    "auth_refused",
    "tls_untrusted",
    "tls_wrong_name",
    "tls_dates",
    "config_refused",
    "storage_failed",
}


def test_the_light_tells_waiting_from_what_needs_somebody():
    classes = indicator._LINK + indicator._CLOUD + indicator._MOMENT
    assert len(set(classes)) == len(classes)
    rest = set(LANE) - set(classes) - {"nothing_to_send", "sending", "starting", "other_epoch"}
    rest.remove("battery_low")  # it has a light of its own
    assert rest == NEEDS_SOMEBODY
    assert {indicator.waiting_code(code) for code in LANE} <= set(CODES)


def test_the_page_about_the_light_shows_every_code_as_it_is():
    text = (DEVICE.parent / "docs" / "indicator.md").read_text()
    rows = [line.split("|")[1:5] for line in text.splitlines() if line.startswith("| `")]
    names = {0x00FF00: "green", 0x00FFFF: "cyan", 0xFF0000: "red", 0x0000FF: "blue"}
    names |= {0xFF8000: "orange", 0xFFFF00: "yellow", 0xFF00FF: "magenta", 0xFFFFFF: "white"}
    assert [row[0].strip(" `") for row in rows] == list(CODES)
    looks = set()
    for code, colour, look, words in rows:
        rgb, flashes, flash_ms, pause_ms = CODES[code.strip(" `")]
        assert names[rgb] == colour.strip() and len(words) > 10
        if not pause_ms:
            assert look.strip() == "on"
        elif flashes > 1 or "flash" in look:
            assert str(flashes) in look
        elif flash_ms < 100:
            assert f"every {pause_ms // 1000} s" in look
        looks.add((rgb, flashes, flash_ms, pause_ms))
    assert len(looks) == len(CODES), "no two look the same"


def test_the_taxonomy_says_who_can_act():
    assert issubclass(UrlRefused, Transient)
    for one in (Transient, Permanent, NeedsOperator, Fatal):
        assert issubclass(one, DeviceError) and not issubclass(one, OSError)
        for other in (Transient, Permanent, NeedsOperator, Fatal):
            assert one is other or not issubclass(one, other)


def test_errors_say_code_and_detail():
    assert str(Permanent("damaged")) == "damaged"
    assert str(Permanent("damaged", "crc")) == "damaged (crc)"
    assert Transient("throttled").retry_after_s is None
    assert Transient("throttled", "", 7).retry_after_s == 7
