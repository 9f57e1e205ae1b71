"""Battery port: one lithium cell behind a divider, and the charger's "I am charging" pin.

read_uv() is already corrected by what the factory measured of this chip's converter and burnt into
it (adc.c, ensure_adc_calibration: curve fitting, or line fitting on the plain ESP32).
"""

from machine import ADC, Pin

from device.compat import const

_READINGS = const(16)
# Rest voltage of a cell in mV, and the charge that is left in percent. LiFePO4 says little between
# its ends: what counts is where it falls off.
CURVES = {
    "lipo": (
        (3300, 0), (3600, 8), (3700, 20), (3750, 32), (3800, 45), (3900, 62), (4000, 78),
        (4150, 100),
    ),
    "lifepo4": (
        (2800, 0), (3000, 8), (3150, 15), (3200, 25), (3250, 40), (3290, 70), (3320, 90),
        (3400, 100),
    ),
}  # fmt: skip


class Battery:
    """table: battery_* and charger_* of hal/esp32/boards.py; a pin of None: not there."""

    def __init__(self, table):
        self._divider_pct = table["battery_divider_pct"]
        self._charging_level = table["charger_level"]
        self._curve = CURVES[table["battery_cell"]]
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
        return None if mv is None else charge_pct(mv, self._curve)

    def is_charging(self):
        return self._charger is not None and self._charger.value() == self._charging_level


def charge_pct(mv, curve):
    """0 to 100 for the voltage of a cell."""
    low_mv, low_pct = curve[0]
    for high_mv, high_pct in curve[1:]:
        if mv < high_mv:
            share = max(0, mv - low_mv) * (high_pct - low_pct)
            return low_pct + share // (high_mv - low_mv)
        low_mv, low_pct = high_mv, high_pct
    return 100
