"""Checks of the storage port that run on every interpreter, and their start on the unix port.

Each check takes the port and a bench (what surrounds it) and asserts. On CPython pytest calls them
one by one; on the unix port `main()` runs all and prints one JSON object, name -> "ok" or what
went wrong.
"""

import asyncio
import json
import os
import sys

from net_checks import NET

from device.compat import file_size, list_dir, sync_file, sync_folder, wait_for_ms
from device.errors import NeedsOperator

_PIECE = 1024


def _write(path, size, value=0x55):
    with open(path, "wb") as f:
        left = size
        while left:
            n = min(left, _PIECE)
            f.write(bytes([value]) * n)
            left -= n
        sync_file(f)


def root_is_a_folder_without_trailing_slash(storage, bench):
    assert storage.root.startswith("/") and not storage.root.endswith("/")
    list(list_dir(storage.root))


def files_and_folders(storage, bench):
    folder = storage.root + "/made"
    os.mkdir(folder)
    _write(folder + "/0000000a.wav", 5000)
    sync_folder(folder)
    assert file_size(folder + "/0000000a.wav") == 5000
    assert file_size(folder + "/other") == -1
    os.mkdir(folder + "/00")
    assert sorted(list_dir(folder)) == [("00", True), ("0000000a.wav", False)]
    try:
        os.mkdir(folder + "/00")
        raise AssertionError("a folder was made twice")
    except OSError as e:
        assert e.errno == 17
    try:
        os.rmdir(folder)
        raise AssertionError("a folder that is not empty was removed")
    except OSError:
        pass
    os.rmdir(folder + "/00")
    os.remove(folder + "/0000000a.wav")
    os.rmdir(folder)
    assert file_size(folder) == -1


def what_was_synced_is_there_for_another_reader(storage, bench):
    path = storage.root + "/synced"
    f = open(path, "wb")
    f.write(b"a" * 100)
    sync_file(f)
    f.write(b"b" * 10)
    with open(path, "rb") as other:
        assert other.read(200)[:100] == b"a" * 100
    f.close()
    assert file_size(path) == 110
    os.remove(path)


def writing_again_replaces(storage, bench):
    path = storage.root + "/again"
    _write(path, 3000)
    _write(path, 10, 0x66)
    with open(path, "rb") as f:
        assert f.read() == b"\x66" * 10
    os.remove(path)


def room_is_within_bounds_and_follows_the_files(storage, bench):
    total, before = storage.total_bytes(), storage.free_bytes()
    assert 0 < before <= total
    path = storage.root + "/room"
    with open(path, "wb") as f:
        for _ in range(100):
            f.write(bytes(_PIECE))
            assert 0 <= storage.free_bytes() <= total, "while a file is open"
    assert before - 200 * 1024 <= storage.free_bytes() <= before - 90 * 1024
    os.remove(path)
    assert storage.free_bytes() >= before - 16 * 1024


def blocks_fill_as_littlefs_does(storage, bench):
    fills = [storage.block_fill_bytes(i) for i in range(9)]
    assert fills == [4096, 4092, 4088, 4092, 4084, 4092, 4088, 4092, 4080]


STORAGE = (
    root_is_a_folder_without_trailing_slash,
    files_and_folders,
    what_was_synced_is_there_for_another_reader,
    writing_again_replaces,
    room_is_within_bounds_and_follows_the_files,
    blocks_fill_as_littlefs_does,
)


def syncing_where_a_block_fills_costs_no_extra_erase(storage, bench):
    device = storage.device
    before = device.erases
    with open(storage.root + "/blocks", "wb") as f:
        for index in range(32):
            f.write(bytes(storage.block_fill_bytes(index)))
            sync_file(f)
    assert device.erases - before <= 36, device.erases - before
    os.remove(storage.root + "/blocks")


def a_full_medium_says_28_and_recovers(storage, bench):
    path = storage.root + "/full"
    try:
        with open(path, "wb") as f:
            for _ in range(4 * storage.total_bytes() // _PIECE):
                f.write(bytes(_PIECE))
        raise AssertionError("it took more than there is")
    except OSError as e:
        assert e.errno == 28, e
    if file_size(path) >= 0:
        os.remove(path)
    assert storage.free_bytes() > storage.total_bytes() // 2
    _write(path, 1000)
    os.remove(path)


def a_dead_medium_says_5(storage, bench):
    storage.device.fail_after = 0
    try:
        _write(storage.root + "/dead", 10_000)
        raise AssertionError("a dead medium took it")
    except OSError as e:
        assert e.errno == 5, e
    finally:
        storage.device.fail_after = None


def a_file_system_of_another_kind_is_not_formatted(storage, bench):
    from device.hal.sim.flash import FlashStorage

    folder = bench["folder"] + "/foreign"
    os.mkdir(folder)
    with open(folder + "/flash.img", "wb") as f:
        for _ in range(256):
            f.write(b"somebody's photos" * 241 + b"\xff" * (4096 - 17 * 241))
    try:
        FlashStorage(folder, 1024)
        raise AssertionError("it was mounted")
    except NeedsOperator as e:
        assert e.code == "storage_failed"
    with open(folder + "/flash.img", "rb") as f:
        assert f.read(17) == b"somebody's photos"


FLASH = (
    syncing_where_a_block_fills_costs_no_extra_erase,
    a_full_medium_says_28_and_recovers,
    a_dead_medium_says_5,
    a_file_system_of_another_kind_is_not_formatted,
)


def main(bench):
    from device.hal.sim.flash import FlashStorage
    from device.hal.sim.net import Net

    results = {}
    storage = FlashStorage(bench["folder"], 1024)
    for check in STORAGE + FLASH:
        try:
            check(storage, bench)
            results[check.__name__] = "ok"
        except Exception as e:  # noqa: BLE001  every ending is a result
            results[check.__name__] = repr(e)
    with open(bench["root_der"], "rb") as f:
        root_der = f.read()
    net = Net(bench["names"], [root_der], lambda: True)
    for check in NET:
        try:
            asyncio.run(wait_for_ms(check(net, bench), 8000))
            results[check.__name__] = "ok"
        except Exception as e:  # noqa: BLE001
            results[check.__name__] = repr(e)
    sys.stdout.write("\n" + json.dumps(results) + "\n")
