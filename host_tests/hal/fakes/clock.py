"""Fake of `time` as the ESP32 port has it: what it is like stands with each function (chip.py)."""

import calendar
import time as _host

from host_tests.hal.fakes import chip as _chip

UNIX_OF_2000 = 946684800


def time():
    """like ports/esp32/modtime.c (mp_time_time_get): seconds since 2000, from 0 at power-on."""
    return _chip.chip.rtc_s + _chip.chip.now_ms // 1000


def gmtime(seconds):
    """like extmod/modtime.c (time_localtime): eight numbers, counted from 2000."""
    found = _host.gmtime(seconds + UNIX_OF_2000)
    return tuple(found[:6]) + (found[6], found[7])


def set_from(t):
    """like ports/esp32/machine_rtc.c (machine_rtc_datetime_helper): (y, m, d, _, h, m, s, us)."""
    unix_s = calendar.timegm((t[0], t[1], t[2], t[4], t[5], t[6], 0, 0, 0))
    _chip.chip.rtc_s = unix_s - UNIX_OF_2000 - _chip.chip.now_ms // 1000
