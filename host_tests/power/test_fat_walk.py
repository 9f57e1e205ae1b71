"""The walker of FAT volumes finds what it is there for."""

import pytest

from host_tests.power.fat_walk import Volume


def volume(entries, files):
    """A FAT16 volume of one-sector clusters; files: (name, first cluster, size)."""
    data = bytearray(512 * 4300)
    data[510:512] = b"\x55\xaa"
    fields = {11: 512, 14: 1, 17: 16, 19: 4300, 22: 17}
    for at, value in fields.items():
        data[at : at + 2] = value.to_bytes(2, "little")
    data[13], data[16] = 1, 1
    for cluster, value in entries.items():
        data[512 + 2 * cluster : 514 + 2 * cluster] = value.to_bytes(2, "little")
    root = 512 * 18
    for n, (name, first, size) in enumerate(files):
        at = root + 32 * n
        data[at : at + 11] = name.ljust(11).encode()
        data[at + 26 : at + 28] = first.to_bytes(2, "little")
        data[at + 28 : at + 32] = size.to_bytes(4, "little")
    return Volume(data)


END = 0xFFFF


@pytest.mark.parametrize(
    "entries, files, word",
    [
        ({2: 3, 3: END}, [("A", 2, 700), ("B", 2, 700)], "belongs to"),
        ({2: 3, 3: END, 4: 3}, [("A", 2, 700), ("B", 4, 700)], "belongs to"),
        ({2: 3, 3: 2}, [("A", 2, 700)], "belongs to"),
        ({2: 3}, [("A", 2, 700)], "free cluster"),
        ({2: END}, [("A", 2, 700)], "700 bytes in 1 clusters"),
        ({2: 5000}, [("A", 2, 100)], "leaves the volume"),
    ],
)
def test_a_fault_is_found(entries, files, word):
    faults, _ = volume(entries, files).walk()
    assert faults and word in faults[0]


def test_a_sound_volume_has_none_and_what_nobody_owns_is_counted():
    entries = {2: 3, 3: END, 4: END, 9: 10, 10: END}
    assert volume(entries, [("A", 2, 700), ("B", 4, 5)]).walk() == ([], 2)
