"""What a person wants to know of a certificate: whose it is, and when it ends (RFC 5280, 4.1).

Reads just the way to these two fields of DER, and refuses what does not look like it.
"""

from device.compat import const, is_digits
from device.dates import days_from_civil

_SEQUENCE = const(0x30)
_VERSION = const(0xA0)
_UTC_TIME = const(0x17)
_GENERALIZED_TIME = const(0x18)
_COMMON_NAME = b"\x06\x03\x55\x04\x03"
_ORGANIZATIONAL_UNIT = b"\x06\x03\x55\x04\x0b"


def read(der):
    """(name, end as Unix seconds) of a certificate. Raises ValueError for anything else."""
    try:
        at, end = _into(der, 0, _SEQUENCE)
        at, end = _into(der, at, _SEQUENCE)
        if der[at] == _VERSION:
            at = _after(der, at)
        for _ in range(3):  # serial number, algorithm, issuer
            at = _after(der, at)
        validity, _ = _into(der, at, _SEQUENCE)
        ends_unix_s = _time(der, _after(der, validity))
        at = _after(der, at)
        return _name(der[at : _after(der, at)]), ends_unix_s
    except IndexError:
        raise ValueError("certificate")


def _size(der, at):
    """(first byte, end) of the content of the element at at."""
    length = der[at + 1]
    at += 2
    if length & 0x80:
        digits = length & 0x7F
        if not 1 <= digits <= 2:
            raise ValueError("length")
        length = int.from_bytes(der[at : at + digits], "big")
        at += digits
    if at + length > len(der):
        raise ValueError("cut off")
    return at, at + length


def _into(der, at, tag):
    if der[at] != tag:
        raise ValueError("tag")
    return _size(der, at)


def _after(der, at):
    return _size(der, at)[1]


def _time(der, at):
    tag = der[at]
    begin, end = _size(der, at)
    text = der[begin:end].decode()
    if tag == _UTC_TIME:  # two digits of the year: 50 and more are of the last century
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("time")
    if len(text) != 15 or text[14] != "Z" or not is_digits(text[:14]):
        raise ValueError("time")
    days = days_from_civil(int(text[:4]), int(text[4:6]), int(text[6:8]))
    return days * 86400 + int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:14])


def _name(subject):
    """The common name, or the last unit of what has none."""
    for kind in (_COMMON_NAME, _ORGANIZATIONAL_UNIT):
        at = subject.rfind(kind)
        if at >= 0:
            begin, end = _size(subject, at + len(kind))
            return bytes(subject[begin:end]).decode()
    return "?"
