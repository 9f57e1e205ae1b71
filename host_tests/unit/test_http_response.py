"""http.reader and http.response: what is whole, and what only looks so (field cases B16, B31)."""

import asyncio

import fakes
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.errors import DeviceError, Transient
from device.http.reader import Reader
from device.http.response import Response, read_response

PIECES = (1, 7, 65536)


def read(data, piece=65536, end=True, limit=8192, count=1):
    """The answers that data holds; after its last byte the peer is gone, or silent."""

    async def main():
        net = fakes.Net(fakes.silent, piece)
        connection = await net.open("h.example", 443, True)
        connection.answer(data)
        if end:
            connection.end()
        reader = Reader(connection, bytearray(1024))
        found = []
        for _ in range(count):
            found.append(await asyncio.wait_for(read_response(reader, limit), 1))
        return found, reader

    return asyncio.run(main())


GOOD = {
    "chunked with extension and trailer": (
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: Chunked\r\n\r\n"
        b'5;x=1\r\n{"id"\r\n6\r\n:"r1"}\r\n0\r\nX-T: 1\r\n\r\n',
        (201, b'{"id":"r1"}'),
    ),
    "length without a blank": (
        b'HTTP/1.1 201 Created\r\nCONTENT-LENGTH:11\r\n\r\n{"id":"r1"}',
        (201, b'{"id":"r1"}'),
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    "length 0": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (200, b"")),
    "no phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
    "bare line ends": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", (200, b"{}")),
    "early hints before": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        (200, b"{}"),
    ),
    "the same length twice": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
        (200, b"{}"),
    ),
    "capital chunk size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        (200, b"0123456789"),
    ),
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", GOOD)
def test_legal_answers_are_read_at_once_and_leave_nothing(name, piece):
    data, wanted = GOOD[name]
    found, reader = read(data + data, piece, end=False, count=2)
    assert [(r.status_code, bytes(r.content)) for r in found] == [wanted, wanted]
    assert all(r.reusable for r in found)
    assert not reader.has_input()


@pytest.mark.parametrize("piece", PIECES)
def test_a_body_to_the_end_is_whole_and_ends_the_connection(piece):
    found, _ = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", piece)
    assert (found[0].content, found[0].reusable) == (b"{}", False)


BAD = {
    "chunk size -1": b"-1\r\n\r\n0\r\n\r\n",
    "chunk size 1_0": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "chunk size xyz": b"xyz\r\n\r\n0\r\n\r\n",
    "chunk size with +": b"+1\r\na\r\n0\r\n\r\n",
    "chunk size 0x1": b"0x1\r\na\r\n0\r\n\r\n",
    "empty chunk size": b"\r\na\r\n0\r\n\r\n",
    "huge chunk size": b"fffffffff\r\na\r\n0\r\n\r\n",
    "no last chunk": b"1\r\na\r\n",
    "cut in a chunk": b"5\r\nab",
    "chunk longer than it says": b"1\r\nab\r\n0\r\n\r\n",
    "cut in the trailers": b"1\r\na\r\n0\r\nX-T: 1\r\n",
    "endless trailers": b"1\r\na\r\n0\r\n" + b"X-T: 1\r\n" * 100 + b"\r\n",
}
BAD = {k: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + BAD[k] for k in BAD}
BAD.update(
    {
        "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "length -2": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        "length 1_0": b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        "short body": b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"
        b'{"upload_url":"http://127.0.0.1:9/b/k?X-Amz-Sig',
        "gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        "cut status line": b"HTTP/1.1 20",
        "cut header": b"HTTP/1.1 200 OK\r\nContent-Le",
        "another protocol": b"SSH-2.0-OpenSSH_9\r\n\r\n",
        "status xx": b"HTTP/1.1 xx OK\r\n\r\n",
        "status 2000": b"HTTP/1.1 2000 OK\r\n\r\n",
        "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
        "folded header": b"HTTP/1.1 200 OK\r\nDate: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        "no colon": b"HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}",
        "header that is no text": b"HTTP/1.1 200 OK\r\nDate: \xff\r\nContent-Length: 2\r\n\r\n{}",
        "long line": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 4000 + b"\r\n\r\n",
        "endless line": b"HTTP/1.1 200 " + b"a" * 100_000,
        "long head": b"HTTP/1.1 200 OK\r\n" + (b"X-A: " + b"a" * 500 + b"\r\n") * 20 + b"\r\n",
        "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 70 + b"\r\n",
        "body over the limit": b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b" " * 9000,
        "endless body": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 9000,
        "chunks over the limit": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"400\r\n" + b" " * 1024 + b"\r\n") * 9
        + b"0\r\n\r\n",
    }
)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_one_transport_error(name, piece):
    with pytest.raises(Transient) as error:
        read(BAD[name], piece)
    assert error.value.code in ("bad_answer", "connection_lost")


@pytest.mark.parametrize("name", GOOD)
def test_every_cut_of_a_legal_answer_is_an_error_or_the_end(name):
    data, _ = GOOD[name]
    for cut in range(len(data)):
        try:
            assert read(data[:cut], 5)[0] == [None], cut
            assert data[:cut].endswith(b"\r\n\r\n") or not cut  # the end after 1xx alone
        except Transient as e:
            assert e.code in ("bad_answer", "connection_lost"), cut


PAGE = b"<html>" + b"x" * 300_000 + b"</html>"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: %d\r\n\r\n" % len(PAGE),
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PAGE),
    ],
)
def test_the_page_of_an_error_is_not_read_to_its_end(head):
    found, reader = read(b"HTTP/1.1 504 Gateway\r\nContent-Type: text/html\r\n" + head + PAGE)
    assert (found[0].status_code, found[0].reusable) == (504, False)
    assert len(found[0].content) <= 8192
    assert len(reader._connection._input) > 280_000


@pytest.mark.parametrize(
    "line, connection, wanted",
    [
        (b"HTTP/1.1 200 OK", b"close", False),
        (b"HTTP/1.1 200 OK", b"Keep-Alive", True),
        (b"HTTP/1.1 200 OK", b"CLOSE", False),
        (b"HTTP/1.0 200 OK", b"x", False),
        (b"HTTP/1.0 200 OK", b"keep-alive", True),
    ],
)
def test_who_may_be_used_again(line, connection, wanted):
    found, _ = read(line + b"\r\nConnection: " + connection + b"\r\nContent-Length: 0\r\n\r\n")
    assert found[0].reusable is wanted


def body(content, content_type="application/json"):
    response = Response(200, {"content-type": content_type})
    response.content = content
    return response


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b'"r1"', b"7", b'{"id":"r1"]', b'{"id" "r1"}', b'{"id":"r1"', b"{,}"]
    + [b'{"id":"\xff"}', b"\xef\xbb\xbf{}", b'{"id":"r1"}{}', b"<html>", b"{" * 5000 + b"}"],
)
def test_json_is_one_whole_object_or_an_error(content):
    with pytest.raises(Transient) as error:
        body(content).json()
    assert error.value.code == "bad_answer"


def test_a_page_is_a_portal_whatever_it_holds():
    with pytest.raises(Transient) as error:
        body(b'{"id":"r1"}', "text/HTML; charset=utf-8".lower()).json()
    assert error.value.code == "portal"
    assert body(b' {"id":"r1"}\n').json() == {"id": "r1"}


def test_a_page_is_a_portal_in_capitals_too():
    with pytest.raises(Transient) as error:
        body(b"<html></html>", "Text/HTML").json()
    assert error.value.code == "portal"


@given(st.binary(max_size=300), st.sampled_from(PIECES))
@example(b"HTTP/1.1 200 OK\r\n\r\n", 1)
def test_any_bytes_are_an_answer_or_a_device_error(data, piece):
    try:
        read(b"HTTP/1.1 2" + data, piece)
    except DeviceError:
        pass


def test_digits_of_another_script_are_no_length():
    head = "HTTP/1.1 200 OK\r\nContent-Length: \u00b2\r\n\r\n{}"
    with pytest.raises(Transient):
        read(head.encode())
