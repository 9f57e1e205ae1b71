"""What a provisioning will do to one board: worked out from what lies there, before a byte moves.

The program goes into the release folder that does not run, so half a copy is never live. Nothing
here touches a board; printing the plan is the whole of --dry-run.
"""

import collections.abc
import dataclasses
import json
import math

from rescue.boot_record import NONE
from tools.image import tree
from tools.recorder import application
from tools.recorder.errors import ToolError
from tools.recorder.survey import RELEASES, Survey

# littlefs: two blocks a folder, more where its list splits, and some to move what changes
# (DESIGN.md of littlefs, "metadata pairs" and "COW"). A whole release took 166 blocks where its
# files and folders alone are 148.
_SPARE_BLOCKS = 8
_LISTS_PCT = 20
# A program that started so often without proving itself is given a fresh count with the commit.
_MANY_STARTS = 3


@dataclasses.dataclass(frozen=True)
class Wanted:
    """program: inside a release's folder; root: beside the releases, settings too."""

    arch: str
    version: str
    program: dict[str, bytes]
    root: dict[str, bytes]

    @property
    def release(self) -> dict[str, bytes]:
        listing = tree.release_json(self.program, self.version, self.arch)
        return self.program | {"release.json": listing}

    @property
    def fingerprint(self) -> str:
        """Of program and rescue program; settings are apart."""
        fixed = {n: d for n, d in self.root.items() if not n.endswith(".json")}
        return tree.fingerprint(self.program | fixed)

    @classmethod
    def for_arch(cls, arch: str, settings: dict[str, bytes]) -> "Wanted":
        """settings: files beside the program. Raises ToolError."""
        program, root = application.program_for(arch), application.root_for(arch)
        return cls(arch, application.local_version(), program, root | settings)


@dataclasses.dataclass
class Plan:
    """target: the release's folder; boot: (release, trial) of the record that makes it live.

    send: path on the board -> bytes over the cable; copy: (from, to) on the board itself; keep:
    how many files are right already. stale: of the target's folder, before the copy; remove: with
    the commit. waiting: path -> bytes that lie in incoming until then. ends_trial: a program that
    is on trial lies where the copy must go; the proved one is named first.
    """

    target: str
    boot: tuple[str, str]
    ends_trial: bool
    release: dict[str, bytes]
    send: dict[str, bytes] = dataclasses.field(default_factory=dict)
    copy: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    keep: int = 0
    stale: list[str] = dataclasses.field(default_factory=list)
    waiting: dict[str, bytes] = dataclasses.field(default_factory=dict)
    remove: list[str] = dataclasses.field(default_factory=list)
    is_pointed: bool = False
    has_leftovers: bool = False  # in incoming, of a run that was cut

    @property
    def is_copied(self) -> bool:
        """The target's folder is right as it lies there."""
        return not (self.send or self.copy or self.stale)

    @property
    def is_live(self) -> bool:
        """Nothing of program and settings would change."""
        changes = self.waiting or self.remove or self.has_leftovers
        return self.is_copied and self.is_pointed and not changes

    @property
    def send_bytes(self) -> int:
        return sum(map(len, self.send.values())) + sum(map(len, self.waiting.values()))

    def commit(self, has_secrets: bool) -> bytes:
        """incoming/commit, as device/field/apply.py reads it; boot.py goes first, main.py last."""
        files = [[application.digest(data), path] for path, data in self.waiting.items()]
        files.sort(key=lambda entry: (entry[1] != "boot.py", entry[1] == "main.py", entry[1]))
        document = {
            "files": files,
            "boot": list(self.boot),
            "remove": self.remove,
            "secrets": has_secrets,
        }
        return json.dumps(document).encode()


def make_plan(found: Survey, wanted: Wanted) -> Plan:
    """Raises ToolError if the flash has no room for it."""
    release = wanted.release
    target, boot = _choose(found, {path: application.digest(d) for path, d in release.items()})
    trial = found.record[2]
    plan = Plan(target, boot, False, release)
    plan.is_pointed = found.record[1:3] == boot and found.record[3] < _MANY_STARTS
    _plan_release(plan, found)
    plan.has_leftovers = bool(found.release("incoming"))
    plan.ends_trial = trial == target and not plan.is_copied
    _plan_root(plan, found, wanted.root)
    _check_room(plan, found)
    return plan


def _choose(found: Survey, hashes: dict[str, str]) -> tuple[str, tuple[str, str]]:
    """(folder that will hold the program, boot record): never the folder that is to be gone back
    to, unless it is right as it is."""
    _, proved, trial, _ = found.record
    whole = [folder for folder in RELEASES if found.release(folder) == hashes]
    if proved in whole:
        return proved, (proved, NONE)
    way_back = _way_back(found)
    if way_back != NONE:
        if trial in whole:
            return trial, (way_back, trial)
        other = RELEASES[1 - RELEASES.index(way_back)]
        return other, (way_back, other)
    target = whole[0] if whole else "a"
    return target, (target, NONE)


def _way_back(found: Survey) -> str:
    """The program that the board starts today, as rescue/choice.py would choose it; of two, the
    proved one. NONE on a board that starts none of its releases."""
    _, proved, trial, _ = found.record
    has_program = [f for f in RELEASES if "device/app.mpy" in found.release(f)]
    if proved in has_program:
        return proved
    if "main.py" not in found.files or "rescue/choice.mpy" not in found.files:
        return NONE
    return next((f for f in (trial, *RELEASES) if f in has_program), NONE)


def _plan_release(plan: Plan, found: Survey) -> None:
    """Which files of the target are right, which lie elsewhere on the board, which must travel."""
    there = found.release(plan.target)
    elsewhere = {
        digest: path
        for path, (_, digest) in found.files.items()
        if not path.startswith((plan.target + "/", "incoming/"))
    }
    for name, data in plan.release.items():
        path, digest = f"{plan.target}/{name}", application.digest(data)
        if there.get(name) == digest:
            plan.keep += 1
        elif digest in elsewhere:
            plan.copy.append((elsewhere[digest], path))
        else:
            plan.send[path] = data
    plan.stale = [f"{plan.target}/{name}" for name in there if name not in plan.release]
    needed = folders_above(f"{plan.target}/{name}" for name in plan.release)
    empty = [f for f in found.folders if f.startswith(plan.target + "/") and f not in needed]
    plan.stale += sorted(empty, key=lambda path: -path.count("/"))


def _plan_root(plan: Plan, found: Survey, root: dict[str, bytes]) -> None:
    """What lies beside the releases: replaced with the commit; a flat program of before goes."""
    for path, data in root.items():
        if found.hash_of(path) != application.digest(data):
            plan.waiting[path] = data
    old = [
        path
        for path in found.files
        if path.startswith("device/") or (path.startswith("rescue/") and path not in root)
    ]
    needed = folders_above(root)
    folders = [f for f in found.folders if f.split("/")[0] in ("device", "rescue")]
    gone = sorted(set(folders) - set(needed), key=lambda path: -path.count("/"))
    plan.remove = sorted(old) + gone


def _check_room(plan: Plan, found: Survey) -> None:
    """Counted in blocks, as littlefs gives them out. Raises ToolError."""

    def blocks(size: int) -> int:
        return math.ceil(size / found.block_bytes)

    sizes = {path: size for path, (size, _) in found.files.items()}
    freed = sum(blocks(sizes.get(path, 0)) for path in plan.stale)
    needed = sum(blocks(sizes[source]) for source, _ in plan.copy)
    needed += sum(map(blocks, map(len, plan.waiting.values())))
    for path, data in plan.send.items():
        needed += blocks(len(data)) - blocks(sizes.get(path, 0))
    new_folders = folders_above([*plan.send, *(target for _, target in plan.copy)])
    needed += 2 * len(set(new_folders) - set(found.folders))
    needed += max(0, needed) * _LISTS_PCT // 100
    if (plan.send or plan.copy or plan.waiting) and needed + _SPARE_BLOCKS > (
        found.free_blocks + freed
    ):
        kb = found.block_bytes / 1024
        raise ToolError(
            f"The flash is full: {needed * kb:.0f} KiB and {_SPARE_BLOCKS * kb:.0f} to spare are "
            f"needed, {(found.free_blocks + freed) * kb:.0f} KiB are free. Nothing was written. "
            "Does it hold clips (`recorder pull`, then `receipt`) or files of others?"
        )


def folders_above(paths: collections.abc.Iterable[str]) -> list[str]:
    """Every folder above paths, outermost first."""
    found = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return sorted(found)
