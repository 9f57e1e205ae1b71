"""Runs on the unix port: the storage ports of hal/esp32/ over real littlefs and FAT, on devices in
RAM that behave as esp32.Partition and machine.SDCard do.
"""

import json
import os
import sys


class Flash:
    """like ports/esp32/esp32_partition.c (esp32_partition_readblocks and its siblings): 4096-byte
    blocks, erased to ones, programming clears bits.
    """

    TYPE_DATA = 1
    partitions = {}

    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * (4096 * blocks))
        self.reads = self.erases = 0

    @classmethod
    def find(cls, kind, label=None):
        return [cls.partitions[label]] if label in cls.partitions else []

    def readblocks(self, block, buf, offset=0):
        self.reads += 1
        at = block * 4096 + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=None):
        at = block * 4096 + (offset or 0)
        if offset is None:
            self.ioctl(6, block)
        for i in range(len(buf)):
            self.data[at + i] &= buf[i]

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // 4096
        if operation == 5:
            return 4096
        if operation == 6:
            self.erases += 1
            self.data[argument * 4096 : argument * 4096 + 4096] = b"\xff" * 4096
        return 0


class Card:
    """like ports/esp32/machine_sdcard.c (machine_sdcard_readblocks, machine_sdcard_ioctl)."""

    def __init__(self, sectors):
        self.data = bytearray(512 * sectors)
        self.fails_in = None  # reads until one fails

    def deinit(self):
        pass

    def info(self):
        return len(self.data), 512

    def readblocks(self, block, buf):
        if self.fails_in is not None:
            self.fails_in -= 1
            if self.fails_in < 0:
                self.fails_in = None
                return -5
        buf[:] = self.data[block * 512 : block * 512 + len(buf)]
        return 0

    def writeblocks(self, block, buf):
        self.data[block * 512 : block * 512 + len(buf)] = buf
        return 0

    def ioctl(self, operation, argument):
        return {4: len(self.data) // 512, 5: 512}.get(operation, 0)


results = {}


def run(name, check, *arguments):
    try:
        check(*arguments)
        results[name] = "ok"
    except Exception as e:  # noqa: BLE001  every ending is a result
        results[name] = repr(e)


def code_is_still_there(port, flash):
    with open("/inner/main.py") as f:
        assert f.read() == "what the firmware wrote with its own options"
    assert port.root == "/inner/rec" and os.stat(port.root)


def reads_are_few(port, flash):
    for i in range(100):
        with open("/inner/rec/f%03d" % i, "w") as f:
            f.write("x")
    before = flash.reads
    with open("/inner/rec/big", "wb") as f:
        for _ in range(64):
            f.write(bytes(1024))
    # 57, and 551 with the options that the firmware mounts with.
    assert flash.reads - before < 100, flash.reads - before
    for i in range(100):
        os.remove("/inner/rec/f%03d" % i)
    os.remove("/inner/rec/big")


def foreign_flash_is_not_formatted(port, flash):
    from device.hal.esp32 import storage

    other = Flash.partitions["vfs"] = Flash(64)
    other.data[:40] = b"somebody's photos, and no littlefs at all"[:40]
    try:
        storage.FlashStorage("/inner", "/inner/rec")
        raise AssertionError("it was mounted")
    except storage.NeedsOperator as e:
        assert e.code == "storage_failed"
    assert other.erases == 0 and os.stat("/inner/main.py")


def foreign_card_is_not_formatted(card):
    from device.hal.esp32 import storage

    try:
        storage.CardStorage({}, "/card").mount()
        raise AssertionError("it was mounted")
    except storage.NeedsOperator as e:
        assert e.code == "storage_failed"
    assert card.data == bytes(512 * 8192)


def a_count_that_failed_is_no_full_card(port, card):
    """Whichever read of the count fails: the next one is true, and the card takes a file."""
    whole = port.free_bytes()
    for n in range(3):
        remount(card)  # the port's own would count
        card.fails_in = n
        try:
            port.free_bytes()
            raise AssertionError("read %d was not reached" % n)
        except OSError as e:
            assert e.errno == 5
        assert port.free_bytes() == whole, n
        with open("/card/again", "w") as f:
            f.write("x")
        os.remove("/card/again")


def remount(card):
    import vfs

    vfs.umount("/card")
    vfs.mount(vfs.VfsFat(card), "/card")


def blocks_are_whole_clusters(port):
    cluster = os.statvfs("/card")[0]
    fills = [port.block_fill_bytes(i) for i in (0, 1, 7)]
    assert fills[0] == fills[1] == fills[2] and fills[0] % cluster == 0 and fills[0] >= 4096


def main():
    import checks
    import vfs

    class esp32:  # the module of firmware that the unix port lacks
        Partition = Flash

    sys.modules["esp32"] = esp32
    from device.hal.esp32 import storage

    flash = Flash.partitions["vfs"] = Flash(256)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/inner")
    with open("/inner/main.py", "w") as f:
        f.write("what the firmware wrote with its own options")
    port = storage.FlashStorage("/inner", "/inner/rec")
    for check in checks.STORAGE:
        run("flash " + check.__name__, check, port, {})
    for check in (code_is_still_there, reads_are_few, foreign_flash_is_not_formatted):
        run("flash " + check.__name__, check, port, flash)
    card = Card(8192)
    storage.open_card = lambda table: card
    run("card foreign_card_is_not_formatted", foreign_card_is_not_formatted, card)
    vfs.VfsFat.mkfs(card)
    port = storage.CardStorage({}, "/card")
    port.mount()
    for check in checks.STORAGE:
        if check.__name__ != "blocks_fill_as_littlefs_does":
            run("card " + check.__name__, check, port, {})
    run("card blocks_are_whole_clusters", blocks_are_whole_clusters, port)
    run(
        "card a_count_that_failed_is_no_full_card", a_count_that_failed_is_no_full_card, port, card
    )
    sys.stdout.write("\n" + json.dumps(results) + "\n")
