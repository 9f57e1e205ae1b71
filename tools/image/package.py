"""The files that tell other tools what a built tree holds: package.json for `mpremote mip`,
manifest.py for people who freeze it, SHA256SUMS for everybody. Pure text.
"""

import json

from tools.image.tree import Tree, digest

# Beside the tree, so that mip finds each file relative to package.json.
TREE_FOLDER = "tree"
FROZEN_FOLDER = "frozen"


def package_json(files: Tree, version: str) -> bytes:
    """For `mpremote mip install --target / …/package.json`: urls are [on the board, here]
    (docs/reference/packages.rst of MicroPython).
    """
    urls = [[name, f"{TREE_FOLDER}/{name}"] for name in sorted(files)]
    lines = ",\n".join("  " + json.dumps(pair) for pair in urls)
    return f'{{"version": {json.dumps(version)}, "urls": [\n{lines}\n]}}\n'.encode()


def manifest_py(files: Tree, version: str) -> bytes:
    """For `make FROZEN_MANIFEST=…` of MicroPython's ESP32 port. files: the .py of frozen/.

    boot.py and main.py of a firmware are run in place of the file system's
    (shared/runtime/pyexec.c, pyexec_file_if_exists); packages of the file system come first in
    sys.path, so a board whose tree was copied before must lose it.
    """
    packages = sorted({name.split("/")[0] for name in files if "/" in name})
    modules = sorted(name for name in files if "/" not in name)
    lines = [
        "# Bota recorder as part of the firmware: its code stays in flash, RAM holds only data.",
        "# make -C ports/esp32 BOARD=… FROZEN_MANIFEST=<this file>",
        f"metadata(version={version!r}, license='MIT')",
        "include('$(PORT_DIR)/boards/manifest.py')",
        *(f"package({name!r}, base_path={FROZEN_FOLDER!r})" for name in packages),
        *(f"module({name!r}, base_path={FROZEN_FOLDER!r})" for name in modules),
    ]
    return ("\n".join(lines) + "\n").encode()


def sums(files: Tree) -> bytes:
    """As `sha256sum --check` reads it, in the tree's folder."""
    return "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files)).encode()
