"""esptool as a subprocess: who the chip is, writing its flash, reading it back.

A subprocess for the reasons port.py has: its library prints, asks, and waits without limit. It
talks to the loader in the chip's ROM, so it also works on a board without any program.
"""

import dataclasses
import importlib.util
import re
import sys

from tools.recorder.errors import NoDevice, NotVerified, ToolError, UsageError
from tools.recorder.firmware import Firmware
from tools.recorder.manners import busy_message
from tools.recorder.process import printable, watched

_CONNECT_LIMIT_S = 60.0
_BYTES_PER_S = 4_000  # 115200 baud with a ROM that does not unpack, erasing before
BAUD = 460_800


@dataclasses.dataclass
class Chip:
    """name: esptool's ("esp32s3"). flash_bytes: 0 if it did not say."""

    name: str
    mac: str
    flash_bytes: int


class Loader:
    """device: name of the serial port. has_stub: with esptool's own flasher, which is quicker and
    can erase all; without it the ROM alone.
    """

    def __init__(self, device: str, baud: int = BAUD, has_stub: bool = True):
        if importlib.util.find_spec("esptool") is None:
            raise UsageError("esptool is not installed here: `pip install esptool==5.6.0`.")
        self.device = device
        self._options = ["--port", device, "--baud", str(baud)]
        self._options += [] if has_stub else ["--no-stub"]

    def chip(self) -> Chip:
        """Raises NoDevice."""
        said = self._run(["flash-id"], _CONNECT_LIMIT_S, "ask the chip", stays=True)
        name = re.search(r"Chip type:\s+(ESP32(?:-[A-Z]\d+)?)", said)
        mac = re.search(r"MAC:\s+([0-9a-f:]{17})", said)
        size = re.search(r"Detected flash size:\s+(\d+)([KM])B", said)
        if not name:
            raise ToolError(
                f"{self.device}: esptool does not say which chip it is: {_last_words(said)}"
            )
        unit = {"K": 1 << 10, "M": 1 << 20}
        return Chip(
            name.group(1).lower().replace("-", ""),
            mac.group(1) if mac else "",
            int(size.group(1)) * unit[size.group(2)] if size else 0,
        )

    def write(self, firmware: Firmware, erases_all: bool) -> None:
        arguments = ["write-flash"] + (["--erase-all"] if erases_all else [])
        arguments += [hex(firmware.offset), str(firmware.path)]
        self._run(arguments, self._limit_s(firmware), "write", firmware.chip, stays=True)

    def verify(self, firmware: Firmware) -> None:
        """Raises NotVerified if the flash does not hold the file. The board starts anew."""
        arguments = ["verify-flash", hex(firmware.offset), str(firmware.path)]
        try:
            self._run(arguments, self._limit_s(firmware), "verify", firmware.chip)
        except NoDevice:
            raise
        except ToolError as error:
            raise NotVerified(f"{error} The board must not be used like this.") from None

    def _limit_s(self, firmware: Firmware) -> float:
        return _CONNECT_LIMIT_S + firmware.size_bytes / _BYTES_PER_S

    def _run(self, arguments, limit_s: float, step: str, chip: str = "auto", stays=False) -> str:
        """All that esptool said. stays: the chip waits in its loader for the next command."""
        command = [sys.executable, "-m", "esptool", "--chip", chip, *self._options]
        command += ["--after", "no-reset" if stays else "hard-reset", *arguments]
        code, said = watched(command, limit_s)
        if code == 0:
            return said
        if code is None:
            raise NoDevice(
                f"{self.device}: no end of {step!r} within {limit_s:.0f} s. Hold the button BOOT "
                "while you press RESET, and try again."
            )
        if re.search("could not open|port is busy|Permission denied|does not exist", said, re.I):
            raise NoDevice(busy_message(self.device))
        if "Failed to connect" in said or "No serial data" in said:
            raise NoDevice(
                f"{self.device}: the chip's loader does not answer. Hold the button BOOT while "
                "you press RESET, and try again; another cable or port may help."
            )
        raise ToolError(f"{self.device}: esptool failed to {step}: {_last_words(said)}")


def _last_words(said: str) -> str:
    """The end of what esptool said, on one line."""
    return printable(said)[-300:] or "nothing"
