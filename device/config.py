"""config.json: read, validated whole, all faults at once. A bad file never stops recording.

A fault says path, value read, what is allowed, and the nearest known key. Wrong settings are
replaced by their defaults one by one, and the status says so (reason config_refused).
"""

import json

from device import strict_json
from device.errors import UrlRefused
from device.http.url import split

_MAX_BYTES = 12288
_BOMS = (b"\xef\xbb\xbf",)


def defaults():
    """A dict of path -> default for every setting."""
    from device.config_table import ROWS

    return {row[0]: row[2] for row in ROWS}


def load(data, limits=None):
    """(settings, faults) of the bytes of config.json (None: there is no file).

    limits: dict of path -> highest number that this board takes. settings: dict of path -> value,
    complete. faults: list of sentences, empty if all is well.
    """
    settings = defaults()
    faults = []
    if data is not None:
        tree, fault = _parse(data)
        faults = [fault] if fault else validate(tree, settings)
    return settings, faults + limit(settings, limits or {})


def limit(settings, limits):
    """Bring settings below a board's limits; returns the faults as sentences."""
    faults = []
    for path in limits:
        if settings[path] > limits[path]:
            if settings[path] != defaults()[path]:  # a default just follows the board
                faults.append(
                    "%s: %d is not allowed; this board takes at most %d"
                    % (path, settings[path], limits[path])
                )
            settings[path] = limits[path]
    return faults


def validate(tree, settings):
    """Put the valid values of tree into settings; returns the faults as sentences."""
    from device.config_table import MAX_CLIP_BYTES, ROWS

    rows = {row[0]: row for row in ROWS}
    faults = []
    for path, value in _flatten(tree):
        row = rows.get(path)
        if row is None:
            faults.append(
                "%s: no such setting; did you mean %s?" % (path[:60], nearest(path, rows))
            )
        elif _is_allowed(row, value):
            settings[path] = value
        else:
            faults.append("%s: %s is not allowed; %s" % (path, _shown(value), allowed_text(row)))
    clip_bytes = 2 * settings["recording.rate_hz"] * settings["recording.clip_length_s"]
    if clip_bytes > MAX_CLIP_BYTES:
        most_s = MAX_CLIP_BYTES // (2 * settings["recording.rate_hz"])
        faults.append(
            "recording.clip_length_s: %d is not allowed; at %d Hz at most %d s"
            % (settings["recording.clip_length_s"], settings["recording.rate_hz"], most_s)
        )
        settings["recording.clip_length_s"] = most_s
    if settings["recording.mode"] == "schedule" and not settings["schedule.windows"]:
        faults.append("schedule.windows: empty, so recording.mode schedule never records")
    if settings["upload.retry_cap_s"] < settings["upload.retry_first_s"]:
        faults.append("upload.retry_cap_s: must not be below upload.retry_first_s")
        settings["upload.retry_cap_s"] = settings["upload.retry_first_s"]
    if settings["upload.live"] and settings["upload.strategy"] == "whole":
        faults.append("upload.live: needs upload.strategy chunks or auto, which is whole")
        settings["upload.live"] = False
    return faults


def allowed_text(row):
    """What a setting allows, in words."""
    _, kind, default, allowed, unit, _ = row
    if kind == "int":
        words = "a whole number from %d to %d %s" % (allowed[0], allowed[1], unit)
    elif kind == "cap":
        words = "null (no limit), 0 (nothing at all) or a number up to %d %s" % (allowed[1], unit)
    elif kind == "choice":
        words = "one of " + ", ".join(str(value) for value in allowed)
    elif kind == "text":
        words = "a text of %d to %d characters" % allowed
    elif kind == "plain":
        words = "%d to %d letters, digits or . _ - @" % allowed
    elif kind == "origin":
        words = "https://host or https://host:port"
    elif kind == "windows":
        words = 'a list of at most %d windows like "08:00-12:30"' % allowed[0]
    elif kind == "names":
        words = "a list of at most %d texts of at most %d bytes" % allowed
    else:
        words = "true or false"
    return "%s (default %s)" % (words.rstrip(), json.dumps(default))


def nearest(path, known):
    """The known key that shares most with path: same last word first, then common letters."""
    best, best_score = "", -1
    last = path.rsplit(".", 1)[-1]
    for candidate in known:
        word = candidate.rsplit(".", 1)[-1]
        score = 100 if word == last else 0
        score += _common_prefix(candidate, path) + 2 * _common_prefix(word, last)
        score -= abs(len(candidate) - len(path))
        if score > best_score or not best:
            best, best_score = candidate, score
    return best


def _parse(data):
    if len(data) > _MAX_BYTES:
        return None, "config.json: %d bytes; at most %d" % (len(data), _MAX_BYTES)
    if data[:3] in _BOMS:
        data = data[3:]
    try:
        text = data.decode()
    except UnicodeError:
        return None, "config.json: not UTF-8; save it as UTF-8 text"
    fault = strict_json.fault(text)
    if fault:
        return None, "config.json: " + fault
    try:
        tree = json.loads(text)
    except ValueError:
        return None, "config.json: no valid JSON (an escape or a number that is none?)"
    if not isinstance(tree, dict):
        return None, "config.json: must be an object in braces"
    return tree, None


def _flatten(tree, prefix=""):
    for key in tree:
        value = tree[key]
        path = prefix + key
        if key.startswith("_"):
            continue  # "_comment" keys are for people
        if isinstance(value, dict):
            for found in _flatten(value, path + "."):
                yield found
        else:
            yield path, value


def _is_allowed(row, value):
    _, kind, _, allowed, _, _ = row
    if kind == "choice":
        return type(value) is type(allowed[0]) and value in allowed
    if kind == "cap" and value is None:
        return True
    if kind in ("int", "cap"):
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return allowed[0] <= value <= allowed[1]
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("text", "origin", "plain"):
        if not isinstance(value, str) or not allowed[0] <= len(value) <= allowed[1]:
            return False
        return kind == "text" or (_is_plain(value) if kind == "plain" else _is_origin(value))
    if not isinstance(value, list) or len(value) > allowed[0]:
        return False
    if kind == "windows":
        return _are_windows(value)
    for name in value:
        if not isinstance(name, str) or not 0 < _utf8_bytes(name) <= allowed[1]:
            return False
    return True


def _are_windows(texts):
    from device.capture import schedule

    try:
        for text in texts:
            if not isinstance(text, str):
                return False
            schedule.parse(text)
    except ValueError:
        return False
    return True


def _utf8_bytes(text):
    """Length of text in UTF-8; 0 for what has none (a lone surrogate)."""
    try:
        return len(text.encode())
    except UnicodeError:
        return 0


def _is_plain(text):
    """Nothing that could end a quoted text of an AT command (APNs: 3GPP TS 23.003, 9.1)."""
    for letter in text:
        if not ("a" <= letter <= "z" or "A" <= letter <= "Z" or "0" <= letter <= "9"):
            if letter not in "._-@":
                return False
    return True


def _is_origin(text):
    try:
        return split(text)[4] in ("/", "/v1", "/v1/")
    except UrlRefused:
        return False


def _shown(value):
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _common_prefix(a, b):
    n = 0
    while n < len(a) and n < len(b) and a[n] == b[n]:
        n += 1
    return n
