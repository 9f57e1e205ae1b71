"""A fresh chip for each test, and the ports of hal/esp32/ imported over its fakes."""

import sys

import pytest

from host_tests.hal.fakes import chip as fakes
from host_tests.hal.fakes import clock

FIRMWARE = ("machine", "network", "esp32", "vfs")


@pytest.fixture
def chip(monkeypatch):
    """A chip that was just powered up; time in hal/esp32/ is its time."""
    saved = {name: sys.modules.get(name) for name in FIRMWARE}
    found = fakes.power_up()
    from device.hal.esp32 import button, microphone, sleep, system, wifi

    for module in (button, microphone, sleep, wifi):
        monkeypatch.setattr(module, "ticks_ms", lambda: found.now_ms)
    monkeypatch.setattr(system, "time", clock)
    yield found
    for name, module in saved.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module
