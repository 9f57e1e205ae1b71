"""Splitting a URL without changing one byte of it: a pre-signed target must arrive as it was
made.
"""

from device.compat import is_digits, is_graphic
from device.errors import UrlRefused

_DEFAULT_PORTS = {"https": 443, "http": 80}
_MAX_URL_CHARS = 8192


def split(url, allow_plain=False):
    """(is_tls, host, port, authority, target) of an absolute URL.

    authority is what the Host header carries (port only where it is not the default), target is
    byte for byte what followed the host. Plain http only where allow_plain says so.
    Raises UrlRefused for everything that cannot be used; the URL is never in the error.
    """
    if not isinstance(url, str) or not 0 < len(url) <= _MAX_URL_CHARS:
        raise UrlRefused("url_refused", "no text or too long")
    if not is_graphic(url):
        raise UrlRefused("url_refused", "blank, control or non-ASCII character")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise UrlRefused("url_refused", "scheme is not https")
    if scheme == "http" and not allow_plain:
        raise UrlRefused("url_refused", "scheme is not https")
    end = len(rest)
    for mark in "/?#":
        place = rest.find(mark)
        if 0 <= place < end:
            end = place
    authority, target = rest[:end], rest[end:]
    if "@" in authority or "#" in target:
        raise UrlRefused("url_refused", "user or fragment in it")
    host, port = _split_port(authority, _DEFAULT_PORTS[scheme])
    if not target.startswith("/"):
        target = "/" + target
    if port == _DEFAULT_PORTS[scheme]:
        authority = host
    return scheme == "https", host.lower(), port, authority, target


def _split_port(authority, default):
    host, colon, digits = authority.partition(":")
    if not host or ":" in digits or "[" in host:
        raise UrlRefused("url_refused", "no host name")
    if not colon:
        return host, default
    if not is_digits(digits) or len(digits) > 5 or not 0 < int(digits) < 65536:
        raise UrlRefused("url_refused", "port")
    return host, int(digits)
