# What a board's start-up does: boot.py, then main.py, each as the main program.
#   start.py CODE [ROMFS]
import sys

code = sys.argv[1]
if len(sys.argv) > 2:
    # A ROM partition (extmod/vfs.c of MicroPython, mp_vfs_mount_romfs_protected). It lies in the
    # heap here, in one piece that is made first; who starts this gives so much more heap.
    import os

    import vfs

    with open(sys.argv[2], "rb") as f:
        rom = bytearray(os.stat(sys.argv[2])[6])
        f.readinto(rom)
    vfs.mount(vfs.VfsRom(rom), "/rom")
    sys.path.append("/rom")
    del os, vfs, f, rom
if code not in sys.path:
    sys.path.insert(0, code)
for name in ("boot.py", "main.py"):
    # Nothing of the text stays in the heap, as on a board, which reads it from the file.
    with open(code + "/" + name) as f:
        program = compile(f.read(), name, "exec")
    program = exec(program, {"__name__": "__main__"})
