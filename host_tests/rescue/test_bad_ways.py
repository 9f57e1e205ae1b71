"""What stands between the rescue program and the cloud: it keeps everything, and says why."""

import pytest

from rescue.boot_record import NONE

FASTER = 300  # its waits of half a minute to a quarter of an hour pass in seconds


@pytest.fixture
def cloud(factory):
    factory.cloud.reset()
    yield factory.cloud
    factory.cloud.reset()


@pytest.fixture
def board(factory):
    return factory.board(("device/app.mpy", "raises"), starts=6, haste=FASTER)


def says(board, word):
    return board.run(lambda log: word in log, cause="watchdog", starts=1)


@pytest.mark.parametrize(
    "case, code",
    [
        ("expired", "tls_dates"),
        ("other_ca", "tls_untrusted"),
        ("wrong_host", "tls_wrong_name"),
    ],
)
def test_nothing_is_said_to_somebody_who_is_not_the_cloud(board, cloud, case, code):
    cloud.use_certificate("api", case)
    before = len(cloud.log.requests)
    says(board, "code=" + code)
    theirs = [r for r in cloud.log.requests[before:] if r.origin == "api"]
    assert theirs == [] and len(board.faults()) > 3
    cloud.reset()
    board.deliver(cause="watchdog")
    assert board.faults() == []


def test_a_storage_that_is_somebody_else_gets_no_byte(board, cloud):
    cloud.use_certificate("storage", "other_ca")
    says(board, "code=tls_untrusted")
    cloud.reset()
    board.deliver(cause="watchdog")
    assert board.faults() == []


def test_lost_answers_outages_and_odd_answers_cost_nothing(board, cloud):
    for route in ("create", "upload_url", "put", "complete"):
        cloud.faults.add(route, "drop_answer")
        cloud.faults.add(route, "status", status=503, skip=1)
        cloud.faults.add(route, "html", skip=2)
        cloud.faults.add(route, "short_body", skip=3)
    cloud.faults.add("put", "reset", after_bytes=9000, skip=4)
    cloud.faults.add("put", "status", status=403, skip=5)
    cloud.switches.verification_polls = 2
    log = board.deliver(cause="watchdog", limit_s=100)
    assert board.faults() == [], log
    assert "code=portal" in log and "code=server_error" in log and "set aside" not in log


def test_what_the_cloud_refuses_is_set_aside_and_the_others_go(board, cloud):
    envelope = b'{"error": {"code": "invalid_request", "message": "no"}}'
    headers = {"Content-Type": "application/json"}
    cloud.faults.add("create", "status", status=422, body=envelope, headers=headers)
    log = board.run(lambda log: log.count("clip delivered") == 2, cause="watchdog", starts=1)
    assert "clip set aside clip=1 reason=refused status=422 invalid_request" in log


def test_a_dead_token_keeps_everything_and_is_asked_about_rarely(factory, board, cloud):
    path = board.folder / "secrets.json"
    text = path.read_text()
    token = __import__("json").loads(text)["values"]["token"]
    path.write_text(text.replace(token, "dtok_" + "0" * 32))
    before = len(cloud.log.requests)
    says(board, "code=auth_refused")
    assert len([r for r in cloud.log.requests[before:] if r.origin == "api"]) == 1
    path.write_text(text)
    board.deliver(cause="watchdog")
    assert board.faults() == []


def test_a_network_that_is_away_is_said_and_the_full_program_gets_its_turn(factory):
    board = factory.board(("device/app.mpy", "raises"), starts=6, haste=4000, wifi={})
    log = board.run(lambda log: log.count("W rescue ends") == 2, cause="watchdog", starts=12)
    assert "code=wifi_not_found" in log
    # rescue, full, rescue, and the next turn of the full program
    assert board.causes == ["watchdog", "reset", "reset"]
    assert board.record() in ((NONE, NONE, 11), (NONE, NONE, 12))


def test_a_clip_whose_audio_is_damaged_is_set_aside(factory, cloud):
    board = factory.board(("device/app.mpy", "raises"), starts=6, haste=FASTER)
    image = board.folder / "flash.img"
    data = image.read_bytes()
    sample = bytes([2, 1]) * 100
    assert data.count(sample) >= 1
    image.write_bytes(data.replace(sample, sample[:-1] + b"\x07", 1))
    log = board.run(lambda log: log.count("clip delivered") == 2, cause="watchdog", starts=1)
    assert "clip set aside clip=2 reason=damaged crc of the stored frames" in log


def test_a_surprise_out_of_one_clip_does_not_stop_the_others(factory, cloud):
    """Twice it may have been a moment's fault; at the third time the others go on."""
    board = factory.board(("device/app.mpy", "raises"), starts=6, haste=FASTER)
    line = "    record = clip.record\n"
    board.patch("rescue/freeze.py", line, line + "    if clip.number == 1:\n        len(None)\n")
    log = board.run(lambda log: log.count("clip delivered") == 2, cause="watchdog", starts=1)
    assert "clip delivered clip=1" not in log and "code=damaged" in log and "TypeError" in log
