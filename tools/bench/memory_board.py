# Runs on the unix port (or another MicroPython) for tools/bench/memory.py. Prints one JSON line.
#   imports CODE FILE    imports the modules that FILE names, a line each; CODE may be a .romfs
#   load CODE FILE       imports them and nothing else, for counting instructions
#   flash CODE           records clips of 240 KB with the store's own code, in the current folder
import gc
import json
import sys

CLIP_BYTES = 240_000
CLIPS = 20
RATE_HZ = 16000
PIECE_BYTES = 2048


def imports(names):
    """Heap that each import keeps, collected: {module: bytes}, in the order of names."""
    import asyncio  # noqa: F401  frozen in every firmware, and imported by its own boot

    gc.collect()
    kept, failed = {}, []
    before = first = gc.mem_alloc()
    for name in names:
        try:
            __import__(name)
        except (ImportError, ValueError) as e:
            # Another machine than the native code is for: its plain twin is taken instead.
            failed.append("%s: %s" % (name, e))
        gc.collect()
        now = gc.mem_alloc()
        kept[name] = now - before
        before = now
    return {"kept_bytes": before - first, "each": kept, "failed": failed}


class Secrets:
    """As much of the secrets port as the store needs."""

    def __init__(self):
        self._counters = {}

    def counter(self, key):
        return self._counters.get(key, 0)

    def raise_counter(self, key, value):
        self._counters[key] = value


def flash():
    """What one call of the store costs the flash at worst, and what a captured MiB costs."""
    from device.codec.wav import WavCodec
    from device.hal.sim.flash import FlashStorage
    from device.store.store import ClipStore

    storage = FlashStorage(".", 16384)
    device = storage.device
    store = ClipStore(storage, Secrets())
    store.prepare()
    codec = WavCodec(RATE_HZ)
    header = memoryview(bytearray(codec.header_bytes))
    codec.write_header(header)
    piece = memoryview(bytes([7, 3] * (PIECE_BYTES // 2)))
    worst = {}

    def counted(what, function, *arguments, **facts):
        reads, erases = device.reads, device.erases
        result = function(*arguments, **facts)
        reads, erases = device.reads - reads, device.erases - erases
        before = worst.get(what, (0, 0))
        worst[what] = (max(reads, before[0]), max(erases, before[1]))
        return result

    audio = [0, 0]  # programmed bytes and erases while audio was written
    queue = [0, 0]
    for number in range(CLIPS):
        programmed, erases = device.programmed_bytes, device.erases
        record = dict(codec="wav", hz=RATE_HZ, take=0, index=0, first=0, boot=1, up=9, epoch=1)
        clip, writer = counted("open", store.open, record)
        writer.write_header(header)
        queue[0] += device.programmed_bytes - programmed
        queue[1] += device.erases - erases
        programmed, erases = device.programmed_bytes, device.erases
        for _ in range(CLIP_BYTES // PIECE_BYTES):
            counted("write", writer.write, piece, PIECE_BYTES // 2)
        audio[0] += device.programmed_bytes - programmed
        audio[1] += device.erases - erases
        programmed, erases = device.programmed_bytes, device.erases
        counted("close", store.close, clip, writer, samples=CLIP_BYTES // 2, last=1)
        for state in ("creating", "created", "stored", "completing", "done"):
            counted("record", store.save, clip, state=state)
        queue[0] += device.programmed_bytes - programmed
        queue[1] += device.erases - erases
        if number % 2:
            counted("free", store.free, clip)
    captured = CLIPS * (CLIP_BYTES // PIECE_BYTES) * PIECE_BYTES
    return {
        "captured_bytes": captured,
        "audio": audio,
        "queue": queue,
        "worst": worst,
        "clips": CLIPS,
    }


def mount(image):
    """As tools/sim/start.py: the image lies in the heap, and counts in no figure."""
    import os

    import vfs

    data = bytearray(os.stat(image)[6])
    with open(image, "rb") as f:
        f.readinto(data)
    vfs.mount(vfs.VfsRom(data), "/rom")
    return "/rom"


def main(what, code, *rest):
    sys.path.insert(0, mount(code) if code.endswith(".romfs") else code)
    if what == "imports":
        with open(rest[0]) as f:
            found = imports(f.read().split())
    elif what == "load":
        with open(rest[0]) as f:
            found = [__import__(name).__name__ for name in f.read().split()]
    else:
        found = flash()
    print(json.dumps(found))


# The Node build has no sys.argv: WORDS stands in for it.
main(*(globals().get("WORDS") or sys.argv[1:]))
