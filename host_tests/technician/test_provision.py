"""recorder provision: one board, over the real mpremote, to the first heartbeat. What lies on
it decides the way.

Boards are virtual, on real serial ports; the program that boots them and ends a commit is ours.
"""

import json
import os
import time

import pytest
from field_bench import Person
from provision_bench import ARCH, device_of, filled, live, record

from tools.image import tree
from tools.recorder import survey
from tools.sim.board import SSID


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def test_an_empty_board_becomes_a_recorder_that_the_cloud_hears(bench, cloud, person):
    board = bench.board("empty", "REC-A1")
    words = ("provision", "--board", board.device, "--config", bench.config())
    words += ("--wifi", bench.wifi(), "--token-from", "mint:" + bench.user(), "--label", "R-1")
    words += ("--hardware", "esp32-sd")
    asked = len(cloud.log.requests)
    code, plan = person.run(*words, "--dry-run")
    assert code == 0 and plan["state"] == "empty" and plan["release"] == "a"
    assert {path for path, _, _ in plan["send"]} == set(tree.board_tree(ARCH)) - {"boot1"} | {
        "config.json",
        "board.json",
    }
    assert board.read_image() == {} and not (bench.folder / "provisioned.jsonl").exists()
    assert len(cloud.log.requests) == asked

    code, said = person.run(*words)
    assert code == 0 and said["result"] == "done", said
    known = device_of(cloud, said["live"])
    assert known["serial_number"] == "REC-A1" and known["last_heartbeat_at"]
    line = record(bench)[-1]
    assert line["step"] == "result" and line["state"] == "done" and line["label"] == "R-1"
    assert line["live"] == said["live"] and line["proved"] is True

    started = board.register("watchdog")
    deadline = time.monotonic() + 20
    while board.register("watchdog") != {"limit_ms": 60_000}:  # main.py runs
        assert time.monotonic() < deadline, started
        time.sleep(0.05)
    board.pull_cable()
    program, config, token = live(board)
    assert program == tree.release_files(ARCH)
    assert json.loads(config)["wifi"]["networks"] == [SSID]
    assert json.loads(board.read_image()["board.json"]) == {"board": "esp32-sd"}
    assert not [name for name in board.read_image() if name.startswith("incoming/")]
    with cloud.client(token) as client:
        assert client.post("/devices/me/heartbeat", json={}).status_code == 200


def test_a_new_version_sends_what_changed_and_goes_on_trial(bench, person):
    board = bench.board("old", "REC-B1")
    words = ("provision", "--board", "REC-B1", "--config", bench.config(), "--wifi", bench.wifi())
    os.environ["RECORDER_PORTS"] = board.device
    try:
        code, plan = person.run(*words, "--dry-run")
        assert code == 0 and plan["release"] == "b" and plan["boot"] == ["a", "b"]
        sent = {path for path, _, _ in plan["send"]}
        changed = {"b/device/log.mpy", "b/device/field/settings.mpy", "b/release.json"}
        assert sent == changed | {"config.json"} and plan["keep"] == 0
        assert len(plan["copy"]) == len(tree.release_files(ARCH)) - 2
        code, said = person.run(*words)
        assert code == 1 and "refuses its token" in said["error"]  # OLD_TOKEN is nobody's
        assert record(bench)[-1]["live"]["trial"] is True
        code, plan = person.run(*words, "--dry-run")
        assert (plan["send"], plan["copy"], plan["remove"]) == ([], [], [])
    finally:
        del os.environ["RECORDER_PORTS"]
    board.pull_cable()
    assert live(board)[0] == tree.release_files(ARCH)
    image = board.read_image()
    assert image["a/device/left.mpy"] == b"of old"  # the way back is whole
    assert "b/device/left.mpy" not in image


def test_a_trial_ends_before_another_program_takes_its_folder(bench, person):
    board = bench.board("old", "REC-C1", is_plugged=False)
    image = board.read_image()
    from rescue import boot_record

    half = {name.replace("a/", "b/", 1): d for name, d in image.items() if name.startswith("a/")}
    half["b/device/log.mpy"] = image["a/device/log.mpy"] + b" "
    del image["boot1"]
    board.image(None, image | half | {"boot0": boot_record.encode(6, "a", "b", 1)})
    board.plug_in()
    code, said = person.run("provision", "--board", board.device)
    assert code == 0 and said["result"] == "unproved", said  # no network is in its settings
    board.pull_cable()
    assert live(board)[0] == tree.release_files(ARCH)
    assert boot_record.read(_spilled(bench, board))[1:3] == ("a", "b")
    steps = [line["step"] for line in record(bench) if line["state"] == "done"]
    assert steps.index("boot record") < steps.index("copy")


def _spilled(bench, board) -> str:
    folder = bench.folder / "spilled"
    folder.mkdir()
    for name in ("boot0", "boot1"):
        data = board.read_image().get(name)
        if data:
            (folder / name).write_bytes(data)
    return str(folder) + "/"


def test_a_flat_program_of_before_migrates(bench, person):
    board = bench.board("flat", "REC-D1")
    code, said = person.run(
        "provision", "--board", board.device, "--config", bench.config(), "--wifi", bench.wifi(),
        "--token-from", "mint:" + bench.user(),
    )  # fmt: skip
    assert code == 0 and said["live"]["release"] == "a" and said["live"]["trial"] is False, said
    board.pull_cable()
    image = board.read_image()
    assert live(board)[0] == tree.release_files(ARCH)
    assert image["boot.py"] == tree.root_files(ARCH)["boot.py"]
    assert not [name for name in image if name.startswith("device/")]


def still(board) -> dict[str, bytes]:
    """Every file but the boot record, in which each start counts, and the kept log."""
    moving = ("boot0", "boot1", "log/")
    return {n: d for n, d in board.read_image().items() if not n.startswith(moving)}


def test_another_program_is_refused_and_left_as_it_was(bench, person):
    board = bench.board("empty", "REC-F1", is_plugged=False)
    theirs = {"main.py": b"print('lamp')\n", "lamp.py": b"x = 1\n"}
    board.image(None, theirs)
    board.plug_in()
    code, said = person.run("provision", "--board", board.device)
    assert code == 3 and "lamp.py" in said["error"] and "--force" in said["error"]
    board.pull_cable()
    assert board.read_image() == theirs
    board.plug_in()
    code, said = person.run("provision", "--board", board.device, "--force")
    assert code == 0 and said["result"] == "unproved", said
    board.pull_cable()
    assert live(board)[0] == tree.release_files(ARCH)
    assert board.read_image()["lamp.py"] == theirs["lamp.py"]


def test_a_program_that_hangs_is_replaced(bench, person, monkeypatch):
    """Its hold cannot be taken, as loading it never ends; --force runs no line of it."""
    board = bench.board("old", "REC-M1", is_plugged=False)
    image = board.read_image()
    del image["a/device/field/entry.mpy"]
    image["a/device/field/entry.py"] = b"while True:\n    pass\n"
    board.image(None, image)
    board.plug_in(runs_main=False)
    monkeypatch.setattr(survey, "_LIMIT_S", 5)
    code, said = person.run("provision", "--board", board.device)
    assert code == 3 and "no answer" in said["error"], said
    code, said = person.run("provision", "--board", board.device, "--force")
    assert code == 0 and said["live"]["release"] == "b", said
    board.pull_cable()
    assert live(board)[0] == tree.release_files(ARCH)


def test_a_full_flash_is_said_before_anything_is_written(bench, person):
    board = bench.board("old", "REC-G1", is_plugged=False)
    boot = {"boot1": board.read_image()["boot1"]}
    full = filled(still(board))
    board.image(None, full | boot)
    board.plug_in()
    code, said = person.run("provision", "--board", board.device)
    assert code == 1 and "flash is full" in said["error"] and "pull" in said["error"]
    board.pull_cable()
    assert still(board) == full
    assert record(bench)[-1]["state"] == "failed" and record(bench)[-1]["at_step"] == "plan"
