"""The small ports: clock, Wi-Fi, modem, secrets, battery, button, indicator, system, sleep."""

import asyncio
import json
import os
import stat
import time

import pytest

from device.hal.lights import CODES
from device.hal.sim import parts
from device.hal.sim.at_modem import AtModem
from device.link.clock import Clock
from device.log import Log


def test_clock_that_was_never_set_says_so(hal):
    clock = hal.clock()
    assert clock.rtc_unix_s() is None
    clock.set_rtc(1_800_000_000)
    assert 0 <= clock.rtc_unix_s() - 1_800_000_000 <= 1
    assert clock.build_unix_s > 1_700_000_000


def test_the_build_time_is_a_floor_that_a_witness_of_today_can_pass(hal):
    """A floor that lies in the future refuses every true witness."""
    port = hal.clock()
    clock = Clock(port, 1, Log(lambda text: None))
    assert clock.witness((port.build_unix_s + 1) * 1000, 20, "ntp")
    assert not clock.witness((port.build_unix_s - 1) * 1000, 20, "ntp")


def test_wifi_joins_and_leaves(hal):
    wifi = hal.wifi({"home": "right"})
    assert wifi.status() == "idle" and wifi.rssi_dbm() is None
    wifi.connect("home", "right")
    assert wifi.status() in ("joining", "up")
    for _ in range(1000):
        if wifi.status() == "up":
            break
    assert wifi.status() == "up" and -120 < wifi.rssi_dbm() < 0
    wifi.disconnect()
    assert wifi.status() != "up" and wifi.rssi_dbm() is None


@pytest.mark.parametrize(
    "ssid, password, status", [("home", "wrong", "refused"), ("away", "right", "not_found")]
)
def test_wifi_says_why_not(hal, ssid, password, status):
    wifi = hal.wifi({"home": "right"})
    wifi.connect(ssid, password)
    assert wifi.status() == status
    wifi.connect("home", "right")
    assert wifi.status() == "up", "and may be asked again"


def test_wifi_has_an_address_while_it_is_up(hal):
    wifi = hal.wifi({"home": "right"})
    assert wifi.address() is None
    wifi.connect("home", "right")
    while wifi.status() == "joining":
        pass
    assert wifi.address().count(".") == 3
    wifi.disconnect()
    assert wifi.address() is None


def said_by(modem, command, limit_s=2.0):
    """What a modem port gives back for a command, until it is silent."""
    modem.write(command)
    buf, text, end = bytearray(16), b"", time.monotonic() + limit_s
    while time.monotonic() < end and not text.endswith((b"OK\r\n", b"CONNECT\r\n")):
        text += bytes(buf[: modem.readinto(buf)])
    return text


def until(modem, status, limit_s=3.0):
    end = time.monotonic() + limit_s
    while modem.data_status() != status and time.monotonic() < end:
        time.sleep(0.01)
    assert modem.data_status() == status


def test_a_modem_speaks_then_carries_data_then_speaks_again(hal):
    modem = hal.modem(AtModem({"family": "simcom"}))
    assert modem.data_status() == "idle" and modem.address() is None and not modem.is_up()
    modem.open(115_200)
    assert modem.readinto(bytearray(8)) == 0, "never waits"
    for _ in range(2):
        assert b"\r\nOK\r\n" in said_by(modem, b"AT\r")
        assert said_by(modem, b"ATD*99#\r").endswith(b"CONNECT\r\n")
        modem.start_data("none", "", "")
        until(modem, "up")
        assert modem.is_up() and modem.address().count(".") == 3
        modem.stop_data()
        until(modem, "idle")
        assert modem.address() is None and not modem.is_up()
        modem.open(115_200)
    modem.stop_data()
    modem.close()


def test_a_modem_at_another_speed_gives_rubbish_not_answers(hal):
    modem = hal.modem(AtModem({"family": "quectel"}))
    modem.open(460_800)
    assert b"OK" not in said_by(modem, b"AT\r", 0.1)
    modem.open(115_200)
    assert b"OK" in said_by(modem, b"AT\r")


def test_the_lines_of_a_modem_that_a_board_has(hal):
    modem = hal.modem(AtModem({"family": "quectel"}))
    assert modem.baud > 100_000 and 0 < modem.key_on_ms < modem.key_off_ms
    assert modem.supply(False) and modem.supply(True)
    modem.key(True)
    modem.key(False)


def test_secrets_last(hal, tmp_path):
    store = hal.secrets(tmp_path)
    assert store.get("token") is None and store.counter("clip") == 0
    version = store.version
    store.set("token", "tok_abc")
    assert store.version > version
    store.raise_counter("clip", 7)
    store.raise_counter("clip", 3)
    again = hal.secrets(tmp_path)
    assert again.get("token") == "tok_abc" and again.counter("clip") == 7
    assert "tok_abc" not in repr(again) + str(again)


def test_secrets_survive_a_cut_while_they_are_written(sim, tmp_path, monkeypatch):
    store = sim.secrets(tmp_path)
    store.set("token", "tok_abc")
    with monkeypatch.context() as patch:

        def cut(*names):
            raise KeyboardInterrupt

        patch.setattr("os.rename", cut)
        with pytest.raises(KeyboardInterrupt):
            store.raise_counter("boot", 9)
    assert sim.secrets(tmp_path).get("token") == "tok_abc"


def test_a_new_token_from_outside_is_seen_and_counters_stay(sim, tmp_path):
    store = sim.secrets(tmp_path)
    store.set("token", "tok_abc")
    store.raise_counter("boot", 5)
    path = tmp_path / "secrets.json"
    tree = json.loads(path.read_text())
    tree["values"]["token"] = "tok_new"
    tree["counters"]["boot"] = 2
    path.write_text(json.dumps(tree))
    version = store.version
    store.reload()
    assert store.get("token") == "tok_new" and store.counter("boot") == 5
    assert store.version > version


def test_the_mode_of_the_secrets_file_is_kept(sim, tmp_path):
    path = tmp_path / "secrets.json"
    path.write_text('{"values": {}, "counters": {}}')
    os.chmod(path, 0o600)
    sim.secrets(tmp_path).raise_counter("boot", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", '{"values": {}'])
def test_a_broken_secrets_file_is_as_good_as_none(sim, tmp_path, text):
    (tmp_path / "secrets.json").write_text(text)
    assert sim.secrets(tmp_path).get("token") is None


def test_battery(hal):
    battery = hal.battery()
    assert battery.percent() is None or 0 <= battery.percent() <= 100
    assert battery.is_charging() in (True, False)
    assert battery.voltage_mv() is None or 2000 < battery.voltage_mv() < 5000


def test_button_each_press_once_and_one_is_remembered(hal):
    button = hal.button()

    async def main():
        for _ in range(3):
            hal.press(button)  # while nobody waits: at most one is kept
        await asyncio.wait_for(button.pressed(), 1)
        waiting = asyncio.create_task(button.pressed())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        hal.press(button)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(main())


def test_indicator_shows_every_code(hal):
    async def main():
        indicator = hal.indicator([])
        for code in CODES:
            indicator.show(code)
            await asyncio.sleep(0)
            assert indicator.code == code

    asyncio.run(main())


def test_watchdog_and_system(hal):
    events = []
    watchdog = hal.watchdog(events)
    watchdog.start(60_000)
    watchdog.feed()
    assert events == [("watchdog", {"limit_ms": 60_000}), ("fed", {})]
    system = hal.system()
    assert system.device_id and system.firmware_version and system.reset_cause() == "power_on"
    assert system.reset_reason() == ""
    with pytest.raises(SystemExit):
        system.reset()


def test_a_sleep_ends_by_time_and_the_ticks_have_gone_on(hal):
    sleep = hal.sleep(hal.button())
    assert "time" in sleep.wakes_by and "button" in sleep.wakes_by
    assert 0 <= sleep.drift_ppm < 50_000
    assert sleep.light(60) == "time"
    assert sleep.wake_cause() in ("time", "other")


def test_deep_sleep_does_not_return(hal):
    with pytest.raises(SystemExit):
        hal.sleep(hal.button()).deep(1000)


def test_the_virtual_board_keeps_a_reason_over_its_own_reset_and_no_other(tmp_path):
    memory = str(tmp_path / "rtc_memory")
    for cause, told in (("reset", "planned x"), ("watchdog", "")):
        with pytest.raises(SystemExit):
            parts.System("sim-0001", "power_on", memory).reset("planned x")
        assert parts.System("sim-0001", cause, memory).reset_reason() == told
        assert parts.System("sim-0001", cause, memory).reset_reason() == "", "told once"
