"""What an answer that is not the wished-for one means, and who can act on it: one table of rules.

The clip's errors set the clip aside, the lane's make everyone wait, the URL's ask for another URL
(docs/architecture.md, "Errors"). 429, 401, 5xx and outages never cost a clip anything.
"""

from device.api.dialect import error_code
from device.compat import const, is_digits
from device.dates import parse_http_date
from device.errors import NeedsOperator, Permanent, Transient, UrlRefused

MAX_RETRY_AFTER_S = const(3600)
_MIN_RETRY_AFTER_S = const(1)
_URL_CODES = ("ExpiredRequest", "AccessDenied", "ExpiredToken", "InvalidToken")
_TEMPORARY_CODES = ("RequestTimeout", "SlowDown", "IncompleteBody", "BadDigest", "InvalidDigest")


def raise_for_api(response, now_unix_s):
    """Raise for every status of the API but 2xx. now_unix_s: the clock, or None."""
    status = response.status_code
    if status < 300:
        return
    code = error_code(response)
    detail = "status=%d %s" % (status, code or "")
    if status == 429:
        raise Transient("throttled", detail, retry_after_s(response, now_unix_s))
    if status in (401, 403):
        raise NeedsOperator("auth_refused", detail)
    if status == 511 or 300 <= status < 400:
        raise Transient("portal", detail)
    if status >= 500 or status in (408, 425):
        raise Transient("server_error", detail, retry_after_s(response, now_unix_s))
    if code is None:
        # Not the API's JSON: some proxy or an outage speaks, and no clip is to blame.
        raise Transient("server_error", detail)
    if status == 404:
        raise Permanent("gone_in_cloud", detail)
    raise Permanent("conflict" if status == 409 else "refused", detail)


def raise_for_storage(response, now_unix_s):
    """Raise for every answer to the PUT that does not mean: stored, whole."""
    status = response.status_code
    if response.early and status < 300:
        raise Transient("bad_answer", "PUT answered before its end")
    if status < 300:
        # Storage answers a PUT with nothing, whatever type it names; a page shows something.
        if response.content:
            raise Transient("portal", "PUT answered with a body")
        return
    code = xml_code(response.content)
    detail = "PUT status=%d %s" % (status, code)
    if status == 511:
        raise Transient("portal", detail)
    if status >= 500 and status != 501 or status in (408, 429) or code in _TEMPORARY_CODES:
        kind = "throttled" if status in (429, 503) or code == "SlowDown" else "server_error"
        raise Transient(kind, detail, retry_after_s(response, now_unix_s))
    if code in _URL_CODES or status == 403 and not code:
        raise UrlRefused("url_refused", detail)
    if not code:
        # Not S3: a sign-in page or a proxy stands in the way, and no clip is to blame.
        is_portal = response.is_page() or status < 400 or status in (401, 407)
        raise Transient("portal" if is_portal else "server_error", detail)
    # Signature, redirect, length rules: a fresh URL may help once, then somebody must look.
    wanted = response.headers.get("location", "").split("?")[0].split("/")[:3]
    if len(wanted) == 3:  # its host alone: what follows may be a signature
        detail += " wants=" + wanted[2].rpartition("@")[2][:80]
    raise SetUpFault("url_refused", detail)


class SetUpFault(UrlRefused):
    """The URL and what we send do not fit each other; waiting alone does not mend it."""


def xml_code(content):
    """The <Code> of an S3 error body, or "" (at most 40 characters)."""
    text = bytes(content)
    start = text.find(b"<Code>")
    end = text.find(b"</Code>", start)
    if start < 0 or end < 0 or end - start > 46:
        return ""
    code = text[start + 6 : end]
    return code.decode() if code.isalpha() else ""


def retry_after_s(response, now_unix_s):
    """Seconds that the server asks to wait, 1 to 3600, or None if it says nothing usable.

    Retry-After as number or date, else X-RateLimit-Reset (Unix seconds). Dates are read against
    the answer's own Date where there is one: the device's clock may be wrong.
    """
    headers = response.headers
    served_unix_s = parse_http_date(headers.get("date", ""))
    if served_unix_s is None:
        served_unix_s = now_unix_s
    text = headers.get("retry-after", "").strip()
    if text:
        if is_digits(text):
            return _bounded(int(text) if len(text) < 9 else MAX_RETRY_AFTER_S)
        if _is_number(text):  # a fraction or a negative number
            whole = text.partition(".")[0]
            return _bounded(int(whole) + 1 if is_digits(whole) and len(whole) < 9 else 0)
        date = parse_http_date(text)
        if date is not None and served_unix_s is not None:
            return _bounded(date - served_unix_s)
        return None
    text = headers.get("x-ratelimit-reset", "").strip()
    if is_digits(text) and len(text) < 12 and served_unix_s is not None:
        return _bounded(int(text) - served_unix_s)
    return None


def limits_told(response, now_unix_s):
    """(limit, requests that remain, seconds until they are counted anew) of an answer, or None.

    Of the project, not of the device: every answer tells it, refused or not.
    """
    headers = response.headers
    found = [headers.get("x-ratelimit-" + name, "").strip() for name in ("limit", "remaining")]
    for digits in found:
        if not is_digits(digits) or len(digits) > 6:
            return None
    reset_s = retry_after_s(response, now_unix_s)
    if reset_s is None or int(found[0]) == 0:
        return None
    return int(found[0]), int(found[1]), reset_s


def _bounded(seconds):
    return max(_MIN_RETRY_AFTER_S, min(MAX_RETRY_AFTER_S, seconds))


def _is_number(text):
    digits = text[1:] if text[:1] == "-" else text
    whole, _, fraction = digits.partition(".")
    return is_digits(whole) and (not fraction or is_digits(fraction))
