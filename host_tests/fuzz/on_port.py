"""What an interpreter makes of answers: run on CPython and on the unix port, then compared.

argv: root of the project, file of inputs (a word and hex digits a line). Prints a line for each.
"""

import sys


def main(root, path):
    sys.path.insert(0, root)
    with open(path) as f:
        for line in f:
            word, digits = line.split(" ", 1)
            print(said(word, bytes.fromhex(digits.strip())))


def said(word, data):
    """The whole of what the product takes out of data, as one plain line."""
    if word == "json":
        from device import strict_json

        try:
            data.decode()
        except (ValueError, UnicodeError):
            return "no text"
        return strict_json.fault(data) or "taken"
    if word == "body":
        from device.http.response import Response

        response = Response(200, {})
        response.content = data
        return _read(response)
    return _framed(data)


def _framed(data):
    from device.errors import Transient
    from device.http.reader import Reader
    from device.http.response import read_response

    try:
        response = _drive(read_response(Reader(_Feed(data), bytearray(64)), 2048))
    except Transient as e:
        return str(e)
    if response is None:
        return "nothing"
    head = "%d %s %s" % (response.status_code, response.reusable, sorted(response.headers.items()))
    return head.encode().hex() + " " + bytes(response.content).hex() + " " + _read(response)


def _read(response):
    from device.api import chunks, dialect, verdict

    calls = (
        lambda: dialect.read_completed(response, "rec_1", "ab" * 32),
        lambda: chunks.read_finalized(response, "rec_1", 7),
        lambda: dialect.read_created(response),
        lambda: dialect.read_device(response),
        lambda: dialect.read_upload_url(response, "audio/wav"),
        lambda: dialect.error_code(response),
        lambda: verdict.raise_for_api(response, 1772366400),
        lambda: verdict.raise_for_storage(response, 1772366400),
        lambda: verdict.retry_after_s(response, 1772366400),
    )
    return " ".join([_told(call) for call in calls])


def _told(call):
    from device.errors import DeviceError

    try:
        value = call()
    except DeviceError as e:
        return "%s:%s" % (e.__class__.__name__, e.code)
    if isinstance(value, tuple):
        return "%d %s" % (len(value[1]), _letters(value[0]))
    return _letters(value) if isinstance(value, str) else str(value)


def _letters(text):
    """Lone surrogates too, which CPython does not encode."""
    return ".".join(["%x" % ord(letter) for letter in text])


class _Feed:
    def __init__(self, data):
        self._data = data
        self._at = 0

    async def readinto(self, out):
        part = self._data[self._at : self._at + len(out)]
        out[: len(part)] = part
        self._at += len(part)
        return len(part)

    def has_input(self):
        return self._at < len(self._data)


def _drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as e:
        return e.value


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
