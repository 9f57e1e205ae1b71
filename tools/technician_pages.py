"""Runs the technician's commands on virtual boards and puts what they really print into the pages.

    python -m tools.technician_pages          # rewrites the outputs in docs/technician*.md

An output stands in a page between two comments, and is named by the first:

    <!-- output: check -->
    …
    <!-- end -->

The device code, mpremote, esptool and the cloud are real, the boards are of tools/sim. Names of
ports and folders are shown as a technician's laptop would have them.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import time

import numpy as np

from tools.cloud import Cloud
from tools.cloud.client import loopback_client
from tools.recorder import delivery, minting
from tools.recorder.cli import main
from tools.recorder.line import Line
from tools.recorder.port import Board
from tools.sim.board import SSID, WIFI_PASSWORD
from tools.sim.build import ROOT, build
from tools.sim.rom_loader import RomLoader
from tools.sim.serial import SerialBoard

_PAGES = sorted((ROOT / "docs").glob("technician*.md"))
_MARKED = re.compile(r"(<!-- output: ([a-z-]+) -->\n).*?(<!-- end -->)", re.S)
_SECRETS = """
from device.hal.sim.board import build
secrets = build().secrets
for key, value in %r.items():
    secrets.set(key, value)
print('@field {"answer": 1}')
"""
_REFUSED = """
from device.hal.sim.board import build
from device.store.store import ClipStore
board = build()
clip = ClipStore(board.storage, board.secrets).clip(1)
clip.load()
clip.save(state="parked", why="refused", said="status=422 lookback")
print('@field {"answer": 1}')
"""


class Laptop:
    """Types commands and keeps what they print. shown_as: text -> what the page shows instead."""

    def __init__(self):
        self.outputs: dict[str, str] = {}
        self.shown_as: dict[str, str] = {}

    def run(self, name: str, *commands: list) -> None:
        """One output of a page: commands one after another, each behind a $."""
        parts = []
        for words in commands:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                main([str(word) for word in words])
            typed = " ".join(map(str, words))
            parts.append(f"$ recorder {typed}\n{said.getvalue().rstrip()}")
        text = "\n".join(parts)
        for real, shown in self.shown_as.items():
            text = text.replace(real, shown)
        self.outputs[name] = "\n".join(("    " + line).rstrip() for line in text.splitlines())
        print(f"--- {name}\n{text}", file=sys.stderr)


def make_board(folder: pathlib.Path, name: str, cloud, token: str, is_in_reach: bool):
    """A provisioned board: settings, network, token; a phone plays 1 kHz beside it."""
    serial = SerialBoard(folder / name, name)
    tone = np.sin(2 * np.pi * 1000 * np.arange(64_000) / 16_000) * 6_000
    serial.equip(
        hosts=cloud.hosts,
        root_der=cloud.ca_der,
        wifi={SSID: WIFI_PASSWORD} if is_in_reach else {},
        samples=tone.astype("<i2").tobytes() * 8,
    )
    config = {
        "wifi": {"networks": [SSID]},
        "cloud": {"api_url": cloud.api_origin},
        "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}"},
    }
    built = build(ROOT / "build" / "technician-pages")
    serial.image(built, {"config.json": json.dumps(config).encode()})
    serial.plug_in()
    secrets = {"token": token, "wifi:" + SSID: WIFI_PASSWORD}
    board = Board(serial.device)
    board.run(_SECRETS % (secrets,), 60, "secrets")
    board.release()
    return serial


def record(serial, seconds: float) -> None:
    """A take, as the button would make it."""
    with Line(serial.device) as line:
        line.ask({"do": "record", "on": True}, 20)
        time.sleep(seconds)
        line.ask({"do": "record", "on": False})
        time.sleep(0.5)


def firmware_file(folder: pathlib.Path) -> pathlib.Path:
    """A file with the heads of a MicroPython build and nothing in it; no page claims more."""
    data = bytearray(0x14000)
    for at in (0, 0x10000):
        data[at : at + 14] = b"\xe9\x03\x02\x40" + bytes(8) + b"\x09\x00"
    texts = ((0, b"\x32\x54\xcd\xab"), (16, b"v1.28.0"), (48, b"micropython"), (112, b"v5.5.1"))
    for at, text in texts:
        data[0x10020 + at : 0x10020 + at + len(text)] = text
    path = folder / "ESP32_GENERIC_S3-20260406-v1.28.0.bin"
    path.write_bytes(data)
    return path


def tell(laptop: Laptop, folder: pathlib.Path, cloud) -> None:
    """The day of a technician, page by page."""
    shown_as = laptop.shown_as
    _, token = cloud.register_recorder("REC-0001")
    os.environ["RECORDER_DEVICE_TOKEN"] = token
    delivery.open_client = lambda ca: loopback_client("", cloud.ca_pem)
    _, other_token = cloud.register_recorder("REC-0002")
    clips = folder / "clips"
    shown_as |= {str(clips): "clips", str(folder / "rec1.tar.gz"): "rec1.tar.gz"}
    shown_as[f" --api-url {cloud.api_origin}"] = ""
    with RomLoader(folder) as loader:
        path = firmware_file(folder)
        shown_as |= {str(path): path.name, loader.device: "/dev/ttyUSB2"}
        words = ["flash", "--firmware", path, "--board", loader.device, "--keep"]
        laptop.run("flash", words, [*words, "--force"])
    with (
        make_board(folder, "REC-0001", cloud, token, is_in_reach=False) as far,
        make_board(folder, "REC-0002", cloud, other_token, is_in_reach=True) as near,
    ):
        shown_as |= {far.device: "/dev/ttyUSB0", near.device: "/dev/ttyUSB1"}
        os.environ["RECORDER_PORTS"] = os.pathsep.join((far.device, near.device))
        record(far, 3)
        record(far, 4)
        laptop.run("list", ["list"])
        here, there = ["--board", "REC-0001"], ["--board", "REC-0002"]
        laptop.run("console", ["console", "--for", "1s", *here])
        laptop.run("send", ["send", 2, *here])
        laptop.run("logs", ["logs", "--last", "4", *here])
        laptop.run("doctor", ["doctor", *here, "--bundle", folder / "rec1.tar.gz"])
        laptop.run("check", ["check", "--no-ask", "--tone", "1000", "--trial-clip", *there])
        laptop.run("check-bad", ["check", "--no-ask", *here])
        Board(far.device).run(_REFUSED, 60, "refused")
        laptop.run("requeue", ["requeue", "--why", "refused", *here])
        laptop.run("pull", ["pull", clips, *here])
        laptop.run("deliver", ["deliver", clips, "--api-url", cloud.api_origin])
        laptop.run("receipt", ["receipt", clips, *here])
        record(far, 2)
        words = ["wipe", "--confirm", "REC-0001", *here]
        laptop.run("wipe", words, [*words, "--lose-clips"])


def provision(laptop: Laptop, folder: pathlib.Path, cloud) -> None:
    """One board, then a batch of three on a hub; the third has a token that was revoked."""
    shown_as = laptop.shown_as
    bench = folder / "bench"
    bench.mkdir()
    os.chdir(bench)
    ca_pem = cloud.ca_pem
    minting.open_client = lambda url, key: loopback_client(url + "/v1", ca_pem, key.reveal())
    os.environ["RECORDER_API_KEY"] = cloud.operator_key
    with cloud.operator() as operator:
        user = operator.post("/end-users", json={"name": "somebody"}).json()["id"]
    shown_as |= {user: "eu_k2", cloud.api_origin: "https://api.bota.dev"}
    clock = f"ntp.bota.test:{cloud.ntp_address[1]}"
    shown_as[clock] = "pool.ntp.org"
    config = {"cloud": {"api_url": cloud.api_origin}, "clock": {"ntp_server": clock}}
    (bench / "config.json").write_text(json.dumps(config))
    (bench / "wifi.json").write_text(json.dumps([{"ssid": SSID, "password": WIFI_PASSWORD}]))
    (bench / "old-token").write_text("dtok_revoked")
    (bench / "devices.csv").write_text(
        "board,label,config,wifi,token_from\n"
        f"24C0FFEE0002,REC-0012,config.json,wifi.json,mint:{user}\n"
        f"24C0FFEE0003,REC-0013,config.json,wifi.json,mint:{user}\n"
        "24C0FFEE0004,REC-0014,config.json,wifi.json,file:old-token\n"
    )
    names = [f"24C0FFEE000{n}" for n in range(1, 5)]
    boards = [SerialBoard(folder / name, name) for name in names]
    for number, board in enumerate(boards):
        board.equip(hosts=cloud.hosts, root_der=cloud.ca_der, wifi={SSID: WIFI_PASSWORD})
        shown_as[board.device] = f"/dev/ttyACM{number}"
    with contextlib.ExitStack() as stack:
        for board in boards:
            stack.enter_context(board)
        boards[0].plug_in()
        os.environ["RECORDER_PORTS"] = boards[0].device
        words = ["provision", "--config", "config.json", "--wifi", "wifi.json", "--label"]
        words += ["REC-0011", "--token-from", f"mint:{user}"]
        laptop.run("provision-plan", [*words, "--dry-run"])
        laptop.run("provision", words)
        laptop.run("provision-again", words)
        boards[0].pull_cable()
        for board in boards[1:]:
            board.plug_in()
        os.environ["RECORDER_PORTS"] = os.pathsep.join(board.device for board in boards[1:])
        laptop.run("provision-batch", ["provision", "--batch", "devices.csv", "--jobs", "2"])
        sheet = ["labels", "--record", "devices.record.jsonl", "-o", "labels.pdf"]
        laptop.run("labels", sheet)
    os.chdir(ROOT)


def rewrite(page: pathlib.Path, outputs: dict[str, str]) -> None:
    """Raises KeyError for an output that no command has made."""
    text = page.read_text()
    new = _MARKED.sub(lambda m: f"{m[1]}\n{outputs[m[2]]}\n\n{m[3]}", text)
    if new != text:
        page.write_text(new)
        print(page.relative_to(ROOT))


def run() -> int:
    os.environ["COLUMNS"] = "120"
    laptop = Laptop()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Cloud.start(folder / "cloud", rate_limits=False) as cloud:
            tell(laptop, folder, cloud)
            provision(laptop, folder, cloud)
    for page in _PAGES:
        rewrite(page, laptop.outputs)
    return 0


if __name__ == "__main__":
    sys.exit(run())
