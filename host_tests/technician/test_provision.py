"""recorder provision: one board, over the real mpremote, to the first heartbeat.

Boards are virtual, on real serial ports; the program that boots them and ends a commit is ours.
"""

import json
import os
import pathlib
import ssl
import threading
import time

import httpx
import pytest
from field_bench import Person
from provision_bench import ARCH, OLD_CONFIG, OLD_TOKEN, Bench, Images, filled, live

from tools.cloud import Cloud
from tools.cloud.client import LoopbackTransport
from tools.image import tree
from tools.recorder import minting, survey
from tools.sim.board import SSID, WIFI_PASSWORD
from tools.sim.build import ROOT

SSIDS = {
    "Café Zürich": "pass wörd 1",
    " blanks at both ends ": " blanks too ",
    'it\'s "quoted" \\ and {braced}': "pass\"word\\'1",
    "x" * 32: "y" * 63,
    "日本語のネット": "0123456789abcdef" * 4,
    "📻 studio": "",
    "a,b;c:d|e%s": "$(reboot) `id`",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return Images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory):
    with Cloud.start(tmp_path_factory.mktemp("cloud"), rate_limits=False) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud):
    yield running_cloud
    running_cloud.reset()


@pytest.fixture
def bench(tmp_path, images, cloud, monkeypatch):
    """A bench whose boards reach the cloud; the record lies in its folder."""
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, images, cloud)
    made.use_cloud(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


def record(bench) -> list[dict]:
    return [json.loads(line) for line in (bench.folder / "provisioned.jsonl").open()]


def device_of(cloud, live: dict) -> dict:
    """What the cloud knows of the device that a result names."""
    with cloud.operator() as operator:
        return operator.get("/devices/" + live["bound_to"].split()[0]).json()


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


def sampled_argv(stop: threading.Event, seen: set) -> None:
    """Every command line on this machine while it lasts."""
    while not stop.wait(0.002):
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(entry.read_bytes())
            except OSError:
                continue


def test_networks_of_real_life_arrive_exactly_and_no_secret_is_seen(
    bench, cloud, capfd, monkeypatch
):
    from tools.recorder.cli import main

    _, token = cloud.register_recorder("REC-E1")
    board = bench.board("old", "REC-E1")
    config = bench.config()
    bom = b"\xef\xbb\xbf" + pathlib.Path(config).read_bytes().replace(b",", b",\r\n")
    words = ["provision", "--board", board.device, "--config", bench.file("bom.json", bom)]
    words += ["--wifi", bench.wifi(SSIDS | {SSID: WIFI_PASSWORD})]
    words += ["--token-from", "file:" + bench.file("token", f"\ufeffBearer {token}\r\n")]
    stop, seen = threading.Event(), set()
    sampler = threading.Thread(target=sampled_argv, args=(stop, seen))
    sampler.start()
    try:
        assert main(words) == 0
    finally:
        stop.set()
        sampler.join()
    board.pull_cable()
    secrets = board.secrets()
    assert secrets["token"] == token and secrets["staged"] == ""
    # (An open network has no secret.)
    assert {ssid: secrets.get("wifi:" + ssid, "") for ssid in SSIDS} == SSIDS
    settings = json.loads(live(board)[1])
    assert settings["wifi"]["networks"] == [*SSIDS, SSID]
    assert settings["cloud"] == {"api_url": cloud.api_origin}
    out, err = capfd.readouterr()
    places = {
        "output": (out + err).encode(),
        "record": (bench.folder / "provisioned.jsonl").read_bytes(),
        "serial line": (board.folder / "serial.log").read_bytes(),
        "arguments": b"\n".join(seen),
        "flash": b"\n".join(board.read_image().values()),
    }
    assert any(b"mpremote" in argv for argv in seen)
    hidden = [token, *(p for p in SSIDS.values() if len(p) > 8)]
    found = [(place, s) for place, data in places.items() for s in hidden if s.encode() in data]
    assert found == []


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


def test_a_label_belongs_to_one_board(bench, person):
    first, second = bench.board("new", "REC-H1"), bench.board("new", "REC-H2")
    assert person.run("provision", "--board", first.device, "--label", "L-1")[0] == 0
    code, said = person.run("provision", "--board", second.device, "--label", "L-1")
    assert code == 1 and "REC-H1" in said["error"]
    code, said = person.run("provision", "--board", first.device, "--label", "L-2")
    assert code == 1 and "L-1" in said["error"]
    code, said = person.run("provision", "--board", first.device, "--label", "L-2", "--force")
    assert code == 0


def test_tokens_one_that_is_good_stays_and_a_dead_one_is_replaced(bench, cloud, person):
    board, user = bench.board("new", "REC-I1"), bench.user()
    words = ("provision", "--board", board.device, "--config", bench.config())
    words += ("--wifi", bench.wifi(), "--token-from", "mint:" + user)
    first = person.run(*words)[1]["live"]["token"]
    assert person.run(*words)[1]["live"]["token"] == first
    again = person.run(*words, "--new-token")[1]["live"]
    second = again["token"]
    assert second != first
    cloud.revoke_token(device_of(cloud, again)["id"])
    code, said = person.run(*words)
    assert code == 0 and said["result"] == "done" and said["live"]["token"] != second
    code, said = person.run(*words[:-1], "mint:" + bench.user())
    assert code == 1 and "--rebind" in said["error"]
    board.pull_cable()
    counters = json.loads((board.hardware / "secrets.json").read_text())["counters"]
    assert counters["epoch"] == 1  # the user was the same throughout


class Lossy(LoopbackTransport):
    """Loses the first answer to a binding: the cloud has told a token, and nobody heard it."""

    has_lost = False

    def handle_request(self, request):
        answer = super().handle_request(request)
        if request.url.path.endswith("/bind") and not Lossy.has_lost:
            Lossy.has_lost = True
            answer.read()
            raise httpx.ReadError("lost", request=request)
        return answer


def test_a_token_whose_answer_was_lost_is_minted_again(bench, cloud, person, monkeypatch):
    trust = ssl.create_default_context(cadata=cloud.ca_pem.decode())
    monkeypatch.setattr(
        minting,
        "open_client",
        lambda url, key: httpx.Client(
            base_url=url + "/v1",
            headers={"Authorization": f"Bearer {key.reveal()}"},
            transport=Lossy(verify=trust, trust_env=False),
        ),
    )
    board = bench.board("old", "REC-L1")
    words = ("provision", "--board", board.device, "--config", bench.config())
    words += ("--wifi", bench.wifi(), "--token-from", "mint:" + bench.user())
    code, said = person.run(*words)
    assert code == 1 and "was not reached" in said["error"] and Lossy.has_lost
    assert record(bench)[-1]["at_step"] == "token"
    board.pull_cable()
    assert live(board)[1:] == (OLD_CONFIG, OLD_TOKEN)
    board.plug_in()
    code, said = person.run(*words)
    assert code == 0 and said["result"] == "done" and "again" in said["note"], said


def test_a_given_token_of_another_user_opens_a_new_epoch(bench, cloud, person):
    board = bench.board("old", "REC-J1")
    _, token = cloud.register_recorder("REC-J1")
    os.environ["SOME_TOKEN"] = token
    code, said = person.run(
        "provision", "--board", board.device, "--config", bench.config(), "--wifi", bench.wifi(),
        "--token-from", "env:SOME_TOKEN",
    )  # fmt: skip
    assert code == 0 and said["result"] == "done", said
    board.pull_cable()
    counters = json.loads((board.hardware / "secrets.json").read_text())["counters"]
    assert counters["epoch"] == 2


def test_wrong_input_is_refused_before_the_cable_is_used(bench, person):
    port = "/dev/none-such"
    cases = [
        (("--config", bench.file("cut.json", '{"log": {"level": "in')), "cut.json"),
        (("--wifi", bench.file("w.json", '[{"ssid": "x", "password": "short"}]')), "8 to 63"),
        (("--token-from", "file:" + bench.file("t", "tok\nabc")), "line break"),
        (("--token-from", "dtok_on_the_command_line"), "never an argument"),
        (("--token-from", "mint:someone"), "mint:eu_"),
        (("--label", "two words"), "label"),
        (("--pin-from", "file:" + bench.file("pin", "12a4")), "4 to 8 digits"),
        (("--pin-from", "1234"), "never an argument"),
        (("--hardware", "toaster"), "toaster"),
        (("--new-token",), "mint"),
    ]
    for words, said in cases:
        code, answer = person.run("provision", "--board", port, *words)
        assert code == 2 and said in answer["error"], (words, answer)
    assert "dtok_on" not in str(person.run("provision", "--token-from", "dtok_on_x")[1])
    assert person.run("provision", "--board", port)[0] == 3


def test_what_the_old_board_had_is_untouched_where_nothing_was_asked(bench, person):
    board = bench.board("old", "REC-K1")
    sim = ("--apn", "internet", "--pin-from", "file:" + bench.file("pin", "00427193\n"))
    code, said = person.run("provision", "--board", board.device, *sim)
    assert record(bench)[-1]["live"]["token"], (code, said)
    board.pull_cable()
    _, config, token = live(board)
    secrets = json.loads((board.hardware / "secrets.json").read_text())
    assert secrets["values"]["cellular:pin"] == "00427193", "and its zeros"
    assert "00427193" not in json.dumps(said) + json.dumps(record(bench))
    expected = json.loads(OLD_CONFIG) | {"cellular": {"apn": "internet"}}
    assert json.loads(config) == expected and token == OLD_TOKEN


def test_the_help_shows_each_option_on_a_screen(capsys, monkeypatch):
    from tools.recorder.cli import main

    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["provision", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert (ROOT / "docs" / "technician-provision.md").exists()
