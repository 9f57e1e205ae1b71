"""Puts a verified bundle where it belongs, so that a power cut leaves the old program or the new.

A release goes into the folder that does not run. A crash after step
  1  signature, kind, architecture, version, list and room are checked     leaves all as it was
  2  the idle folder is emptied, its release.json first                    the old program runs
  3  each file is written, synced, read back and hashed                    the old program runs
  4  the list that was read is the one that is signed; release.json last   the old program runs
  5  boot record: the folder is on trial                                   the new one is tried
What a crash left in the idle folder is nothing: step 2 of the next try removes it.

A set of roots is written beside the one in force, checked the same, and takes its name. A crash
before that leaves the old set, after it the new one.

folder, everywhere: "" or a path that ends in "/", the root of the board's own flash.
"""

import hashlib
import os
import sys

from device.compat import const, file_size, hex_digest, list_dir, sync_file
from device.errors import DeviceError
from device.update import bundle as bundles
from device.update import signature
from device.update.bundle import BundleRefused
from rescue import boot_record, roots

_WORK_BYTES = const(1024)
_BLOCK_BYTES = const(4096)
_SPARE_BLOCKS = const(16)  # folders, and what littlefs needs to move
_STAGED = ".new"
# Index of sys.implementation._mpy >> 10: docs/reference/mpyfiles.rst of MicroPython.
_ARCHS = {2: "x64", 10: "xtensawin", 11: "rv32imc"}
KEYS = "trust/keys"


def attempt(path, running_version, tell, folder="", arch=None, dry_run=False):
    """install() the file at path, whatever comes: (what to note of it, detail in words).

    See note.py for its keys; "said" is not among them yet.
    """
    noted = {"id": identity_of(path), "kind": "", "version": "", "code": ""}
    noted["was"] = running_version
    detail = ""
    bundle = bundles.Bundle(None, memoryview(bytearray(_WORK_BYTES)))
    try:
        with open(path, "rb") as f:
            bundle.file = f
            install(bundle, running_version, tell, folder, arch, dry_run)
    except DeviceError as e:
        noted["code"], detail = e.code, str(e.detail)
    except MemoryError:
        noted["code"] = "low_memory"
    except OSError as e:
        noted["code"], detail = "storage_failed", "errno=%s" % e.errno
    noted["kind"], noted["version"] = bundle.kind, bundle.version
    return noted, detail


def identity_of(path):
    """Which bundle a file is, believed or not: its size and the start of its signature."""
    try:
        with open(path, "rb") as f:
            return "%d-%s" % (file_size(path), hex_digest(f.read(28)[12:]))
    except OSError:
        return ""


def own_arch():
    """The architecture of native code that runs here, as bundles name it."""
    return _ARCHS.get(getattr(sys.implementation, "_mpy", 0) >> 10 & 0x0F, "")


def install(bundle, running_version, tell, folder="", arch=None, dry_run=False):
    """Install a bundle (bundle.Bundle); a reset brings it to life.

    running_version: text. tell(path): called for each file. dry_run: read and check all of it,
    write nothing. Raises BundleRefused with a code of reasons.UPDATE, OSError.
    """
    bundle.verify(signature.read_keys(roots.program_folder(folder) + KEYS))
    if bundle.kind == bundles.ROOTS:
        _check_version(bundle, roots.newest(folder)[0])
        _check_room(bundle, folder, 0)
        _install_roots(bundle, folder, tell, dry_run)
        return
    if bundle.arch != (own_arch() if arch is None else arch):
        raise BundleRefused("wrong_arch", "it is for " + bundle.arch)
    _check_version(bundle, _number(running_version))
    _install_release(bundle, folder, tell, dry_run)


def idle_folder(folder=""):
    """(name, proved release) of the folder that an update goes to. Raises BundleRefused(on_trial):
    the folder that does not run is the one to fall back to then.
    """
    _, release, trial, _ = boot_record.read(folder)
    if trial != boot_record.NONE:
        raise BundleRefused("on_trial", trial)
    return ("b" if release == "a" else "a"), release


def _number(version):
    try:
        return bundles.number_of(version)
    except ValueError:
        return 0


def _check_version(bundle, number):
    if bundle.number == number:
        raise BundleRefused("installed", bundle.version)
    if bundle.number < number and not bundle.may_go_back:
        raise BundleRefused("too_old", bundle.version)


def _check_room(bundle, folder, freed_blocks):
    """Also walks the whole list, so that a fault in it is found before anything is written."""
    blocks = _SPARE_BLOCKS
    for _, size, _ in bundle.entries():
        blocks += _blocks(size)
    numbers = os.statvfs(folder or os.getcwd())
    free_bytes = numbers[3] * numbers[0] if numbers[3] <= numbers[2] else 0
    missing_bytes = (blocks - freed_blocks) * _BLOCK_BYTES - free_bytes
    if missing_bytes > 0:
        raise BundleRefused("no_room", "%d KiB are missing" % (missing_bytes // 1024 + 1))


def _install_release(bundle, folder, tell, dry_run):
    name, release = idle_folder(folder)
    target = folder + name + "/"
    _check_room(bundle, folder, _occupied_blocks(target))
    if dry_run:
        _read_all(bundle, tell)
        return
    if file_size(target + bundles.LIST) >= 0:
        os.remove(target + bundles.LIST)
    _empty(target)
    for path, size, digest in bundle.entries():
        tell(path)
        is_last = path == bundles.LIST
        _write(bundle, target + path + (_STAGED if is_last else ""), size, digest)
    bundle.finish()
    os.rename(target + bundles.LIST + _STAGED, target + bundles.LIST)
    boot_record.write(release, name, 0, folder)


def _install_roots(bundle, folder, tell, dry_run):
    if dry_run:
        _read_all(bundle, tell)
        return
    staged = folder + roots.REPLACED + _STAGED
    for path, size, digest in bundle.entries():
        tell(path)
        _write(bundle, staged, size, digest)
    bundle.finish()
    if roots.check(staged) != bundle.number:
        os.remove(staged)
        raise BundleRefused("bad_bundle", "its roots are no set of version " + bundle.version)
    roots.replace(staged, folder)


def _read_all(bundle, tell):
    for path, size, digest in bundle.entries():
        tell(path)
        if bundle.copy(size, None) != digest:
            raise BundleRefused("bad_hash", path)
    bundle.finish()


def _write(bundle, path, size, digest):
    """One file, whole and read back, or none. Raises BundleRefused(bad_hash), OSError."""
    _make_folders(path)
    try:
        with open(path, "wb") as out:
            arrived = bundle.copy(size, out.write)
            sync_file(out)
        if arrived == digest and sha256_of(path) == digest:
            return
    except BundleRefused:
        os.remove(path)
        raise
    os.remove(path)
    raise BundleRefused("bad_hash", path)


def sha256_of(path):
    """SHA-256 of a file, in hex. Raises OSError."""
    total = hashlib.sha256()
    piece = memoryview(bytearray(_WORK_BYTES))
    with open(path, "rb") as f:
        while True:
            n = f.readinto(piece)
            if not n:
                return hex_digest(total.digest())
            total.update(piece[:n])


def _blocks(size_bytes):
    return (size_bytes + _BLOCK_BYTES - 1) // _BLOCK_BYTES


def _make_folders(path):
    end = path.find("/", 1)
    while end > 0:
        try:
            os.mkdir(path[:end])
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise
        end = path.find("/", end + 1)


def walk(path):
    """Yield (path, is_folder) of all that lies below a folder, what is deeper first."""
    if file_size(path[:-1]) < 0:
        return
    for name, is_folder in list(list_dir(path[:-1])):
        if is_folder:
            yield from walk(path + name + "/")
        yield path + name, is_folder


def _occupied_blocks(path):
    return sum([_blocks(file_size(name)) for name, is_folder in walk(path) if not is_folder])


def _empty(path):
    for name, is_folder in walk(path):
        (os.rmdir if is_folder else os.remove)(name)
