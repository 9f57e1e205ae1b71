"""Where the card is wired, of the boards in device/hal/esp32/boards.py; a test holds them equal.

board.json is read tolerantly: what is wrong in it shows as a card that does not mount.
"""

import json

_KEYS = ("storage", "sd_slot", "sd_clk_pin", "sd_cmd_pin", "sd_data_pins")
_KEYS += ("sd_mosi_pin", "sd_miso_pin", "sd_cs_pin", "sd_freq_khz")
_BOARDS = {
    "esp32-s3-sd": ("sdmmc", 1, 12, 11, [13], None, None, None, 20000),
    "esp32-sd": ("sd_spi", 2, 18, None, None, 23, 19, 5, 10000),
    "esp32-c3": ("flash", 2, None, None, None, None, None, None, 10000),
}
_CHIPS = {"esp32": "esp32-sd", "esp32c3": "esp32-c3"}


def read(chip_text, path="board.json"):
    """The table of this board. chip_text: sys.implementation._machine."""
    chip = chip_text.rsplit(" with ", 1)[-1].lower().replace("-", "")
    try:
        with open(path, "rb") as f:
            tree = json.loads(f.read(2048))
    except (OSError, ValueError):
        tree = None
    if not isinstance(tree, dict):
        tree = {}
    name = tree.get("board")
    if name not in _BOARDS:
        name = _CHIPS.get(chip, "esp32-s3-sd")
    table = {"chip": chip}
    for i in range(len(_KEYS)):
        table[_KEYS[i]] = tree.get(_KEYS[i], _BOARDS[name][i])
    return table


def wiring(table, pin):
    """Arguments of machine.SDCard; pin: machine.Pin (device/hal/esp32/storage.py, open_card)."""
    found = {"slot": table["sd_slot"], "freq": table["sd_freq_khz"] * 1000}
    if table["storage"] == "sd_spi":
        for word in ("mosi", "miso", "cs"):
            found[word] = pin(table["sd_%s_pin" % word])
        found["sck"] = pin(table["sd_clk_pin"])
        return found
    found["width"] = len(table["sd_data_pins"])
    if table["chip"] != "esp32":  # there the pins are fixed, and cmd is no argument
        found["sck"] = pin(table["sd_clk_pin"])
        found["cmd"] = pin(table["sd_cmd_pin"])
        found["data"] = [pin(number) for number in table["sd_data_pins"]]
    return found
