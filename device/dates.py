"""Unix seconds to text and back, without the interpreter's epoch (1970 on hosts, 2000 on the
ESP32).

Formula: H. Hinnant, "chrono-compatible low-level date algorithms" (days from civil).
"""

from device.compat import is_digits

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def days_from_civil(year, month, day):
    """Days since 1970-01-01 of a date of the Gregorian calendar."""
    if month <= 2:
        year -= 1
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - 719468


def civil_from_days(days):
    """(year, month, day) of a number of days since 1970-01-01."""
    days += 719468
    era = days // 146097
    day_of_era = days - era * 146097
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (1 if month <= 2 else 0), month, day


def iso8601(unix_ms):
    """UTC text of Unix milliseconds, for example 2026-03-01T12:00:00.250Z."""
    unix_s, ms = divmod(unix_ms, 1000)
    days, second_of_day = divmod(unix_s, 86400)
    year, month, day = civil_from_days(days)
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % (
        year,
        month,
        day,
        second_of_day // 3600,
        second_of_day // 60 % 60,
        second_of_day % 60,
    )
    return text + (".%03dZ" % ms if ms else "Z")


def parse_iso8601(text):
    """Unix seconds of a UTC text as iso8601() writes it (fraction dropped), or None."""
    try:
        date, _, time = text.partition("T")
        if not time.endswith("Z"):
            return None
        parts = [_digits(part) for part in date.split("-")]
        clock = [_digits(part) for part in time[:-1].split(".")[0].split(":")]
        if len(parts) != 3 or len(clock) != 3:
            return None
        return _seconds(parts[0], parts[1], parts[2], clock[0], clock[1], clock[2])
    except (ValueError, AttributeError):
        return None


def parse_http_date(text):
    """Unix seconds of an IMF-fixdate (RFC 9110 5.6.7), "Sun, 01 Mar 2026 12:05:00 GMT", or
    None.
    """
    try:
        words = text.strip().split(" ")
        if len(words) != 6 or words[5] != "GMT" or len(words[2]) != 3:
            return None
        place = _MONTHS.find(words[2])
        if place < 0 or place % 3:
            return None
        clock = [_digits(part) for part in words[4].split(":")]
        if len(clock) != 3:
            return None
        month = place // 3 + 1
        return _seconds(_digits(words[3]), month, _digits(words[1]), clock[0], clock[1], clock[2])
    except (ValueError, AttributeError):
        return None


def _digits(text):
    # int() also takes "1_0", " 5 " and "-1".
    if not text or len(text) > 4 or not is_digits(text):
        raise ValueError(text)
    return int(text)


def _seconds(year, month, day, hour, minute, second):
    if not (1970 <= year and 1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError("date")
    if not (hour < 24 and minute < 60 and second < 61):
        raise ValueError("time")
    return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
