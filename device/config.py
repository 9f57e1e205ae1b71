"""config.json: read, validated whole, all faults at once. A bad file never stops recording.

A fault says path, value read, what is allowed, and the nearest known key. Wrong settings are
replaced by their defaults one by one, and the status says so (reason config_refused).
"""

import json

_MAX_BYTES = 8192
_BOMS = (b"\xef\xbb\xbf",)


def defaults():
    """A dict of path -> default for every setting."""
    from device.config_table import ROWS

    return {row[0]: row[2] for row in ROWS}


def load(data):
    """(settings, faults) of the bytes of config.json (None: there is no file).

    settings: dict of path -> value, complete. faults: list of sentences, empty if all is well.
    """
    settings = defaults()
    if data is None:
        return settings, []
    tree, fault = _parse(data)
    if fault:
        return settings, [fault]
    return settings, validate(tree, settings)


def validate(tree, settings):
    """Put the valid values of tree into settings; returns the faults as sentences."""
    from device.config_table import MAX_CLIP_BYTES, ROWS

    rows = {row[0]: row for row in ROWS}
    faults = []
    for path, value in _flatten(tree):
        row = rows.get(path)
        if row is None:
            faults.append("%s: no such setting; did you mean %s?" % (path, nearest(path, rows)))
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
    if settings["upload.retry_cap_s"] < settings["upload.retry_first_s"]:
        faults.append("upload.retry_cap_s: must not be below upload.retry_first_s")
        settings["upload.retry_cap_s"] = settings["upload.retry_first_s"]
    return faults


def allowed_text(row):
    """What a setting allows, in words."""
    _, kind, default, allowed, unit, _ = row
    if kind == "int":
        words = "a whole number from %d to %d %s" % (allowed[0], allowed[1], unit)
    elif kind == "choice":
        words = "one of " + ", ".join(str(value) for value in allowed)
    elif kind == "text":
        words = "a text of %d to %d characters" % allowed
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
    # MicroPython's parser accepts trailing commas and wrong brackets: check what it is lenient on.
    fault = _strictness_fault(text)
    if fault:
        return None, "config.json: " + fault
    try:
        tree = json.loads(text)
    except (ValueError, RuntimeError):
        return None, "config.json: no valid JSON (cut off, or a missing quote or bracket?)"
    if not isinstance(tree, dict):
        return None, "config.json: must be an object in braces"
    return tree, None


def _strictness_fault(text):
    """What Python's parser refuses and MicroPython's does not, as a sentence, or None."""
    stack = []
    last = ""
    in_string = escaped = False
    for letter in text:
        if in_string:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                in_string = False
            continue
        if letter in " \t\r\n":
            continue
        if letter == '"':
            if last == '"':
                return "two values without a comma or colon between them"
            in_string = True
        elif letter in "{[":
            stack.append("}" if letter == "{" else "]")
        elif letter in "}]":
            if not stack or stack.pop() != letter:
                return "a bracket %s closes another kind" % letter
            if last == ",":
                return "a comma before %s" % letter
        last = letter
    if in_string or stack:
        return "it ends too early (cut off?)"
    return None


def _flatten(tree, prefix=""):
    for key in tree:
        value = tree[key]
        path = prefix + key
        if isinstance(value, dict):
            for found in _flatten(value, path + "."):
                yield found
        elif not path.startswith("_"):  # "_comment" keys are for people
            yield path, value


def _is_allowed(row, value):
    _, kind, _, allowed, _, _ = row
    if kind == "choice":
        return not isinstance(value, bool) and value in allowed
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return allowed[0] <= value <= allowed[1]
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "text":
        return isinstance(value, str) and allowed[0] <= len(value) <= allowed[1]
    if not isinstance(value, list) or len(value) > allowed[0]:
        return False
    for name in value:
        if not isinstance(name, str) or not 0 < len(name.encode()) <= allowed[1]:
            return False
    return True


def _shown(value):
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _common_prefix(a, b):
    n = 0
    while n < len(a) and n < len(b) and a[n] == b[n]:
        n += 1
    return n
