"""dates against datetime, which knows the calendar."""

import datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.dates import civil_from_days, days_from_civil, iso8601, parse_http_date, parse_iso8601

UTC = datetime.timezone.utc
SECONDS = st.integers(0, 253_402_300_799)  # to the end of 9999


@given(st.dates())
def test_days_and_back(date):
    days = (date - datetime.date(1970, 1, 1)).days
    assert days_from_civil(date.year, date.month, date.day) == days
    assert civil_from_days(days) == (date.year, date.month, date.day)


@given(SECONDS, st.integers(0, 999))
def test_iso8601_there_and_back(unix_s, ms):
    text = iso8601(unix_s * 1000 + ms)
    found = datetime.datetime.fromisoformat(text)
    assert found == datetime.datetime.fromtimestamp(unix_s, UTC).replace(microsecond=ms * 1000)
    assert text.endswith("Z") and ("." in text) is (ms > 0)
    assert parse_iso8601(text) == unix_s


@given(SECONDS)
def test_http_dates(unix_s):
    moment = datetime.datetime.fromtimestamp(unix_s, UTC)
    assert parse_http_date(format_datetime(moment, usegmt=True)) == unix_s


@pytest.mark.parametrize(
    "text",
    ["", "now", "0", "Sunday, 01-Mar-26 12:05:00 GMT", "Sun Mar  1 12:05:00 2026", None, 7]
    + ["Sun, 01 Mar 2026 12:05:00 CET", "Sun, 01 Mar 2026 12:05 GMT", "Sun, 1_ Mar 2026 1:2:3 GMT"]
    + ["Sun, 01 Foo 2026 12:05:00 GMT", "Sun, 01 arM 2026 12:05:00 GMT"]
    + ["Sun, 01 Mar 2026 24:05:00 GMT", "Sun, 01 Mar 2026 12:60:00 GMT"]
    + ["Sun, 32 Mar 2026 12:05:00 GMT", "Sun, 00 Mar 2026 12:05:00 GMT"]
    + ["Sun, -1 Mar 2026 12:05:00 GMT", "Sun, 01 Mar 1969 12:05:00 GMT", "Sun, 01 Mar 2026"]
    + ["Sun, 01 anF 2026 12:05:00 GMT", "Sun, 01  2026 12:05:00 GMT"],
)
def test_what_is_no_http_date(text):
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01T12:00:00+00:00", "2026-13-01T12:00:00Z"]
    + ["2026-03-01T25:00:00Z", "2026-03-01T12:00Z", "26-03T12:00:00Z", None, 7, "T Z", "x"]
    + ["2026-03-32T12:00:00Z", "-2026-03-01T12:00:00Z"],
)
def test_what_is_no_iso8601_of_ours(text):
    assert parse_iso8601(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text):
    for parse in (parse_http_date, parse_iso8601):
        found = parse(text)
        assert found is None or found >= 0
