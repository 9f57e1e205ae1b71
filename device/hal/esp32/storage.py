"""Storage ports: an SD card with FAT, or the chip's own flash with littlefs.

Nothing is ever formatted here: a medium that does not mount is somebody's data until a person says
otherwise.
"""

import os

import vfs

from device.compat import const
from device.errors import NeedsOperator

_LEAST_BLOCK_BYTES = const(4096)
_EEXIST = const(17)
_CARD_AGAIN_MS = const(60_000)


class _Storage:
    """What both have in common. root: where clips lie; volume: where the medium is mounted."""

    def __init__(self, root, volume):
        self.root = root
        self._volume = volume

    def free_bytes(self):
        numbers = os.statvfs(self._volume)
        # While a file is open littlefs can count below zero, which statvfs shows as a huge number.
        blocks = numbers[3] if numbers[3] <= numbers[2] else 0
        return blocks * numbers[0]

    def total_bytes(self):
        numbers = os.statvfs(self._volume)
        return numbers[2] * numbers[0]


class CardStorage(_Storage):
    """table: sd_* of hal/esp32/boards.py. mount() before anything else."""

    def __init__(self, table, root="/sd"):
        super().__init__(root, root)
        self._table = table
        self.again_ms = _CARD_AGAIN_MS
        self._card = None
        self.is_mounted = False

    def mount(self):
        """Mount the card, also one that was put in anew: host and card begin from the start
        (machine_sdcard.c, sd_deinit; its ioctl DEINIT alone makes info() ask the card again).
        Raises NeedsOperator(storage_failed). The program stands still for as long as a card that
        is not there lets the driver wait.
        """
        root = self.root
        self._umount()
        if self._card is not None:
            self._card.deinit()
            self._card = None
        try:
            self._card = card = open_card(self._table)
            # A card that does not answer reads as success with rubbish (machine_sdcard.c gives
            # False, which is 0): info() raises.
            card.info()
            vfs.mount(vfs.VfsFat(card), root)
            self._block_bytes = max(_LEAST_BLOCK_BYTES, os.statvfs(root)[0])
            self.is_mounted = True
        except (OSError, ValueError) as e:
            self._umount()
            raise NeedsOperator("storage_failed", "card: %s; is it in, and FAT32?" % e)

    def _umount(self):
        self.is_mounted = False
        try:
            vfs.umount(self.root)
        except OSError:
            pass  # it was not mounted

    def free_bytes(self):
        """As the port has it; a count that failed is forgotten by mounting anew. FatFs would keep
        what it had counted up to the failure, 0 for instance, refuse every write as to a full
        card, and write that count to it (ff.c, f_getfree, create_chain).
        """
        try:
            return super().free_bytes()
        except OSError:
            try:
                self.mount()
            except NeedsOperator:
                pass  # the caller hears of the first failure
            raise

    def block_fill_bytes(self, index):
        """A cluster: whole ones are written quickest, and the table changes once for each."""
        return self._block_bytes


def open_card(table):
    """machine.SDCard as the table has it wired."""
    from machine import Pin, SDCard

    wiring = {
        "slot": table["sd_slot"],
        "freq": table["sd_freq_khz"] * 1000,
    }
    if table["storage"] == "sd_spi":
        for word in ("mosi", "miso", "cs"):
            wiring[word] = Pin(table["sd_%s_pin" % word])
        wiring["sck"] = Pin(table["sd_clk_pin"])
        return SDCard(**wiring)
    wiring["width"] = len(table["sd_data_pins"])
    if table["chip"] != "esp32":  # there the pins are fixed, and cmd is no argument
        wiring["sck"] = Pin(table["sd_clk_pin"])
        wiring["cmd"] = Pin(table["sd_cmd_pin"])
        wiring["data"] = [Pin(pin) for pin in table["sd_data_pins"]]
    return SDCard(**wiring)


class FlashStorage(_Storage):
    """The partition that the firmware mounted at /, mounted anew with options that need 16 times
    fewer reads (performance.md 2.2). Clips lie in a folder of their own beside the code. Raises
    NeedsOperator(storage_failed).
    """

    def __init__(self, volume="/", root="/rec"):
        super().__init__(root, volume)
        try:
            from esp32 import Partition

            found = Partition.find(Partition.TYPE_DATA, label="vfs")
            if not found:
                raise ValueError("no partition vfs")
            # First the new one, which only reads: if it fails, the old one is still there.
            mounted = vfs.VfsLfs2(found[0], readsize=512, progsize=32, lookahead=512)
            vfs.umount(volume)
            vfs.mount(mounted, volume)
            try:
                os.mkdir(root)
            except OSError as e:
                if e.errno != _EEXIST:
                    raise
        except (OSError, ValueError) as e:
            raise NeedsOperator("storage_failed", "flash: %s" % e)

    def block_fill_bytes(self, index):
        """A littlefs file is a list linked backwards: block i > 0 holds ctz(i) + 1 pointers
        first.
        """
        if index == 0:
            return _LEAST_BLOCK_BYTES
        pointers = 1
        while not index & 1:
            index >>= 1
            pointers += 1
        return _LEAST_BLOCK_BYTES - 4 * pointers
