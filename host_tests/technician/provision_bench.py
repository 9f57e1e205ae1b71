"""Boards of every age on serial ports, a cloud, and the files and commands of who provisions."""

import json
import os
import pathlib
import shutil

from rescue import boot_record
from tools.cloud.client import loopback_client
from tools.image import littlefs_image, tree
from tools.recorder import minting
from tools.sim.board import SSID, WIFI_PASSWORD
from tools.sim.serial import SYSTEM_KB, SerialBoard

ARCH = "x64"
OLD_TOKEN = "dtok_of_before_0123456789"
OLD_CONFIG = b'{"log": {"level": "debug"}}\n'


def old_release() -> dict[str, bytes]:
    """The program as it was: one module differs, one is new since, one has gone since."""
    files = dict(tree.release_files(ARCH))
    files["device/log.mpy"] += b" "  # a .mpy ends where its code ends
    files["device/left.mpy"] = b"of old"
    del files["device/field/settings.mpy"]
    return files


def old_tree() -> dict[str, bytes]:
    """A recorder that has worked for long: the old program in a/, proved."""
    files = old_release()
    found = {f"a/{name}": data for name, data in files.items()} | dict(tree.root_files(ARCH))
    found["a/release.json"] = tree.release_json(files, "0.0.9", ARCH)
    found["boot1"] = boot_record.encode(1, "a", boot_record.NONE, 0)
    return found | {"config.json": OLD_CONFIG}


def flat_tree() -> dict[str, bytes]:
    """A recorder of before the releases: device/ at the root; its boot.py knows no other."""
    found = {n: d for n, d in old_release().items() if n.startswith("device/")}
    found |= {"main.py": tree.root_files(ARCH)["main.py"]}
    found["boot.py"] = FLAT_BOOT
    return found | {"config.json": OLD_CONFIG}


def filled(files: dict[str, bytes], left_kb: int = 400) -> dict[str, bytes]:
    """The same flash with a clip on it that leaves no room for a second release."""
    clip = littlefs_image.free_bytes(files, SYSTEM_KB * 1024) - left_kb * 1024
    return files | {"rec/clip.wav": bytes(clip)}


# As it ended a provisioning before there were releases.
FLAT_BOOT = b"""\
import os
try:
    os.stat("incoming/commit")
    from incoming.apply import apply
    def open_secrets():
        from device.hal.sim.board import open_secrets
        return open_secrets()
    apply(open_secrets)
except OSError:
    pass
"""


class Images:
    """System flash images of a kind, made once and copied."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    def get(self, kind: str) -> pathlib.Path:
        path = self._folder / f"{kind}.img"
        if not path.exists():
            board = SerialBoard(self._folder / kind)
            board.equip()
            made = {"old": old_tree, "flat": flat_tree, "new": lambda: tree.board_tree(ARCH)}
            board.image(None, made[kind]())
            shutil.move(board.hardware / "system.img", path)
        return path


class Bench:
    """folder: of the person at the laptop. cloud: or None where nobody answers."""

    def __init__(self, folder: pathlib.Path, images: Images, cloud=None):
        self.folder = folder
        self.cloud = cloud
        self._images = images
        self.boards: list[SerialBoard] = []

    def board(self, kind: str, serial_number: str, is_plugged: bool = True, **equipment):
        """kind: "empty", "old", "flat", "new". In reach of the cloud, if there is one."""
        board = SerialBoard(self.folder / "boards" / serial_number, serial_number)
        reach = {"wifi": {SSID: WIFI_PASSWORD}}
        if self.cloud:
            reach |= {"hosts": self.cloud.hosts, "root_der": self.cloud.ca_der}
        if kind != "empty":
            shutil.copy(self._images.get(kind), board.hardware / "system.img")
        board.equip(**(reach | equipment))
        if kind in ("old", "flat"):
            secrets = {"values": {"token": OLD_TOKEN}, "counters": {"epoch": 1}}
            (board.hardware / "secrets.json").write_text(json.dumps(secrets))
        self.boards.append(board)
        if is_plugged:
            board.plug_in()
        return board

    def config(self, **changes) -> str:
        tree_ = dict(changes)
        if self.cloud:
            tree_["cloud"] = {"api_url": self.cloud.api_origin}
            tree_["clock"] = {"ntp_server": f"ntp.bota.test:{self.cloud.ntp_address[1]}"}
        return self.file("config.json", json.dumps(tree_))

    def wifi(self, networks: dict[str, str] | None = None) -> str:
        networks = {SSID: WIFI_PASSWORD} if networks is None else networks
        entries = [{"ssid": ssid, "password": password} for ssid, password in networks.items()]
        return self.file("wifi.json", json.dumps(entries))

    def file(self, name: str, data: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    def user(self) -> str:
        with self.cloud.operator() as operator:
            return operator.post("/end-users", json={"name": "somebody"}).json()["id"]

    def use_cloud(self, monkeypatch) -> None:
        """The laptop reaches the cloud by its name, and the operator's key is at hand."""
        ca_pem = self.cloud.ca_pem
        monkeypatch.setattr(
            minting,
            "open_client",
            lambda url, key: loopback_client(url.rstrip("/") + "/v1", ca_pem, key.reveal()),
        )
        monkeypatch.setenv("RECORDER_API_KEY", self.cloud.operator_key)

    def close(self) -> None:
        for board in self.boards:
            board.pull_cable()


def live(board: SerialBoard) -> tuple[dict[str, bytes], bytes | None, str]:
    """What the board would run, read from flash and secrets without it: (program, config.json,
    token). The board must be unplugged."""
    image = board.read_image()
    records = [boot_record.parse(image.get(name, b"")) for name in ("boot0", "boot1")]
    _, release, trial, _ = max(filter(None, records), default=(0, "-", "-", 0))
    folder = trial if trial != "-" else release
    start = "device/" if folder == "-" else folder + "/"
    program = {
        path.removeprefix(folder + "/"): data
        for path, data in image.items()
        if path.startswith(start) and not path.endswith("/release.json")
    }
    return program, image.get("config.json"), board.secrets().get("token", "")


def ports_of(*boards: SerialBoard) -> str:
    return os.pathsep.join(board.device for board in boards)


def record(bench: Bench) -> list[dict]:
    return [json.loads(line) for line in (bench.folder / "provisioned.jsonl").open()]


def device_of(cloud, live: dict) -> dict:
    """What the cloud knows of the device that a result names."""
    with cloud.operator() as operator:
        return operator.get("/devices/" + live["bound_to"].split()[0]).json()
