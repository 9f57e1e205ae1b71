"""What each board carries, folder by folder, and what its flash has left; prints it."""

import pytest

from host_tests.conftest import ROOT
from tools.image import littlefs_image, tree
from tools.image.__main__ import BOARDS, FLASH_BYTES, VIRTUAL

# Headroom over what it weighs today.
MOST_BYTES = 256_000
# Where clips lie on the same flash (esp32-c3): so much stays theirs beside two releases.
CLIPS_BYTES = 480 * 1024


@pytest.mark.parametrize("board", [board for board in BOARDS if board != VIRTUAL])
def test_sizes(board, capsys):
    table = BOARDS[board]
    arch = tree.arch_of_board(table)
    files = tree.board_tree(arch, board=table)
    program = tree.release_files(arch, table)
    second = {f"b/{name}": data for name, data in program.items()}
    left = littlefs_image.free_bytes(files | second, FLASH_BYTES)
    with capsys.disabled():
        print(f"\n{board} ({arch}), bytes")
        for group, size in tree.sizes(files).items():
            print(f"  {group:24}{size:9,}")
        print(f"  {f'in all, {len(files)} files':24}{sum(map(len, files.values())):9,}")
        print(f"  {'free of 2 MiB':24}{littlefs_image.free_bytes(files, FLASH_BYTES):9,}")
        print(f"  {'… with two releases':24}{left:9,}")
    hal = [path.parts[-2:] for path in (ROOT / "device" / "hal").rglob("*.py")]
    foreign = sum(folder == "sim" for folder, _ in hal)
    modules = [name for name in program if name.endswith(".mpy")]
    assert len(modules) == len(list((ROOT / "device").rglob("*.py"))) - foreign
    assert sum(map(len, program.values())) < MOST_BYTES
    assert left > CLIPS_BYTES
