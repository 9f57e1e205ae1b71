"""The official stubs of MicroPython's ESP32 port, laid out as mypy wants them."""

import importlib.metadata
import pathlib
import shutil

STUBS = ("micropython-esp32-stubs", "micropython-stdlib-stubs")


def lay_out(folder: pathlib.Path) -> pathlib.Path:
    """Copy every stub file of the two packages into folder; returns it."""
    for package in STUBS:
        for entry in importlib.metadata.files(package) or ():
            if entry.suffix in (".pyi", "") and ".dist-info" not in str(entry):
                target = folder / entry
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(entry.locate(), target)
    # mypy looks for it in every typeshed; nothing here uses it.
    (folder / "stdlib" / "mypy_extensions.pyi").touch()
    return folder
