"""transfer.whole_file: the order of record and network, over crashes at each call (B05, S1-S7)."""

import hashlib
import json

import fakes
import pytest
import soundfile
from fake_cloud import Cloud

from device.api import dialect
from device.api.verdict import SetUpFault
from device.errors import NeedsOperator, Permanent, Transient, UrlRefused
from device.link.clock import Clock
from device.store.clip import CLOSED, COMPLETING, CREATED, CREATING, DONE, STORED
from device.transfer.whole_file import WholeFile

LOST = Transient("connection_lost")
PENDING, INTEGRITY = dialect.PENDING, dialect.INTEGRITY
NOT_PENDING = dialect.NOT_PENDING


class Power(BaseException):
    """The power goes in the middle of a call."""


class Bench:
    """One clip on a folder; attempt() is the lane's, reboot() makes all objects anew."""

    def __init__(self, folder, time, samples=20_000, **script):
        self.folder = folder
        self.time = time
        self.secrets = fakes.Secrets()
        self.cloud = Cloud(folder, **script)
        self.unix_s = fakes.T0
        self.reboot()
        self.clip = fakes.add_clip(self.store, samples)

    def reboot(self, unix_s=None):
        self.store = fakes.make_store(self.folder, self.secrets)
        self.log, self.lines = fakes.make_log()
        clock = Clock(fakes.ClockPort(), 1, self.log)
        if unix_s:
            clock.witness(unix_s * 1000, 20, "ntp")
        self.strategy = WholeFile(self.store, self.cloud, clock, "dev-9", "0a0b0c0d", self.log)

    def attempt(self):
        """The error of one attempt, or None; the clip comes from flash as the lane gets it."""
        clip = self.store.after(0)
        try:
            fakes.run(self.strategy.advance(clip), self.time)
        except (Transient, Permanent, NeedsOperator, Power) as e:
            return e
        return None

    def state(self):
        return fakes.make_store(self.folder).after(0).state


@pytest.fixture
def bench(tmp_path, time):
    def make(**script):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return Bench(folder, time, **script)

    return make


def test_the_whole_way(bench):
    b = bench()
    assert b.attempt() is None and b.state() == DONE
    assert [(name, state) for name, state, _ in b.cloud.calls] == [
        ("create", CREATING),
        ("upload_url", CREATED),
        ("put", CREATED),
        ("complete", COMPLETING),
    ]
    data = b.cloud.objects["rec_1"]
    assert b.cloud.calls[3][2] == ("rec_1", hashlib.sha256(data).hexdigest())
    assert b.cloud.calls[1][2] == ("audio/wav", len(data))
    record = b.store.after(0).record
    assert (record["bytes"], record["rid"]) == (len(data), "rec_1")


def test_the_bytes_that_leave_are_a_true_wav(bench, tmp_path):
    b = bench()
    b.attempt()
    (tmp_path / "out.wav").write_bytes(b.cloud.objects["rec_1"])
    samples, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert rate_hz == 16000 and samples.astype("<i2").tobytes() == fakes.pcm(20_000)
    assert b.cloud.objects["rec_1"][4:8] == (40_036).to_bytes(4, "little")


CALLS = ("create", "upload_url", "put", "complete")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("fault", [LOST, Power(), NeedsOperator("auth_refused")])
def test_a_fault_at_any_call_repeats_that_call_with_the_same_bytes(bench, call, reboot, fault):
    b = bench(**{call: [fault, fault]})
    for _ in range(2):
        assert b.attempt() is fault
        if reboot:
            b.reboot(fakes.T0 + 500)  # another time is known now: the frozen body stays
    assert b.attempt() is None and b.state() == DONE
    names = b.cloud.names()
    assert names.count(call) == 3
    assert names.count("put") == (3 if call == "put" else 1)
    for name in ("create", "complete"):
        sent = {entry[2] for entry in b.cloud.calls if entry[0] == name}
        assert len(sent) == 1, name
    assert len(b.cloud.keys) == 1


@pytest.mark.parametrize("call", CALLS)
def test_the_power_goes_after_the_call_and_before_its_record(bench, call, monkeypatch):
    """B05 (d): the answer was there, the flash does not know it."""
    b = bench()
    real = b.store.save
    wanted = {"create": CREATED, "upload_url": STORED, "put": STORED, "complete": DONE}[call]

    def save(clip, **changes):
        if changes.get("state") == wanted:
            raise Power
        real(clip, **changes)

    monkeypatch.setattr(b.store, "save", save)
    assert isinstance(b.attempt(), Power)
    b.reboot()
    assert b.attempt() is None and b.state() == DONE
    names = b.cloud.names()
    assert names.count("put") <= 2 and len(b.cloud.keys) == 1
    if call == "complete":
        assert names.count("put") == 1 and names.count("complete") == 2


def test_key_and_body(bench):
    b = bench(create=[LOST])
    b.attempt()
    key, body = b.cloud.calls[0][2]
    assert key == "rec-dev-9-0a0b0c0d-1"
    assert "started_at" not in json.loads(body), "no clock, no time"
    assert json.loads(body)["metadata"]["samples"] == 20_000


def test_the_start_of_a_clip_is_known_when_it_is_frozen(bench):
    b = bench()
    b.reboot(fakes.T0)
    b.attempt()
    body = json.loads(b.cloud.calls[0][2][1])
    assert body["started_at"] == "2026-03-01T12:00:01Z"  # uptime 0 is T0, the clip began at 1 s


def test_a_frozen_body_that_no_longer_fits_its_record_is_not_sent(bench):
    b = bench(create=[LOST])
    b.attempt()
    with open(b.clip.body_path, "r+b") as f:
        f.seek(30)
        f.write(b"X")
    error = b.attempt()
    assert (type(error), error.code) == (Permanent, "damaged")
    assert b.cloud.names() == ["create"]


def test_a_cut_between_body_and_record_freezes_again(bench, monkeypatch):
    b = bench()
    monkeypatch.setattr(b.store, "save", lambda *a, **k: (_ for _ in ()).throw(Power()))
    assert isinstance(b.attempt(), Power) and b.state() == CLOSED and not b.cloud.calls
    b.reboot(fakes.T0)
    assert b.attempt() is None
    assert "started_at" in json.loads(b.cloud.calls[0][2][1])


def test_no_put_after_stored_whatever_complete_answers(bench):
    outcomes = [LOST, Transient("server_error"), NeedsOperator("auth_refused"), LOST]
    b = bench(complete=list(outcomes))
    for _ in outcomes:
        b.attempt()
        b.reboot()
        assert b.state() == COMPLETING
    assert b.attempt() is None
    assert b.cloud.names().count("put") == b.cloud.names().count("upload_url") == 1


def test_425_is_asked_again_with_growing_pauses_and_then_the_lane_waits(bench, time):
    b = bench(complete=[PENDING] * 3)
    assert b.attempt() is None
    assert b.cloud.names().count("complete") == 4 and 6.9 < time.seconds < 7.1
    b = bench(complete=[PENDING] * 99)
    error = b.attempt()
    assert (type(error), error.code) == (Transient, "verification_pending")
    count = b.cloud.names().count("complete")
    assert 10 < count < 40 and time.seconds < 200
    assert b.state() == COMPLETING and b.cloud.names().count("put") == 1


def test_integrity_failure_sends_the_bytes_again_three_times_in_all(bench):
    b = bench(complete=[INTEGRITY, LOST, INTEGRITY])
    assert isinstance(b.attempt(), Transient)
    b.reboot()
    assert b.attempt() is None
    assert b.cloud.names().count("put") == 3 and len(b.cloud.keys) == 1


def test_integrity_failure_for_ever_is_the_clips(bench):
    b = bench(complete=[INTEGRITY] * 9)
    error = b.attempt()
    assert (type(error), error.code) == (Permanent, "integrity_failure")
    assert b.cloud.names().count("put") == 3 and b.cloud.names().count("create") == 1


def test_not_pending_once_more_later_then_probably_uploaded(bench):
    b = bench(complete=[NOT_PENDING, NOT_PENDING])
    assert isinstance(b.attempt(), Transient)
    b.reboot()
    error = b.attempt()
    assert (type(error), error.code) == (Permanent, "probably_uploaded")
    assert b.cloud.names() == ["create", "upload_url", "put", "complete", "complete"]
    assert b.clip.audio_path and len(open(b.clip.audio_path, "rb").read()) == 40_044


def test_not_pending_once_may_still_end_well(bench):
    b = bench(complete=[NOT_PENDING])
    b.attempt()
    assert b.attempt() is None and b.state() == DONE


EXPIRED = UrlRefused("url_refused", "PUT status=403 AccessDenied")


def test_a_refused_url_costs_one_fresh_url(bench):
    b = bench(put=[EXPIRED])
    assert b.attempt() is None
    urls = [sent[0] for name, _, sent in b.cloud.calls if name == "put"]
    assert urls == ["https://b.example/rec_1?1", "https://b.example/rec_1?2"]


def test_urls_that_keep_failing_make_the_lane_wait(bench):
    b = bench(put=[EXPIRED] * 9)
    error = b.attempt()
    assert isinstance(error, UrlRefused) and not isinstance(error, SetUpFault)
    assert b.cloud.names().count("put") == 2 and b.state() == CREATED


@pytest.mark.parametrize("detail", ["PUT status=403 SignatureDoesNotMatch", "PUT status=307"])
def test_a_set_up_fault_is_tried_with_one_fresh_url_and_parked(bench, detail):
    fault = SetUpFault("url_refused", detail)
    b = bench(put=[fault, fault])
    error = b.attempt()
    assert (type(error), error.code) == (Permanent, "refused")
    assert error.detail == detail + " sent=Content-Type"
    assert b.cloud.names().count("put") == 2
    b = bench(put=[fault])
    assert b.attempt() is None, "the fresh URL helped"


def test_an_upload_url_that_cannot_be_used_is_never_put(bench):
    b = bench(upload_url=[UrlRefused("url_refused")] * 2)
    assert isinstance(b.attempt(), UrlRefused)
    assert "put" not in b.cloud.names() and b.state() == CREATED


def test_no_url_and_no_token_on_flash_or_in_the_log(bench, tmp_path):
    b = bench(put=[EXPIRED], complete=[LOST])
    b.attempt()
    text = "".join(b.lines)
    for path in tmp_path.rglob("*.[rb]*"):
        text += path.read_text(errors="replace")
    assert "rec_1" in text
    assert "https" not in text and "tok_abc" not in text and "b.example" not in text


@pytest.mark.parametrize("call, state", [("create", CREATED), ("put", STORED)])
def test_what_the_cloud_has_done_is_not_done_again_for_a_full_medium(
    bench, call, state, monkeypatch
):
    b = bench()
    real = b.store.save

    def save(clip, **changes):
        if changes.get("state") == state:
            raise Transient("storage_full", "record")
        real(clip, **changes)

    monkeypatch.setattr(b.store, "save", save)
    for _ in range(5):
        assert b.attempt().code == "storage_full"
    monkeypatch.setattr(b.store, "save", real)
    assert b.attempt() is None and b.state() == DONE
    assert b.cloud.names().count(call) == 1


def test_a_medium_that_does_not_say_is_no_missing_file(bench, monkeypatch):
    from device import compat

    b = bench()
    clip = b.store.after(0)
    real = compat.os.stat

    def stat(path, *rest, **more):
        if str(path) == clip.audio_path:
            raise OSError(5, "fake")
        return real(path, *rest, **more)

    monkeypatch.setattr(compat.os, "stat", stat)
    error = b.attempt()
    assert (type(error), error.code) == (NeedsOperator, "storage_failed")
    monkeypatch.setattr(compat.os, "stat", real)
    assert b.attempt() is None and b.state() == DONE
