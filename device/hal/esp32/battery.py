"""Battery port: one lithium cell behind a divider, and the charger's "I am charging" pin."""

from machine import ADC, Pin

from device.compat import const

_READINGS = const(16)
# Rest voltage of a lithium-polymer cell in mV, and the charge that is left in percent.
_CURVE = ((3300, 0), (3600, 8), (3700, 20), (3750, 32), (3800, 45), (3900, 62), (4000, 78))
_FULL_MV = const(4150)


class Battery:
    """table: battery_* and charger_* of hal/esp32/boards.py; a pin of None: not there."""

    def __init__(self, table):
        self._divider_pct = table["battery_divider_pct"]
        self._charging_level = table["charger_level"]
        pin = table["battery_pin"]
        self._adc = None if pin is None else ADC(Pin(pin), atten=ADC.ATTN_11DB)
        pin = table["charger_pin"]
        self._charger = None if pin is None else Pin(pin, Pin.IN, Pin.PULL_UP)

    def voltage_mv(self):
        """The cell's voltage, or None without a pin or without the chip's calibration."""
        if self._adc is None:
            return None
        total_uv = 0
        try:
            for _ in range(_READINGS):  # the converter's noise is some 10 mV
                total_uv += self._adc.read_uv() // _READINGS
        except OSError:
            return None
        return total_uv // 1000 * self._divider_pct // 100

    def percent(self):
        mv = self.voltage_mv()
        return None if mv is None else charge_pct(mv)

    def is_charging(self):
        return self._charger is not None and self._charger.value() == self._charging_level


def charge_pct(mv):
    """0 to 100 for the voltage of a lithium cell."""
    low_mv, low_pct = _CURVE[0]
    for high_mv, high_pct in _CURVE[1:] + ((_FULL_MV, 100),):
        if mv < high_mv:
            share = max(0, mv - low_mv) * (high_pct - low_pct)
            return low_pct + share // (high_mv - low_mv)
        low_mv, low_pct = high_mv, high_pct
    return 100
