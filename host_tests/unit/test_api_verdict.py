"""api.verdict: whose fault an answer is (field cases B01, B04, B07, B17, B23, B32, B37, B40)."""

import json

import fakes
import pytest

from device.api import verdict
from device.api.verdict import SetUpFault
from device.dates import parse_http_date
from device.errors import NeedsOperator, Permanent, Transient, UrlRefused
from device.http.response import Response

PAGE = b"<html><body>Please sign in</body></html>"
HTML = {"content-type": "text/html"}
JSON = {"content-type": "application/json"}


def respond(status, content=b"", headers=JSON, early=False):
    response = Response(status, dict(headers))
    response.content = content if isinstance(content, bytes) else json.dumps(content).encode()
    response.early = early
    return response


def api(status, content=b"", headers=JSON):
    """(class of error, code) that the API's answer raises, or None."""
    try:
        verdict.raise_for_api(respond(status, content, headers), fakes.T0)
    except (Transient, NeedsOperator, Permanent) as e:
        return type(e), e.code
    return None


ERROR = {"error": {"code": "some_code", "message": "m"}}


@pytest.mark.parametrize(
    "status, content, wanted",
    [
        (200, {}, None),
        (201, {}, None),
        (202, {}, None),
        (429, ERROR, (Transient, "throttled")),
        (401, ERROR, (NeedsOperator, "auth_refused")),
        (401, {"detail": "invalid token"}, (NeedsOperator, "auth_refused")),
        (403, ERROR, (NeedsOperator, "auth_refused")),
        (408, ERROR, (Transient, "server_error")),
        (425, ERROR, (Transient, "server_error")),
        (500, ERROR, (Transient, "server_error")),
        (503, b"", (Transient, "server_error")),
        (599, ERROR, (Transient, "server_error")),
        (404, ERROR, (Permanent, "gone_in_cloud")),
        (409, ERROR, (Permanent, "conflict")),
        (400, ERROR, (Permanent, "refused")),
        (413, ERROR, (Permanent, "refused")),
        (422, {"code": "backfill_lookback_exceeded"}, (Permanent, "refused")),
        (404, {"error": {"type": "recording_not_found"}}, (Permanent, "gone_in_cloud")),
        (404, {"error": "no such recording"}, (Permanent, "gone_in_cloud")),
        (301, ERROR, (Transient, "portal")),
        (302, b"", (Transient, "portal")),
        (307, PAGE, (Transient, "portal")),
        (511, PAGE, (Transient, "portal")),
    ],
)
def test_api(status, content, wanted):
    assert api(status, content) == wanted


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 504, 500, 405])
def test_a_page_in_place_of_the_api_costs_no_clip_anything(status):
    assert api(status, PAGE, HTML) == (Transient, "server_error")
    assert api(status, PAGE, JSON) == (Transient, "server_error")


def test_401_and_403_from_a_proxy_stop_the_lane_as_well():
    assert api(401, PAGE, HTML)[0] is NeedsOperator
    assert api(403, PAGE, HTML)[0] is NeedsOperator


@pytest.mark.parametrize("content", [{"detail": "not found"}, {"message": "m", "statusCode": 404}])
@pytest.mark.parametrize("status, code", [(404, "gone_in_cloud"), (422, "refused")])
def test_a_json_object_is_the_api_whatever_its_keys(status, code, content):
    assert api(status, content) == (Permanent, code)


def test_the_detail_holds_status_and_code_and_nothing_else():
    with pytest.raises(Permanent) as error:
        verdict.raise_for_api(respond(422, {"code": "c", "message": "tok_abc"}), None)
    assert error.value.detail == "status=422 c"


def put(status, content=b"", headers=None, early=False):
    try:
        verdict.raise_for_storage(respond(status, content, headers or {}, early), fakes.T0)
    except Transient as e:
        return type(e), e.code
    return None


def xml(code, message="m"):
    return b"<Error><Code>%s</Code><Message>%s</Message></Error>" % (
        code.encode(),
        message.encode(),
    )


@pytest.mark.parametrize(
    "status, content, wanted",
    [
        (200, b"", None),
        (204, b"", None),
        # B04: the URL's
        (403, xml("AccessDenied", "Request has expired"), (UrlRefused, "url_refused")),
        (400, xml("ExpiredRequest"), (UrlRefused, "url_refused")),
        (403, xml("AccessDenied", "Request is not yet valid"), (UrlRefused, "url_refused")),
        (403, b"", (UrlRefused, "url_refused")),
        (400, xml("ExpiredToken"), (UrlRefused, "url_refused")),
        # B08, B37, B40: what is sent and what was signed do not fit
        (403, xml("SignatureDoesNotMatch"), (SetUpFault, "url_refused")),
        (400, xml("InvalidArgument"), (SetUpFault, "url_refused")),
        (411, xml("MissingContentLength"), (SetUpFault, "url_refused")),
        (501, xml("NotImplemented"), (SetUpFault, "url_refused")),
        (307, xml("TemporaryRedirect"), (SetUpFault, "url_refused")),
        (301, xml("PermanentRedirect"), (SetUpFault, "url_refused")),
        # B37: temporary
        (400, xml("RequestTimeout"), (Transient, "server_error")),
        (400, xml("IncompleteBody"), (Transient, "server_error")),
        (400, xml("BadDigest"), (Transient, "server_error")),
        (503, xml("SlowDown"), (Transient, "throttled")),
        (429, b"", (Transient, "throttled")),
        (500, xml("InternalError"), (Transient, "server_error")),
        (408, b"", (Transient, "server_error")),
        (504, PAGE, (Transient, "server_error")),
        (511, PAGE, (Transient, "portal")),
    ],
)
def test_put(status, content, wanted):
    assert put(status, content) == wanted


def test_a_put_answered_with_a_page_is_a_portal():
    assert put(200, PAGE, HTML) == (Transient, "portal")
    assert put(200, b"", HTML) is None, "Swift says so of its empty answer"


def test_a_put_answered_before_its_end_is_not_stored():
    assert put(200, b"", early=True) == (Transient, "bad_answer")
    assert put(403, xml("AccessDenied"), early=True) == (UrlRefused, "url_refused")


@pytest.mark.parametrize("headers", [JSON, {}, {"content-type": "text/plain"}])
def test_a_put_answered_with_any_body_is_not_stored(headers):
    assert put(200, PAGE, headers) == (Transient, "portal")


@pytest.mark.parametrize(
    "status, content, headers",
    [
        (302, b"", {"location": "http://192.168.4.1/login"}),
        (302, PAGE, {**HTML, "location": "http://192.168.4.1/login"}),
        (404, PAGE, HTML),
        (401, PAGE, HTML),
        (407, PAGE, HTML),
    ],
)
def test_a_put_answered_by_somebody_else_blames_nobody(status, content, headers):
    found = put(status, content, headers)
    assert found[0] is Transient and found[1] in ("portal", "server_error")


def test_xml_codes():
    assert verdict.xml_code(b"<Error><Code>SlowDown</Code></Error>") == "SlowDown"
    assert verdict.xml_code(bytearray(b"<Code>A</Code>")) == "A"
    for content in (b"", b"<Code>", b"<Code>A", b"<Code>a b</Code>", b"</Code><Code>"):
        assert verdict.xml_code(content) == ""
    assert verdict.xml_code(b"<Code>" + b"A" * 41 + b"</Code>") == ""


DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
RETRY_AFTER = [
    ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
    ("0.493", 1),
    ("-5", 1),
    (" 120 ", 120),
    ("0", 1),
    ("3600", 3600),
    ("3601", 3600),
    ("99999999999999999999", 3600),
    ("Sun, 01 Mar 2027 12:05:00 GMT", 3600),
    ("soon", None),
    ("", None),
    ("1_0", None),
    ("12 34", None),
    ("--5", None),
]


def test_the_table_is_about_t0():
    assert parse_http_date(DATE) == fakes.T0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("text, wanted", RETRY_AFTER)
def test_retry_after(status, text, wanted):
    for headers, now in (({}, fakes.T0), ({"date": DATE}, None), ({"date": DATE}, 946684805)):
        response = respond(status, ERROR, {**JSON, "retry-after": text, **headers})
        with pytest.raises(Transient) as error:
            verdict.raise_for_api(response, now)
        assert error.value.retry_after_s == wanted
        with pytest.raises(Transient) as error:
            verdict.raise_for_storage(response, now)
        assert error.value.retry_after_s == wanted


def test_a_date_without_any_clock_says_nothing():
    response = respond(429, ERROR, {**JSON, "retry-after": "Sun, 01 Mar 2026 12:05:00 GMT"})
    assert verdict.retry_after_s(response, None) is None


@pytest.mark.parametrize(
    "headers, wanted",
    [
        ({"x-ratelimit-reset": str(fakes.T0 + 45)}, 45),
        ({"x-ratelimit-reset": str(fakes.T0 - 45)}, 1),
        ({"x-ratelimit-reset": str(fakes.T0 + 86400)}, 3600),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "9" * 12}, None),
        ({"x-ratelimit-reset": str(fakes.T0 + 45), "retry-after": "7"}, 7),
    ],
)
def test_rate_limit_reset(headers, wanted):
    response = respond(429, ERROR, {**headers, "date": DATE})
    assert verdict.retry_after_s(response, None) == wanted


def test_a_fraction_is_rounded_up():
    assert verdict.retry_after_s(respond(429, b"", {"retry-after": "90.5"}), None) == 91


def test_digits_of_another_script_say_nothing():
    assert verdict.retry_after_s(respond(429, b"", {"retry-after": "\u00b2"}), None) is None
