"""Roots alone are replaced by a signed bundle: a board that believed nobody believes the cloud."""

import json

import pytest
from test_roots import folder_of

from rescue import boot_record
from tools.bundle import form, roots
from tools.cloud import Cloud
from tools.image import tree
from tools.recorder.cli import main
from tools.recorder.port import Board
from tools.sim.board import SSID, WIFI_PASSWORD, find_micropython
from tools.sim.serial import SerialBoard

pytestmark = pytest.mark.skipif(
    find_micropython() is None, reason="no MicroPython unix port for this platform"
)
_SECRETS = """
from device.hal.sim.board import build
secrets = build().secrets
secrets.set("wifi:" + %r, %r)
secrets.set("token", %r)
print('@field {"answer": 1}')
"""


@pytest.fixture
def cloud(tmp_path):
    with Cloud.start(tmp_path / "cloud", rate_limits=False) as running:
        yield running


@pytest.fixture
def serial(tmp_path, maker, cloud):
    """A recorder with a token for cloud, whose root has signed nothing that the cloud shows."""
    _, token = cloud.register_recorder("SIM-0009")
    config = {
        "wifi": {"networks": [SSID]},
        "cloud": {"api_url": cloud.api_origin},
        "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}"},
    }
    files = tree.board_tree("x64", boot_record.NONE, config=json.dumps(config).encode())
    with SerialBoard(tmp_path / "board", "SIM-0009") as board:
        board.equip(hosts=cloud.hosts, wifi={SSID: WIFI_PASSWORD})
        board.image(None, files | {"trust/keys": maker.trust})
        board.plug_in()
        Board(board.device).run(_SECRETS % (SSID, WIFI_PASSWORD, token), 60, "secrets")
        yield board


def typed(capsys, serial, *words):
    capsys.readouterr()
    code = main([*map(str, words), "--board", serial.device, "--json"])
    return code, json.loads(capsys.readouterr().out)


def checked(capsys, serial):
    """Test -> its results, in order."""
    found = {}
    for test in typed(capsys, serial, "check")[1]["tests"]:
        found.setdefault(test["test"], []).append(test)
    return found


def test_a_signed_set_of_roots_brings_the_cloud_back(serial, cloud, maker, tmp_path, capsys):
    before = checked(capsys, serial)
    assert before["heartbeat"][0]["code"] == "tls_untrusted"
    shipped = [path.read_bytes() for path in sorted(roots.FOLDER.glob("*.der"))]
    packed = roots.pack(folder_of(tmp_path / "set", "2031.1.1", cloud.ca_der, *shipped[:2]))
    bundle = tmp_path / "roots.bundle"
    bundle.write_bytes(form.sign(form.roots(packed, "2031.1.1"), maker.key))
    code, done = typed(capsys, serial, "update", "--bundle", bundle)
    assert code == 0 and done["version"] == "2031.1.1"
    after = checked(capsys, serial)
    assert after["heartbeat"][0]["ok"] and after["second_opinion"][0]["ok"]
    ends = {test["name"]: test["ends"] for test in after["roots"]}
    assert ends["Amazon Root CA 1"] == "2038-01-17" and len(ends) == 3
