"""The virtual board boots the image that `make image BOARD=virtual` wrote, and does the main job
from it: hears, keeps, delivers over TLS, frees.
"""

import json
import time

import numpy as np
import pytest

from tools.bench.cycle import Bench
from tools.cloud import Cloud
from tools.image import __main__ as image
from tools.image import littlefs_image, romfs_image, tree
from tools.sim import proof
from tools.sim.audio import SAMPLE, read_samples
from tools.sim.board import SSID, WIFI_PASSWORD, find_micropython
from tools.sim.build import HOST_ARCH
from tools.sim.control import ControlServer
from tools.sim.serial import SerialBoard

RATE_HZ = 16000
ROM_HEAP_KB = 248  # 236 run short
HEAP_KB = 400  # and its own flash in the heap, which the simulator keeps outside
LIMIT_S = 60


@pytest.mark.skipif(find_micropython() is None, reason="no MicroPython unix port here")
def test_it_does_the_main_job_in_place_from_rom(tmp_path):
    """Less heap than the same .mpy files need in RAM (docs/memory.md)."""
    rom = tmp_path / "app.romfs"
    rom.write_bytes(romfs_image.write(tree.rom_files(HOST_ARCH)))
    with Bench(tmp_path, rom) as bench:
        assert bench.does_a_cycle(1, ROM_HEAP_KB)


@pytest.mark.skipif(find_micropython() is None, reason="no MicroPython unix port here")
def test_the_image_boots_and_does_the_main_job(tmp_path):
    samples = np.resize(read_samples(SAMPLE, RATE_HZ), 36 * RATE_HZ)
    with Cloud.start(tmp_path / "cloud") as cloud:
        _, token = cloud.register_recorder("SIM-IMAGE")
        config = {
            "recording": {"mode": "button", "clip_length_s": 30},
            "wifi": {"networks": [SSID]},
            "cloud": {"api_url": cloud.api_origin, "heartbeat_s": 0},
            "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}", "wait_s": 5},
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        words = ["virtual", "--out", str(tmp_path), "--config", str(tmp_path / "config.json")]
        assert image.main(words) == 0
        written = (tmp_path / "virtual" / "flash.img").read_bytes()
        control = ControlServer()
        with SerialBoard(tmp_path / "board", "SIM-IMAGE", HEAP_KB) as board:
            board.equip(
                hosts=cloud.hosts,
                root_der=cloud.ca_der,
                samples=samples.tobytes(),
                wifi={SSID: WIFI_PASSWORD},
                control=control.address,
                rate_hz=RATE_HZ,
                speed=0,
            )
            (board.hardware / "system.img").write_bytes(written)
            secrets = {"values": {"token": token, "wifi:" + SSID: WIFI_PASSWORD}}
            secrets["counters"] = {"epoch": 1}
            (board.hardware / "secrets.json").write_text(json.dumps(secrets))
            board.plug_in()
            control.command("press", LIMIT_S)
            control.wait_event("microphone_end", LIMIT_S)
            control.command("press", LIMIT_S)
            for _ in range(LIMIT_S * 5):
                status = control.command("status", LIMIT_S)
                if status["recorder"]["code"] == "idle" and not status["queue"]["waiting"]:
                    break
                time.sleep(0.2)
            board.pull_cable()
            serial = (board.folder / "serial.log").read_text(errors="replace")
            assert status["queue"]["code"] == "nothing_to_send", (status, serial[-2000:])
            proofs = proof.collect(cloud, serial)
            truth = np.frombuffer((board.hardware / "truth.pcm").read_bytes(), "<i2")
            assert proof.compare_with_truth(proofs, truth) == 0
            assert [p.faults for p in proofs] == [[], []], serial[-2000:]
            assert np.array_equal(truth, samples)
            assert proof.flash_leftovers(board.hardware) == []
            assert board.resets == []
            # What ran is what was built, and it still lies there as it was.
            now = board.read_image()
            for name, data in littlefs_image.read(written).items():
                assert name in ("boot0", "boot1") or now[name] == data, name
        control.close()
