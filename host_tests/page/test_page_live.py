"""One simulation that goes on (KEEP=1), its page in headless Chromium, and every knob of it."""

import os
import pathlib
import re

import httpx
import pytest

from host_tests.conftest import ROOT
from host_tests.page.live import NO_BROWSER, Live, find_browser
from tools.page.knobs import BY_NAME, KNOBS

PICTURES = ROOT / "build" / "page"
CONTRASTS = pathlib.Path(__file__).parent / "contrasts.js"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """speed: the main job's 74 s of speech pass while the page is opened."""
    made = Live(tmp_path_factory.mktemp("page") / "simulate", "--keep", "--speed", "15")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(browser, live):
    """The page in light colours; an error in its scripts fails whoever looks next."""
    opened = browser.new_page(viewport={"width": 1360, "height": 900}, color_scheme="light")
    opened.set_default_timeout(90_000)  # ms
    opened.troubles = []
    opened.on("pageerror", lambda error: opened.troubles.append(str(error)))
    opened.on(
        "console",
        lambda line: opened.troubles.append(line.text) if line.type == "error" else None,
    )
    opened.goto(live.address)
    yield opened
    opened.close()


def picture(page, name: str, **options) -> pathlib.Path:
    """build/page/<name>.png of what a person sees now."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, **options)
    assert path.stat().st_size > 20_000
    troubles, page.troubles = page.troubles, []
    assert troubles == []
    return path


def title(page) -> str:
    return page.locator("#says strong").inner_text()


def test_the_main_job_is_shown_and_proved_and_then_it_goes_on(page, live):
    live.wait(lambda scene: scene["clips"] and scene["says"]["code"] == "recording")
    page.get_by_text("Recording", exact=True).first.wait_for()
    page.locator(".clip.record").wait_for()
    picture(page, "recording")
    live.wait_open()
    page.get_by_text("Yours to play with").wait_for()
    assert live.output().count("PROVED") == 1
    proved = live.scene["run"]["proof"]
    assert len(proved) == len(live.scene["cloud"]) >= 3
    assert {row["sha256"] for row in proved} == {r["sha256"] for r in live.scene["cloud"]}
    page.locator(".clip.cloud").nth(2).wait_for()
    assert page.locator(".clip.cloud").count() == len(proved)
    assert title(page) == "Ready"
    picture(page, "proved")


def test_a_clip_shows_its_record_and_what_was_on_the_wire(page, live):
    live.wait_open()
    page.locator(".clip").first.click()
    details = page.locator("#clip")
    details.get_by_text("SHA-256").or_(details.get_by_text("complete")).first.wait_for()
    requests = details.locator(".wire tbody tr").all_inner_texts()
    assert [row.split("\t")[1] for row in requests] == [
        "create", "ask for the URL", "upload", "complete"]  # fmt: skip
    assert all(row.split("\t")[3] in ("200", "201") for row in requests)
    picture(page, "clip")
    details.get_by_text("close").click()
    assert details.inner_text() == ""


def test_what_arrived_can_be_seen_and_heard(page, live):
    live.wait_open()
    row = page.locator(".recording").first
    row.locator("svg.wave rect").nth(100).wait_for()
    heights = row.locator("svg.wave rect").evaluate_all(
        "bars => bars.map(b => +b.height.baseVal.value)"
    )
    assert max(heights) > 39 and min(heights) < 10, "the shape of speech, not a block"
    row.get_by_role("button").click()
    row.locator("rect.past").first.wait_for()
    row.get_by_role("button", name="Pause").click()
    rid = live.scene["cloud"][-1]["id"]
    whole = live.client.get(f"/audio/{rid}")
    assert whole.headers["content-type"] == "audio/flac" and whole.content[:4] == b"fLaC"
    part = live.client.get(f"/audio/{rid}", headers={"Range": "bytes=4-11"})
    assert part.status_code == 206 and part.content == whole.content[4:12]
    assert live.client.get("/audio/rec_none").status_code == 404
    assert live.client.get("/waveform/rec_none").status_code == 404


# What a knob needs before it shows: something to send, or nothing at all.
_WITHOUT_A_TAKE = {"power", "battery"}
TROUBLES = [knob.name for knob in KNOBS if knob.group != "hands"]


@pytest.mark.parametrize("name", TROUBLES)
def test_a_knob_does_the_real_thing_and_the_recorder_says_so(page, live, name):
    """By a click on the page; then it is put right, and what waited is delivered."""
    live.wait_open()
    live.wait_idle()
    if not live.knob("speech")["is_on"]:
        live.turn("speech")
    knob = BY_NAME[name]
    button = page.locator(f'[data-knob="{name}"]')
    button.click()
    if knob.kind == "hold":
        page.locator(f'[data-knob="{name}"][aria-checked="true"]').wait_for()
    if name == "card":
        live.turn("press")  # full by now, or while it records
    elif name == "clock":
        live.wait(lambda scene: scene["status"] and scene["status"]["clock"]["boot"] > 1)
        live.take()
    elif name not in _WITHOUT_A_TAKE:
        live.take(5.0 if name == "slow" else 1.3)
    live.wait(lambda scene: live.said(name))
    assert live.said(name) <= set(knob.expects)
    page.locator(f'[data-knob="{name}"] .heard:not(:empty)').wait_for()
    picture(page, f"knob-{name}")
    if knob.kind == "hold":
        button.click()
    live.wait(lambda scene: not live.knob(name)["is_on"])
    if name == "card":
        live.take()
    live.wait_idle()


def test_buttons_work_without_a_mouse_and_the_focus_is_seen(page, live):
    live.wait_open()
    live.wait_idle()
    page.locator(".skip").focus()
    assert page.locator(".skip").bounding_box()["x"] > 0, "seen while it has the focus"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("button")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    live.wait(lambda scene: scene["status"]["recorder"]["code"] == "recording")
    live.wait(lambda scene: scene["level_dbfs"] is not None)
    page.get_by_role("button", name="Press the button: the take ends").press(" ")
    live.wait_idle()
    page.locator('[data-knob="portal"]').focus()
    page.keyboard.press("Enter")
    page.locator('[data-knob="portal"][aria-checked="true"]').wait_for()
    page.keyboard.press("Enter")
    live.wait(lambda scene: not live.knob("portal")["is_on"])


def test_dark_narrow_and_without_motion(browser, live):
    live.wait_open()
    for name, options in {
        "dark": {"color_scheme": "dark", "viewport": {"width": 1360, "height": 900}},
        "narrow": {"viewport": {"width": 390, "height": 844}},
        "still": {"reduced_motion": "reduce", "viewport": {"width": 1000, "height": 800}},
    }.items():
        page = browser.new_page(**options)
        page.troubles = []
        page.on("pageerror", lambda error, page=page: page.troubles.append(str(error)))
        page.goto(live.address)
        page.locator(".recording .wave rect").first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{name}: it scrolls sideways"
        thin = page.evaluate(CONTRASTS.read_text())
        assert thin == [], f"{name}: too little contrast"
        if name == "still":
            assert (
                page.evaluate(
                    "getComputedStyle(document.querySelector('.clip')).transitionDuration"
                )
                == "0s"
            )
        picture(page, name)
        page.close()


def test_only_this_page_on_this_laptop_may_turn_a_knob(live):
    url = live.address
    assert url.startswith("http://127.0.0.1:")
    rebound = httpx.get(url, headers={"Host": "evil.example"}, trust_env=False)
    assert rebound.status_code == 403 and live.key not in rebound.text
    before = live.knob("press")
    for headers in ({}, {"X-Bench-Key": "x" * len(live.key)}):
        answer = httpx.post(url + "knobs/press", json={}, headers=headers, trust_env=False)
        assert answer.status_code == 403
    wrong = {"Host": "localhost.evil.example", "X-Bench-Key": live.key}
    assert (
        httpx.post(url + "knobs/press", json={}, headers=wrong, trust_env=False).status_code == 403
    )
    assert live.knob("press") == before
    policy = live.client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    for path, options in {
        "/knobs/none": {"json": {"on": True}},
        "/knobs/wifi": {"json": {"on": "yes"}},
        "/say?rate=1": {"content": b"\0\0"},
    }.items():
        answer = live.post(path, **options)
        assert answer.status_code == 409 and answer.json()["error"]
    assert live.post("/knobs/wifi", content=b"[").json()["error"]


def test_no_secret_reaches_the_page(live):
    """The stream, the page and the knobs' file, against the store of secrets itself."""
    import json

    live.wait_open()
    shown = (
        json.dumps(live.scene) + live.client.get("/").text + live.client.get("/knobs.json").text
    )
    secrets = json.loads((live.folder / "board" / "secrets.json").read_text())["values"]
    assert secrets["token"].startswith("dtok_")
    for name, secret in secrets.items():
        assert not secret or secret not in shown, name
    assert not re.search(r"dtok_[A-Za-z0-9]|sk_test|X-Amz-Signature=[0-9a-f]", shown)


def test_a_laptop_s_voice_is_recorded(live):
    """PCM as the browser brings it, 48 kHz; it comes out of storage again."""
    import io

    import numpy as np
    import soundfile

    live.wait_open()
    live.wait_idle()
    live.turn("laptop")
    assert live.scene is not None
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(48_000 * 3) / 48_000)).astype("<i2")
    live.turn("press")
    live.wait(lambda scene: scene["status"]["recorder"]["code"] == "recording")
    assert live.post("/say?rate=48000", content=tone.tobytes()).status_code == 200
    before = live.scene["heard_s"]
    live.wait(lambda scene: scene["heard_s"] - before > 3.2)
    live.turn("press")
    live.wait_idle()
    live.turn("laptop", False)
    last = max(live.scene["cloud"], key=lambda one: one["clip"])
    data = live.client.get(f"/audio/{last['id']}").content
    samples, rate = soundfile.read(io.BytesIO(data))
    loud = np.abs(samples) > 0.1
    assert rate == 16_000 and 1.5 < loud.sum() / rate * np.pi / 2 < 3.5
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(np.argmax(spectrum) * rate / len(samples) - 440) < 2


def test_a_browser_brings_its_microphone_and_says_where_there_is_none(page, live, browser):
    """Chromium's own stand-in for a microphone beeps once a second, through the real worklet."""
    live.wait_open()
    live.wait_idle()
    page.context.grant_permissions(["microphone"])  # else some browsers ask, and nobody answers
    page.locator('[data-knob="laptop"][aria-checked="false"]').click()
    page.locator("#refused:not(:empty)").wait_for()
    assert "This laptop has no microphone" in page.locator("#refused").inner_text()
    assert not live.knob("laptop")["is_on"]
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with_one = browser.browser_type.launch(executable_path=find_browser(), args=fake)
    try:
        opened = with_one.new_page()
        opened.goto(live.address)
        opened.locator('[data-knob="laptop"]').click()
        live.wait(lambda scene: live.knob("laptop")["is_on"])
        live.turn("press")
        live.wait(lambda scene: (scene["level_dbfs"] or -90) > -30)
        live.wait(lambda scene: scene["clips"][-1]["seconds"] > 1.2)
        live.turn("press")
        live.wait_idle()
        opened.locator('[data-knob="laptop"]').click()
        live.wait(lambda scene: not live.knob("laptop")["is_on"])
    finally:
        with_one.close()


def test_ctrl_c_delivers_what_waits_and_proves_it(page, live):
    """The last test: it ends the run, with a knob on and a take that nobody ended."""
    live.wait_open()
    live.turn("outage")
    live.turn("press")
    live.wait(lambda scene: scene["status"]["recorder"]["code"] == "recording")
    before = live.scene["heard_s"]
    live.wait(lambda scene: scene["heard_s"] - before > 1.2)
    assert live.finish() == 0, live.output()[-3000:]
    told = live.output()
    assert told.count("PROVED") == 2 and "FAILED" not in told
    page.get_by_text("The run has ended").wait_for()
    assert page.locator(".badge").inner_text() == "Proved"
    page.troubles = [one for one in page.troubles if "ERR_" not in one]  # the stream that ended
    picture(page, "ended")
    live.wait(lambda scene: scene["run"]["phase"] == "proved")
    assert live.scene["run"]["exit"] == 0
