"""store.paths against a plain sorted set, over real folders, with foreign names among ours."""

import os
import shutil

import fakes
from hypothesis import given
from hypothesis import strategies as st

from device.store import paths

NUMBERS = st.lists(
    st.one_of(
        st.integers(1, 40),
        st.integers(1, 3000),
        st.integers(8180, 8200),
        st.integers(1, paths.MAX_NUMBER),
        st.sampled_from([255, 256, 257, 8191, 8192, 65535, 65536, paths.MAX_NUMBER]),
    ),
    max_size=25,
    unique=True,
)
FOREIGN_FILES = ["readme.txt", "REC.WAV", "1.wav", "0000001.wav", "0000000G.wav", "._x", "a b"]
FOREIGN_FOLDERS = ["music", "0", "000", "00000", "GG", "System Volume Information", "-1", "1_0"]


def make(root, numbers, suffixes=("r0",)):
    os.makedirs(root + "/clips", exist_ok=True)
    for number in numbers:
        paths.make_folders(root, number)
        for suffix in suffixes:
            open(paths.stem(root, number) + "." + suffix, "wb").close()


def litter(root, places):
    """Foreign names in folders of ours; returns their paths."""
    made = []
    folders = [path for path, _, _ in os.walk(root)]
    for place, name, is_folder in places:
        path = folders[place % len(folders)] + "/" + name
        if not os.path.exists(path):
            os.mkdir(path) if is_folder else open(path, "wb").close()
            made.append(path)
    return made


LITTER = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 99), st.sampled_from(FOREIGN_FILES), st.just(False)),
        st.tuples(st.integers(0, 99), st.sampled_from(FOREIGN_FOLDERS), st.just(True)),
    ),
    max_size=8,
)


@given(NUMBERS, LITTER, st.lists(st.integers(0, paths.MAX_NUMBER), max_size=5))
def test_walking_is_a_sorted_set(tmp_path, numbers, places, starts):
    root = str(tmp_path / "w")
    shutil.rmtree(root, ignore_errors=True)
    make(root, numbers)
    litter(root, places)
    wanted = sorted(numbers)
    found, number = [], 0
    while (number := paths.next_number(root, number)) is not None:
        found.append(number)
        assert len(found) <= len(numbers)
    assert found == wanted
    for start in starts:
        later = [n for n in wanted if n > start]
        assert paths.next_number(root, start) == (later[0] if later else None)
    assert paths.highest_number(root) == (wanted[-1] if wanted else 0)


@given(NUMBERS, LITTER, st.integers(1, paths.MAX_NUMBER))
def test_leaves_count_each_clip_once(tmp_path, numbers, places, end):
    root = str(tmp_path / "l")
    shutil.rmtree(root, ignore_errors=True)
    make(root, numbers, ("wav", "r0", "r1", "b"))
    litter(root, places)
    found = list(paths.leaves(root, end))
    assert sum(count for _, count in found) == sum(1 for n in numbers if n <= end)
    lasts = [last for last, _ in found]
    assert lasts == sorted(set(lasts)) and all(last & 7 == 7 for last in lasts)
    for last, count in found:
        assert count == sum(1 for n in numbers if n <= end and n >> 3 == last >> 3)


@given(NUMBERS, LITTER)
def test_emptied_folders_go_and_foreign_names_stay(tmp_path, numbers, places):
    root = str(tmp_path / "e")
    shutil.rmtree(root, ignore_errors=True)
    make(root, numbers)
    foreign = litter(root, places)
    for number in sorted(numbers):
        os.remove(paths.stem(root, number) + ".r0")
        paths.remove_empty_folders(root, number)
    assert all(os.path.exists(path) for path in foreign)
    if not foreign:
        assert fakes.tree(root) == ["clips"]
    assert paths.next_number(root, 0) is None and paths.highest_number(root) == 0


@given(st.integers(1, paths.MAX_NUMBER))
def test_names_are_short_and_tell_the_number(number):
    stem = paths.stem("/r", number)
    parts = stem.split("/")
    assert [len(part) for part in parts[3:]] == [4, 2, 2, 8]
    assert paths.parse_name(parts[-1] + ".wav") == (number, "wav")
    assert set(stem) <= set("/rclips0123456789abcdef")
    assert paths.stem("/r", number) != paths.stem("/r", number - 1)


def test_names_of_others_are_no_numbers():
    for name in FOREIGN_FILES + [
        "00000000.wav",
        "00000001",
        "0000000A.wav",
        "",
        ".wav",
        "+0000001.w",
    ]:
        assert paths.parse_name(name) is None, name


def test_a_leaf_has_eight_clips_and_order_is_by_number():
    leaves = {}
    for number in range(0, 600):
        leaves.setdefault(paths.stem("", number).rsplit("/", 1)[0], []).append(number)
    assert {len(numbers) for numbers in leaves.values()} == {8}
    ordered = sorted(leaves)
    assert [leaves[path] for path in ordered] == sorted(leaves.values())


def test_empty_leaves_hide_nothing(tmp_path):
    """A power cut between removing a clip and its folders leaves empty folders."""
    root = str(tmp_path)
    make(root, [3, 500, 9000])
    for number in (20, 300, 8192, 70_000):
        paths.make_folders(root, number)
    found, number = [], 0
    while (number := paths.next_number(root, number)) is not None:
        found.append(number)
    assert found == [3, 500, 9000] and paths.highest_number(root) == 9000


def test_the_next_number_reads_a_folder_a_level_however_many_wait(tmp_path, monkeypatch):
    root = str(tmp_path)
    make(root, range(1, 2000))
    reads = []
    real = paths.list_dir
    monkeypatch.setattr(paths, "list_dir", lambda path: reads.append(path) or real(path))
    for start in (0, 7, 255, 1023, 1990):
        reads.clear()
        assert paths.next_number(root, start) == start + 1
        assert len(reads) <= 8, start
    reads.clear()
    paths.highest_number(root)
    assert len(reads) == 4


def walk(root):
    found, number = [], 0
    while (number := paths.next_number(root, number)) is not None:
        found.append(number)
    return found


def test_a_foreign_file_that_looks_like_a_clip_hides_no_clip_of_its_leaf(tmp_path):
    root = str(tmp_path)
    make(root, [3, 6, 700])
    open(paths.stem(root, 5) + ".txt", "wb").close()
    assert [n for n in walk(root) if n != 5] == [3, 6, 700]


def test_a_foreign_folder_with_two_hex_digits_hides_no_clips(tmp_path):
    root = str(tmp_path)
    make(root, [300, 9000, 70_000])
    os.mkdir(root + "/clips/0000/ff")
    os.mkdir(root + "/clips/0000/01/ff")
    assert walk(root) == [300, 9000, 70_000]


def test_a_clip_file_in_a_wrong_folder_hides_no_clips(tmp_path):
    root = str(tmp_path)
    make(root, [3, 300, 9000])
    open(root + "/clips/0000/00/00/00002000.wav", "wb").close()
    assert [n for n in walk(root) if n in (3, 300, 9000)] == [3, 300, 9000]
