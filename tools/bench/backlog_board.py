# Runs on the unix port for tools/bench/backlog.py: a medium that fills, and what each step costs.
#   backlog_board.py CODE MEDIUM KB N...     in the current folder; one JSON line for each N
# Clips are made by the store's own code, with audio of one block each. At each N the medium is
# mounted anew, as after a reset; the block device counts its reads.
import asyncio
import gc
import json
import sys

RATE_HZ = 16000
AUDIO_BYTES = 600  # above what littlefs keeps inline
DELIVERED = 16  # two leaves


class Card:
    """FAT on 512-byte sectors in a file: the storage port of an SD card, counting reads."""

    root = "/card"

    def __init__(self, size_kb):
        import vfs

        self.device = self
        self.reads = self.programs = 0
        self._sectors = 2 * size_kb
        self._f = open("card.img", "w+b")
        self._f.seek(self._sectors * 512 - 1)
        self._f.write(b"\0")
        vfs.VfsFat.mkfs(self)
        self._is_mounted = False
        self.mount()

    def mount(self):
        import vfs

        if self._is_mounted:
            vfs.umount(self.root)
        vfs.mount(vfs.VfsFat(self), self.root)
        self._is_mounted = True

    def readblocks(self, block, buf):
        self.reads += 1
        self._f.seek(block * 512)
        self._f.readinto(buf)
        return 0

    def writeblocks(self, block, buf):
        self.programs += 1
        self._f.seek(block * 512)
        self._f.write(buf)
        return 0

    def ioctl(self, operation, argument):
        return {4: self._sectors, 5: 512}.get(operation, 0)

    def block_fill_bytes(self, index):
        return 4096

    def free_bytes(self):
        import os

        numbers = os.statvfs(self.root)
        return numbers[3] * numbers[0]


class Secrets:
    def __init__(self):
        self._counters = {}

    def counter(self, key):
        return self._counters.get(key, 0)

    def raise_counter(self, key, value):
        self._counters[key] = value


class Bench:
    def __init__(self, medium, size_kb):
        from device.hal.sim.flash import FlashStorage
        from device.store.store import ClipStore

        self._secrets = Secrets()
        self._storage = FlashStorage(".", size_kb) if medium == "lfs" else Card(size_kb)
        self._device = self._storage.device
        self._piece = memoryview(bytes(AUDIO_BYTES))
        self._work = memoryview(bytearray(2304))
        self._store = ClipStore(self._storage, self._secrets)
        self._store.prepare()
        self.clips = 0

    def _open(self):
        facts = {"codec": "wav", "hz": RATE_HZ, "take": 0, "index": 0, "first": 0, "boot": 1}
        return self._store.open(dict(facts, up=9, epoch=1))

    def _close(self, clip, writer):
        self._store.close(clip, writer, samples=RATE_HZ, last=1)
        self.clips += 1

    def add(self):
        clip, writer = self._open()
        writer.write(self._piece, RATE_HZ)
        self._close(clip, writer)

    def grow(self, clips):
        while self.clips < clips:
            self.add()

    def measure(self):
        """Reads of each step after a reset, and the heap that all of it keeps."""
        from device.log import Log
        from device.queue.backlog import Backlog
        from device.store.recovery import Recovery
        from device.store.store import ClipStore

        waiting = self.clips
        self._store = None
        gc.collect()
        before = gc.mem_alloc()
        reads = {}

        def counted(what, function, *arguments):
            began = self._device.reads
            result = function(*arguments)
            reads[what] = reads.get(what, 0) + self._device.reads - began
            return result

        # From the reset to the first sample that is on the medium.
        counted("boot", self._storage.mount)
        self._store = store = ClipStore(self._storage, self._secrets)
        counted("boot", store.prepare)
        recovery = Recovery(store, self._work, Log(lambda text: None), lambda: None)
        counted("boot", self._storage.free_bytes)
        clip, writer = counted("boot", self._open)
        counted("boot", writer.write, self._piece, RATE_HZ)
        # Beside recording: what was left open, and how many wait.
        backlog = Backlog(store, lambda: 1, recovery.pend)
        counted("census", asyncio.run, recover(recovery))
        assert store.waiting == waiting, store.waiting
        for _ in range(min(DELIVERED, waiting)):
            first = counted("next", backlog.next)
            counted("state", store.save, first)
            first.save(state="done")
            counted("free", store.free, first)
            self.clips -= 1
        for what in ("next", "state", "free"):
            reads[what] /= min(DELIVERED, waiting)
        counted("close", self._close, clip, writer)
        for _ in range(DELIVERED):
            clip, writer = counted("open", self._open)
            writer.write(self._piece, RATE_HZ)
            self._close(clip, writer)
        reads["open"] /= DELIVERED
        first = clip = writer = None
        gc.collect()
        return {"clips": waiting, "reads": reads, "kept_bytes": gc.mem_alloc() - before}


async def recover(recovery):
    task = asyncio.create_task(recovery.run(lambda within_ms: None))
    while recovery.is_busy():
        await asyncio.sleep_ms(0)
    task.cancel()


def main(code, medium, size_kb, *steps):
    sys.path.insert(0, code)
    bench = Bench(medium, int(size_kb))
    for clips in steps:
        bench.grow(int(clips))
        print(json.dumps(bench.measure()))


main(*sys.argv[1:])
