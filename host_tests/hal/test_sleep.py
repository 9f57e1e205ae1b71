"""Sleep of the chip: what ends it, that a press counts once, and what is kept over a reset."""

import asyncio

import pytest

from device.hal.esp32 import boards

TABLE = boards.BOARDS["esp32-s3-sd"]
PIN = TABLE["button_pin"]
runner = asyncio.Runner()  # one loop for a button that is asked more than once
SOUND = 9


@pytest.fixture(params=["ext0", "naps"])
def bench(request, chip):
    """A chip that is woken by its button, and one that has to look at it."""
    from device.hal.esp32.button import Button
    from device.hal.esp32.sleep import Sleep

    chip.has_ext0 = request.param == "ext0"
    button = Button(TABLE)
    chip.run(100)
    return chip, button, Sleep(button, None, None)


def presses(chip, button, wait_ms=0):
    """How many presses the port has to tell, after so long a while awake."""
    chip.run(wait_ms)

    async def main():
        count = 0
        while True:
            try:
                await asyncio.wait_for(button.pressed(), 0.001)
                count += 1
            except TimeoutError:
                return count

    return runner.run(main())


def plan(chip, *edges):
    """edges: (ms from now, level) that the outside drives the button to."""
    chip.plan = [(chip.now_ms + at_ms, PIN, level) for at_ms, level in edges]


def test_a_sleep_of_a_minute_is_a_minute_of_ticks(bench):
    chip, button, sleep = bench
    before = chip.now_ms
    assert sleep.light(60_000) == "time"
    assert 60_000 <= chip.now_ms - before <= 60_100
    assert presses(chip, button) == 0


def test_a_press_ends_it_at_once_and_counts_once(bench):
    chip, button, sleep = bench
    began = chip.now_ms
    # It bounces when it goes down, and again when it is let go of.
    bounces = [(5000, 0), (5001, 1), (5003, 0), (5180, 1), (5181, 0), (5183, 1)]
    plan(chip, *bounces)
    assert sleep.light(60_000) == "button"
    assert chip.now_ms - began <= 5_100, "within a tenth of a second"
    assert presses(chip, button, 1000) == 1


def test_a_press_of_a_tenth_of_a_second_is_never_missed(bench):
    chip, button, sleep = bench
    for offset in range(0, 90, 7):
        plan(chip, (3000 + offset, 0), (3100 + offset, 1))
        assert sleep.light(20_000) == "button", offset
        assert presses(chip, button, 500) == 1


def test_the_button_works_awake_after_a_sleep(bench):
    """A wake-up leaves the pin with the RTC: without init() no edge would be seen any more."""
    chip, button, sleep = bench
    plan(chip, (1000, 0), (1200, 1))
    sleep.light(20_000)
    assert presses(chip, button, 1000) == 1
    for level in (0, 1):
        chip.drive(PIN, level)
        chip.run(200)
    assert presses(chip, button) == 1


def test_a_button_that_is_held_or_stuck_does_not_end_every_sleep(bench):
    chip, button, sleep = bench
    chip.drive(PIN, 0)
    chip.run(100)
    assert presses(chip, button) == 1
    for _ in range(3):
        assert sleep.light(10_000) == "time"
    plan(chip, (500, 1), (2000, 0))
    assert sleep.light(10_000) == "button", "let go of, and pressed again"
    assert presses(chip, button, 100) == 1


def test_sound_ends_a_sleep_where_the_board_has_a_pin_for_it(chip):
    from device.hal.esp32.button import Button
    from device.hal.esp32.sleep import Sleep

    button = Button(TABLE)
    sleep = Sleep(button, None, SOUND)
    assert sleep.wakes_by == ("time", "button", "level")
    chip.plan = [(chip.now_ms + 700, SOUND, 1)]
    assert sleep.light(10_000) == "level"
    assert presses(chip, button) == 0


def test_the_light_is_dark_asleep_and_a_board_without_button_sleeps_by_time(chip):
    from device.hal.esp32.button import Button
    from device.hal.esp32.sleep import Sleep

    class Led:
        shown = None

        def set(self, colour):
            self.shown = colour

    led = Led()
    led.set(0xFFFFFF)
    sleep = Sleep(Button(dict(TABLE, button_pin=None)), led, None)
    assert sleep.wakes_by == ("time",)
    assert sleep.light(5000) == "time" and led.shown == 0


def test_a_button_at_a_pin_that_the_rtc_lacks_is_looked_at(chip):
    from device.hal.esp32.button import Button
    from device.hal.esp32.sleep import Sleep

    button = Button(dict(TABLE, button_pin=47))
    sleep = Sleep(button, None, None)
    chip.plan = [(chip.now_ms + 700, 47, 0)]
    assert sleep.light(10_000) == "button" and chip.wake_reason == 4


def test_deep_sleep_ends_by_time_or_button(chip):
    from device.hal.esp32.button import Button
    from device.hal.esp32.sleep import Sleep

    sleep = Sleep(Button(TABLE), None, None)
    with pytest.raises(SystemExit):
        sleep.deep(3000)
    assert sleep.wake_cause() == "time"
    chip.plan = [(chip.now_ms + 500, PIN, 0)]
    with pytest.raises(SystemExit):
        sleep.deep(None)
    assert sleep.wake_cause() == "button"


def test_the_chip_refuses_to_sleep_with_the_radio_on(bench):
    """What the fake holds us to: the link is put to rest first."""
    from device.hal.esp32.wifi import Wifi

    chip, button, sleep = bench
    chip.networks = {"home": "x"}
    wifi = Wifi()
    wifi.connect("home", "x")
    with pytest.raises(AssertionError):
        sleep.light(1000)
    wifi.disconnect()
    assert sleep.light(1000) == "time"


@pytest.mark.parametrize(
    "cause, told", [(2, "planned modem_silent"), (1, ""), (3, ""), (4, ""), (0, "")]
)
def test_a_reason_is_kept_over_our_own_reset_and_no_other(chip, cause, told):
    from device.hal.esp32.system import System

    with pytest.raises(SystemExit):
        System().reset("planned modem_silent")
    chip.reset_cause = cause
    system = System()
    assert system.reset_reason() == told
    if cause == 1:
        assert system.reset_cause() == "brown_out", "the mark outlived it, the reason is not its"
    chip.reset_cause = 2
    assert System().reset_reason() == "", "told once"


@pytest.mark.parametrize(
    "table, fault",
    [
        ({"sound_pin": 9}, None),
        ({"sound_pin": 38}, "sound_pin: GPIO 38 cannot wake esp32s3"),
        ({"sound_pin": 4}, "taken by"),
        ({"board": "esp32-c3", "sound_pin": 10}, "cannot wake esp32c3"),
        ({"battery_cell": "lead"}, "battery_cell: lead is not allowed; one of lipo, lifepo4"),
    ],
)
def test_options_of_sleep_and_battery_are_checked(table, fault):
    import json

    faults = boards.load(json.dumps(table).encode(), "ESP32S3")[2]
    assert faults == [] if fault is None else len(faults) == 1 and fault in faults[0], faults
