"""What recorder provision is given: networks, a label, a token, a SIM's PIN. No secret is seen,
what is wrong is refused, and what is not given stays as it was.
"""

import json
import os
import pathlib
import ssl
import threading

import httpx
import pytest
from field_bench import Person
from provision_bench import OLD_CONFIG, OLD_TOKEN, device_of, live, record

from tools.cloud.client import LoopbackTransport
from tools.recorder import minting
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


@pytest.fixture
def person(capsys, monkeypatch):
    return Person(capsys, monkeypatch)


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
