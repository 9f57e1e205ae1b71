"""The modem port of a board with the odd ways of UART and PPP."""

import pytest

from device.errors import Transient
from device.hal.esp32 import boards

PINS = {"modem_uart": 1, "modem_tx_pin": 17, "modem_rx_pin": 18}
WIRED = {"modem_rts_pin": 15, "modem_cts_pin": 16, "modem_key_pin": 21, "modem_supply_pin": 14}


class Carrier:
    """What hangs at the line in data mode."""

    data_mode = True
    line_baud = 0

    def take(self, data):
        pass

    def give(self, buf):
        return 0

    def end_data(self):
        self.data_mode = False


@pytest.fixture
def modem(chip):
    return made(chip, **PINS, **WIRED)


def made(chip, **changes):
    from device.hal.esp32.modem import Modem

    chip.modem = Carrier()
    return Modem(dict(boards.BOARDS["esp32-s3-sd"], **changes))


def test_at_rest_the_supply_is_on_and_the_key_is_up(modem, chip):
    assert (chip.outputs[14], chip.outputs[21]) == (1, 0)
    modem.key(True)
    assert chip.outputs[21] == 1
    modem.key(False)
    assert modem.supply(False)
    assert (chip.outputs[14], chip.outputs[21]) == (0, 0)


def test_levels_are_the_boards(chip):
    made(chip, **PINS, **WIRED, modem_key_level=0, modem_supply_level=0)
    assert (chip.outputs[14], chip.outputs[21]) == (0, 1)


def test_without_pins_there_is_nothing_to_switch(chip):
    modem = made(chip, **PINS)
    modem.key(True)
    assert not modem.supply(False)
    modem.open(115_200)
    modem.start_data("none", "", "")
    assert modem._uart.flow == 0 and modem._uart.pins == [17, 18, None, None]


def test_cts_that_is_held_for_ever_stops_nobody(modem, chip):
    """A dead modem holds CTS: lwIP's thread waits in uart_write_bytes, and whoever calls into lwIP
    waits with it.
    """
    modem.open(115_200)
    chip.cts_is_held = True
    for _ in range(100):
        modem.write(b"AT\r")
    modem.start_data("none", "", "")
    assert modem._uart.flow == 3, "data needs it"
    modem.stop_data()
    assert modem.data_status() == "idle"


def test_credentials_go_to_ppp_and_nowhere_else(modem, chip):
    import network

    modem.open(460_800)
    modem.start_data("chap", "me", "secret")
    assert modem._ppp.security == (network.PPP.SEC_CHAP, "me", "secret")
    assert chip.default_route == "ppp"


def test_the_end_by_the_network_is_a_failure_and_can_be_begun_again(modem, chip):
    modem.open(460_800)
    modem.start_data("none", "", "")
    assert modem.data_status() == "up"
    chip.ppp_trouble = "lost"
    assert modem.data_status() == "failed" and not modem.is_up() and modem.address() is None
    modem.stop_data()
    assert modem.data_status() == "idle", "an errored one has nothing more to end"
    chip.ppp_trouble = None
    modem.start_data("none", "", "")
    assert modem.data_status() == "up"
    assert modem._uart.handler == modem._ppp.poll, "and its interrupts are on again"


def test_one_that_does_not_end_says_so(modem, chip):
    modem.open(460_800)
    modem.start_data("none", "", "")
    assert modem.data_status() == "up"
    chip.ppp_trouble = "stuck"
    modem.stop_data()
    assert modem.data_status() == "up"
    with pytest.raises(Transient) as error:
        modem.start_data("none", "", "")
    assert error.value.code == "ppp_failed"


def test_without_room_for_ppp_it_says_so(modem, chip):
    modem.open(460_800)
    chip.ppp_trouble = "full"
    with pytest.raises(Transient) as error:
        modem.start_data("none", "", "")
    assert error.value.code == "ppp_failed"


def test_a_silent_peer_leaves_it_joining(modem, chip):
    modem.open(460_800)
    chip.ppp_trouble = "silent"
    modem.start_data("none", "", "")
    assert modem.data_status() == "joining"


def test_a_board_without_modem_has_none(chip, tmp_path, monkeypatch):
    table = boards.load(b'{"board": "esp32-s3-sd", "modem_uart": 1}', "")
    assert table[2] == ["modem_tx_pin: a pin is needed"] and table[1]["modem_uart"] is None
    name, table, faults = boards.load(
        b'{"modem_uart": 1, "modem_tx_pin": 17, "modem_rx_pin": 18}', "ESP32S3"
    )
    assert faults == [] and table["modem_uart"] == 1


@pytest.mark.parametrize(
    "change, words",
    [
        ({"modem_uart": 0}, "is no free UART"),
        ({"modem_uart": True}, "is no free UART"),
        ({"modem_baud": 300}, "9600 to 3000000"),
        ({"modem_tx_pin": 4}, "taken by"),
        ({"modem_key_pin": 35}, "is not free"),
        ({"modem_key_on_ms": 10}, "50 to 5000"),
    ],
)
def test_a_wrong_wiring_is_named(change, words):
    import json

    faults = boards.load(json.dumps(change).encode(), "ESP32S3")[2]
    assert len(faults) == 1 and words in faults[0]
