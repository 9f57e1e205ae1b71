"""What differs from board to board: one small table each, and the check of a table.

A table is chosen, and changed where the wiring differs, by board.json beside main.py:
{"board": "esp32-s3-sd", "led_pin": 38}. A wrong value is left out and named; the rest holds.
Imported while the board is built, then forgotten.
"""

import json

_S3 = {
    "chip": "esp32s3",
    "mic_id": 0,
    "mic_sck_pin": 4,
    "mic_ws_pin": 5,
    "mic_sd_pin": 6,
    "mic_channel": "left",
    "mic_shift": 12,
    "mic_stall_ms": 500,
    "mic_dma_ms": 256,
    "storage": "sdmmc",
    "spare": "flash",
    "sd_slot": 1,
    "sd_clk_pin": 12,
    "sd_cmd_pin": 11,
    "sd_data_pins": [13],
    "sd_mosi_pin": None,
    "sd_miso_pin": None,
    "sd_cs_pin": None,
    "sd_freq_khz": 20000,
    "button_pin": 0,
    "button_level": 0,
    "led": "neopixel",
    "led_pin": 48,
    "led_level": 1,
    "led_dim": 4,
    "battery_pin": 1,
    "battery_divider_pct": 200,
    "battery_cell": "lipo",
    "sound_pin": None,
    "charger_pin": 2,
    "charger_level": 0,
    "modem_uart": None,
    "modem_baud": 460800,
    "modem_tx_pin": None,
    "modem_rx_pin": None,
    "modem_rts_pin": None,
    "modem_cts_pin": None,
    "modem_key_pin": None,
    "modem_key_level": 1,
    "modem_key_on_ms": 1000,
    "modem_key_off_ms": 3000,
    "modem_supply_pin": None,
    "modem_supply_level": 1,
    "max_connections": 2,
    "max_pre_roll_s": 10,
    "max_ring_blocks": 64,
}
# 320 KiB of RAM for everything: less is kept on its way, and one TLS connection at a time.
_ESP32 = dict(
    _S3,
    chip="esp32",
    mic_sck_pin=26,
    mic_ws_pin=25,
    mic_sd_pin=33,
    mic_stall_ms=192,
    mic_dma_ms=128,
    storage="sd_spi",
    spare="none",
    sd_slot=2,
    sd_clk_pin=18,
    sd_cmd_pin=None,
    sd_data_pins=None,
    sd_mosi_pin=23,
    sd_miso_pin=19,
    sd_cs_pin=5,
    sd_freq_khz=10000,
    led="plain",
    led_pin=2,
    battery_pin=34,
    charger_pin=35,
    max_connections=1,
    max_pre_roll_s=1,
    max_ring_blocks=16,
)
_C3 = dict(
    _ESP32,
    chip="esp32c3",
    mic_dma_ms=192,  # its clips lie on its flash: two erases and their programs take 118 ms
    mic_sck_pin=4,
    mic_ws_pin=5,
    mic_sd_pin=6,
    storage="flash",
    sd_clk_pin=None,
    sd_mosi_pin=None,
    sd_miso_pin=None,
    sd_cs_pin=None,
    button_pin=9,
    led="neopixel",
    led_pin=8,
    battery_pin=1,
    charger_pin=3,
)

BOARDS = {"esp32-s3-sd": _S3, "esp32-sd": _ESP32, "esp32-c3": _C3}

# key: lowest and highest number
_NUMBERS = {
    "mic_id": (0, 1),
    "mic_shift": (9, 16),
    "mic_stall_ms": (64, 2000),
    "mic_dma_ms": (32, 1000),
    "sd_slot": (0, 3),
    "sd_freq_khz": (400, 40000),
    "button_level": (0, 1),
    "led_level": (0, 1),
    "led_dim": (0, 7),
    "battery_divider_pct": (100, 1000),
    "charger_level": (0, 1),
    "modem_baud": (9600, 3000000),
    "modem_key_level": (0, 1),
    "modem_key_on_ms": (50, 5000),
    "modem_key_off_ms": (500, 10000),
    "modem_supply_level": (0, 1),
    "max_connections": (1, 2),
    "max_pre_roll_s": (0, 10),
    "max_ring_blocks": (4, 64),
}
_CHOICES = {
    "mic_channel": ("left", "right"),
    "storage": ("sdmmc", "sd_spi", "flash"),
    "spare": ("none", "flash"),
    "led": ("none", "plain", "neopixel"),
    "battery_cell": ("lipo", "lifepo4"),
}
_OUTPUTS = (
    "mic_sck_pin mic_ws_pin sd_clk_pin sd_cmd_pin sd_mosi_pin sd_cs_pin led_pin "
    "modem_tx_pin modem_rts_pin modem_key_pin modem_supply_pin"
).split()
# chip: pins that are there and not taken by flash, PSRAM or USB; of these without output; those
# of the converter that Wi-Fi leaves alone (ADC1); numbers of I2S; slots of machine.SDCard;
# pins of SDMMC (clk, cmd, d0, d1, d2, d3) where they cannot be chosen; pins that end a sleep;
# UARTs beside the console's
_CHIPS = {
    "esp32s3": (
        (range(0, 19), range(21, 22), range(38, 49)),
        (),
        range(1, 11),
        (0, 1),
        (0, 1, 2, 3),
        None,
        range(0, 22),
        (1, 2),
    ),
    "esp32": (
        (range(0, 6), range(12, 20), range(21, 24), range(25, 28), range(32, 40)),
        range(34, 40),
        range(32, 40),
        (0, 1),
        (1, 2, 3),
        (14, 15, 2, 4, 12, 13),
        (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 37, 38, 39),
        (1, 2),
    ),
    "esp32c3": ((range(0, 11), range(20, 22)), (), range(0, 5), (0,), (2,), None, (), (1,)),
}


def name_for(machine):
    """The table for a chip that nobody named: machine is sys.implementation._machine."""
    chip = machine.rsplit(" with ", 1)[-1].lower().replace("-", "")
    for name in sorted(BOARDS):
        if BOARDS[name]["chip"] == chip:
            return name
    return "esp32-s3-sd"


def load(data, machine):
    """(name, table, faults) from the bytes of board.json, or None if there is none."""
    tree, faults = {}, []
    if data is not None:
        try:
            tree = json.loads(data)
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            tree, faults = {}, ["board.json: must be a JSON object in braces"]
    name = tree.pop("board", name_for(machine))
    if not isinstance(name, str) or name not in BOARDS:
        known = ", ".join(sorted(BOARDS))
        faults.append("board: %s is not known; one of %s" % (name, known))
        name = name_for(machine)
    table = dict(BOARDS[name])
    for key in sorted(tree):
        if key.startswith("_"):
            continue  # "_comment" keys are for people
        if key == "chip" or key not in table:
            faults.append("%s: no such option of a board" % key)
            continue
        before = table[key]
        table[key] = tree[key]
        fault = _value_fault(table, key) or _pair_fault(table)
        if fault:
            faults.append(fault)
            table[key] = before
    return name, table, faults


def faults_of(table):
    """Everything that is wrong with a table, as sentences."""
    found = [_value_fault(table, key) for key in sorted(table)] + [_pair_fault(table)]
    return [fault for fault in found if fault]


def _value_fault(table, key):
    """What is wrong with one value, or None."""
    value = table[key]
    pins, _, _, i2s_ids = _CHIPS[table["chip"]][:4]
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return "%s: %s is not allowed; a whole number from %d to %d" % (key, value, low, high)
        if key == "mic_id" and value not in i2s_ids:
            return "mic_id: %s has no I2S %d" % (table["chip"], value)
    elif key in _CHOICES:
        if value not in _CHOICES[key]:
            return "%s: %s is not allowed; one of %s" % (key, value, ", ".join(_CHOICES[key]))
    elif key == "modem_uart":
        if value is not None and (
            isinstance(value, bool) or value not in _CHIPS[table["chip"]][7]
        ):
            return "modem_uart: %s is no free UART of %s, or null" % (value, table["chip"])
    elif key == "sd_data_pins":
        return _data_pins_fault(value, pins, table["chip"])
    elif key.endswith("_pin") and value is not None:
        return _pin_fault(table["chip"], key, value)
    return None


def _pin_fault(chip, key, value):
    """What is wrong with one pin, or None."""
    pins, inputs, adc_pins, _, _, _, wake_pins, _ = _CHIPS[chip]
    if not _is_pin(value, pins):
        return "%s: GPIO %s is not free on %s" % (key, value, chip)
    if key in _OUTPUTS and value in inputs:
        return "%s: GPIO %d of %s can only be read" % (key, value, chip)
    if key == "battery_pin" and value not in adc_pins:
        return "battery_pin: GPIO %d is not of ADC1, and ADC2 is Wi-Fi's" % value
    if key == "sound_pin" and value not in wake_pins:
        return "sound_pin: GPIO %d cannot wake %s" % (value, chip)
    return None


def _data_pins_fault(value, pins, chip):
    if value is not None and (not isinstance(value, list) or len(value) not in (1, 4)):
        return "sd_data_pins: a list of 1 or 4 pins, or null"
    for pin in value or ():
        if not _is_pin(pin, pins):
            return "sd_data_pins: GPIO %s is not free on %s" % (pin, chip)
    return None


def _is_pin(value, ranges):
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return any(value in part for part in ranges)


def _pair_fault(table):
    """What does not fit together, or None."""
    used = {}
    for key in sorted(table):
        value = table[key]
        if key.endswith("_pin") or key == "sd_data_pins":
            for pin in value if isinstance(value, list) else [value]:
                if pin is not None and pin in used:
                    return "%s: GPIO %d is taken by %s" % (key, pin, used[pin])
                used[pin] = key
    storage, fixed = table["storage"], _CHIPS[table["chip"]][5]
    for key in _needed_pins(table):
        if table[key] is None:
            return "%s: a pin is needed" % key
    if storage == "flash":
        return None
    if table["sd_slot"] not in _CHIPS[table["chip"]][4] or (
        (table["sd_slot"] < 2) != (storage == "sdmmc")
    ):
        return "sd_slot: %d is no slot of %s for %s" % (table["sd_slot"], table["chip"], storage)
    if storage == "sdmmc" and fixed:
        pins = [table["sd_clk_pin"], table["sd_cmd_pin"]] + table["sd_data_pins"]
        if pins != list(fixed[: len(pins)]):
            return "sd_clk_pin: SDMMC of %s has fixed pins %s" % (table["chip"], fixed)
    return None


def _needed_pins(table):
    needed = ["mic_sck_pin", "mic_ws_pin", "mic_sd_pin"]
    if table["led"] != "none":
        needed.append("led_pin")
    if table["storage"] == "sd_spi":
        needed += ["sd_clk_pin", "sd_mosi_pin", "sd_miso_pin", "sd_cs_pin"]
    if table["storage"] == "sdmmc":
        needed += ["sd_clk_pin", "sd_cmd_pin", "sd_data_pins"]
    if table["modem_uart"] is not None:
        needed += ["modem_tx_pin", "modem_rx_pin"]
    return needed
