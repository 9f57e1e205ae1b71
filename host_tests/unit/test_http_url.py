"""http.url: a pre-signed target goes out byte for byte as it came (field case B41)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.errors import UrlRefused
from device.http.url import split

QUERY = (
    "X-Amz-Credential=AK%2F20260301%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Security-Token="
    + "ab%2Bcd%2Fef%3Dgh" * 82
    + "&X-Amz-Signature=0f"
)
PATH = "/b/dev%207%2Fa%2Bb%40c.wav"


def test_target_is_what_followed_the_host():
    url = "https://127.0.0.1:8443" + PATH + "?" + QUERY
    assert len(QUERY) > 1400
    assert split(url) == (True, "127.0.0.1", 8443, "127.0.0.1:8443", PATH + "?" + QUERY)


@pytest.mark.parametrize(
    "url, host, port, authority, target",
    [
        ("https://127.0.0.1:9?X=1", "127.0.0.1", 9, "127.0.0.1:9", "/?X=1"),
        ("https://h.example", "h.example", 443, "h.example", "/"),
        ("https://h.example:443/a", "h.example", 443, "h.example", "/a"),
        ("HTTPS://h.example/a", "h.example", 443, "h.example", "/a"),
        (
            "https://h.example/a//b/../c?d=e?f/g",
            "h.example",
            443,
            "h.example",
            "/a//b/../c?d=e?f/g",
        ),
        ("https://h.example/a?u=x@y", "h.example", 443, "h.example", "/a?u=x@y"),
        ("https://h.example:65535/", "h.example", 65535, "h.example:65535", "/"),
    ],
)
def test_parts(url, host, port, authority, target):
    assert split(url) == (True, host, port, authority, target)


def test_the_connection_key_does_not_depend_on_letter_case():
    assert split("https://API.Example/a")[:3] == split("https://api.example/b")[:3]


def test_plain_http_only_where_it_is_allowed():
    with pytest.raises(UrlRefused):
        split("http://127.0.0.1:80/")
    assert split("http://127.0.0.1/x", allow_plain=True) == (False, "127.0.0.1", 80) + (
        "127.0.0.1",
        "/x",
    )


HOSTILE = [
    "",
    None,
    7,
    b"https://h/",
    "h.example/a",
    "https:/h.example/a",
    "ftp://h.example/a",
    "file:///etc/passwd",
    "https://",
    "https:///a",
    "https://h example/a",
    "https://h.example/a b",
    "https://h.example/a\nHost: other",
    "https://h.example/a\r\n",
    "https://h.example/\u00e4",
    "https://h.example/\x00",
    "https://user:secret@h.example/",
    "https://user@h.example/",
    "https://h.example/a#part",
    "https://h.example:0/",
    "https://h.example:65536/",
    "https://h.example:/",
    "https://h.example:1_0/",
    "https://h.example:-1/",
    "https://h.example:443:1/",
    "https://[::1]/",
    "https://h.example/" + "a" * 8192,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_unusable_urls_are_refused(url):
    with pytest.raises(UrlRefused) as refusal:
        split(url)
    assert refusal.value.code == "url_refused"
    assert "secret" not in str(refusal.value) and "example" not in str(refusal.value)


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=60
    ),
    st.integers(1, 65535),
)
def test_any_printable_target_is_kept(text, port):
    target = "/" + text
    is_tls, host, found, authority, kept = split("https://h.example:%d%s" % (port, target))
    assert (is_tls, host, found, kept) == (True, "h.example", port, target)
    assert authority == ("h.example" if port == 443 else "h.example:%d" % port)


@given(st.text(max_size=40))
def test_any_text_is_split_or_refused(text):
    try:
        _, host, port, authority, target = split("https://" + text)
    except UrlRefused:
        return
    assert host and 0 < port < 65536 and target.startswith("/")
    assert not set(authority + target) & set(" \r\n\t\x00")
