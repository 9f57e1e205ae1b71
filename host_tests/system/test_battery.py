"""The virtual recorder with a cell that runs down in a take, and a charger that comes: the real
program, the real cloud.
"""


def test_an_empty_cell_ends_take_and_sending_and_the_charger_brings_both_back(bench):
    made = bench("micropython", 120)
    limits = {"stop_sending_pct": 20, "stop_recording_pct": 10}
    recording = {"mode": "continuous", "codec": "wav"}
    made.equip(recording=recording, speed=1, battery_pct=80, battery=limits)
    board = made.board
    board.start()
    made.wait_status(lambda s: s["recorder"]["code"] == "recording" and s["link"]["up"])
    board.command("battery", percent=5)
    status = made.wait_status(lambda s: s["recorder"]["code"] == "battery_low", 40)
    told = status["power"]
    assert (told["percent"], told["charging"], told["stopped"]) == (5, False, "recording")
    status = made.wait_status(lambda s: s["queue"]["code"] == "battery_low", 20)
    assert status["queue"]["ends_when"] == "the charger is put in"
    assert not status["link"]["up"] and status["power"]["radio_rests"]
    assert status["queue"]["waiting"] >= 1, "the take was closed, and its clip waits"
    made.wait_status(lambda s: s["indicator"] == "battery_low", 5)
    delivered = status["queue"]["delivered"]
    board.command("battery", percent=5, charging=True)
    made.wait_status(lambda s: s["queue"]["delivered"] > delivered, 30)
    status = made.wait_status(lambda s: s["recorder"]["code"] == "recording", 20)
    assert "stopped" not in status["power"] and not status["power"]["saving"]
    assert status["resets"]["last"] == {"cause": "power_on"}
    assert status["resets"]["counts"]["power_on"] == 1
    made.prove()
