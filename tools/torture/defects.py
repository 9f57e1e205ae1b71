"""Planted defects: each one a change to a copy of device/ that the month must notice.

A defect that stays unseen says that the net has a hole. They are patches, never switches in the
code: a pair that is no longer found in its file fails the run, so that the list follows the code.

    python -m tools.torture.defects [--only NAME ...] [--seeds 1000]
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Defect:
    """pairs: (file below device/, text that stands in it once, what comes in its place).

    caught_by: the invariants that may notice it; a crash does not count. faults: how many things
    must go wrong at the same time before it shows. in_chunks: it shows only where clips go so.
    """

    name: str
    caught_by: tuple[str, ...]
    faults: int
    pairs: tuple[tuple[str, str, str], ...]
    in_chunks: bool = False


DEFECTS = (
    Defect(
        "done before the proof",
        ("S1", "S2", "S3"),
        1,
        (
            (
                "transfer/whole_file.py",
                '            outcome = await self._cloud.complete(record["rid"], record["sha"])\n',
                "            self._store.save(clip, state=DONE)\n"
                '            outcome = await self._cloud.complete(record["rid"], record["sha"])\n',
            ),
        ),
    ),
    Defect(
        "a clip number is used again",
        ("S9",),
        2,
        (
            (
                "store/store.py",
                "number = max(self._highest, self._secrets.counter(_COUNTER)) + 1",
                "number = self._highest + 1",
            ),
        ),
    ),
    Defect(
        "a record is rewritten in place",
        ("S1", "S2", "S3", "S4", "S7", "L1"),
        2,
        (
            ("store/slots.py", "path = self._base + str(sequence & 1)", 'path = self._base + "0"'),
            ("store/slots.py", "self._remove(str(~sequence & 1))", 'self._remove("1")'),
        ),
    ),
    Defect(
        "create is retried with a new body",
        ("S6",),
        2,
        (
            (
                "transfer/whole_file.py",
                "        if clip.state == CLOSED:\n            self.freeze(clip)",
                "        if clip.state in (CLOSED, CREATING):\n            self.freeze(clip)",
            ),
        ),
    ),
    Defect(
        "the URL stands in the log",
        ("S10",),
        1,
        (
            (
                "transfer/whole_file.py",
                "        except DeviceError as e:\n            if e.code",
                "        except DeviceError as e:\n"
                '            self._log.warning("put failed %s %s", url, e)\n'
                "            if e.code",
            ),
        ),
    ),
    Defect(
        "a PUT without an answer counts as stored",
        ("S1", "S2", "S5"),
        1,
        (
            (
                "transfer/whole_file.py",
                '            if e.code == "damaged":\n',
                '            if e.code == "connection_lost" and source.sha256_hex:\n'
                "                return\n"
                '            if e.code == "damaged":\n',
            ),
        ),
    ),
    Defect(
        "waits without jitter",
        ("S13",),
        1,
        (
            (
                "queue/waits.py",
                "jitter_ms = wait_s * 10 * _JITTER_PCT * self._random_bits(10) >> 10",
                "jitter_ms = 0",
            ),
        ),
    ),
    Defect(
        "Retry-After is not heard",
        ("S13",),
        1,
        (("queue/waits.py", "wait_s = max(wait_s, retry_after_s)", "pass"),),
    ),
    Defect(
        "a page in place of the answer is proof",
        ("S1", "S2", "S3"),
        1,
        (
            (
                "transfer/whole_file.py",
                '            outcome = await self._cloud.complete(record["rid"], record["sha"])\n',
                "            try:\n"
                "                outcome = await self._cloud.complete("
                'record["rid"], record["sha"])\n'
                "            except Transient as e:\n"
                '                if e.code != "portal":\n'
                "                    raise\n"
                "                outcome = dialect.PROOF\n",
            ),
        ),
    ),
    Defect(
        "the record is removed before the audio",
        ("S1", "S2", "S3", "S4", "S7", "S8", "S9", "L1"),
        2,
        (
            (
                "store/store.py",
                "            for path in (clip.audio_path, clip.body_path):\n"
                "                if file_size(path) >= 0:\n"
                "                    os.remove(path)\n"
                "            clip.remove_record()\n",
                "            clip.remove_record()\n"
                "            for path in (clip.body_path, clip.audio_path):\n"
                "                if file_size(path) >= 0:\n"
                "                    os.remove(path)\n",
            ),
        ),
    ),
    Defect(
        "a clip says closed before its last bytes are safe",
        ("S1", "S3", "S8"),
        1,
        (
            (
                "store/store.py",
                "            writer.close()\n"
                "            clip.save(state=CLOSED, bytes=writer.size_bytes, crc=writer.crc, "
                "**facts)\n",
                "            clip.save(state=CLOSED, bytes=writer.size_bytes, crc=writer.crc, "
                "**facts)\n"
                "            writer.close()\n",
            ),
        ),
    ),
    Defect(
        "an open clip is synced when it closes only",
        ("S8",),
        1,
        (
            (
                "store/writer.py",
                "if self._unsynced_samples >= self._max_unsynced_samples:",
                "if False:",
            ),
        ),
    ),
    Defect(
        "a refused token costs the clip",
        ("L5",),
        1,
        (
            (
                "api/verdict.py",
                '        raise NeedsOperator("auth_refused", detail)',
                '        raise Permanent("refused", detail)',
            ),
        ),
    ),
    Defect(
        "waits grow without end",
        ("L1",),
        2,
        (
            (
                "queue/waits.py",
                "wait_s = min(cap_s, first_s << min(self.failures, 16))",
                "wait_s = first_s << min(self.failures, 16)",
            ),
        ),
    ),
    Defect(
        "the token goes to storage",
        ("S10",),
        1,
        (
            (
                "transfer/cloud.py",
                'response = await self._http.request("PUT", url, headers, source, '
                "max_body_bytes=2048)",
                'headers = headers + [("Authorization", "Bearer " + '
                "self._tokens.current())]\n"
                '        response = await self._http.request("PUT", url, headers, source, '
                "max_body_bytes=2048)",
            ),
        ),
    ),
    Defect(
        "create goes without its key",
        ("S6",),
        1,
        (("transfer/cloud.py", "        if key:\n", "        if False:\n"),),
    ),
    Defect(
        "a recording that no record could take is forgotten",
        ("S4",),
        2,
        (
            (
                "transfer/whole_file.py",
                "        self._unsaved = (clip.number, changes)\n",
                "",
            ),
        ),
    ),
    Defect(
        "recovery gives up for the whole boot",
        ("L1",),
        2,
        (("store/recovery.py", "        if self._refused and ", "        if False and "),),
    ),
    Defect(
        "a stat that fails means that there is no file",
        ("S1", "S2", "S3", "S4", "S7", "S8", "L1", "L5"),
        2,
        (("compat.py", "if e.errno not in _ABSENT:", "if False:"),),
    ),
    Defect(
        "after a boot what is stored is PUT again",
        ("S5",),
        2,
        (
            (
                "transfer/whole_file.py",
                "            if clip.state == CREATED:\n",
                "            if clip.state in (CREATED, STORED, COMPLETING) and not getattr("
                'self, "_was", 0) == clip.number:\n'
                "                self._was = clip.number\n",
            ),
        ),
    ),
    Defect(
        "what is not ours is cleaned away",
        ("S12",),
        1,
        (
            (
                "store/store.py",
                '            for name in ("clips", "state"):\n',
                "            from device.compat import list_dir\n"
                '            for name, is_folder in list(list_dir(self.root + "/clips")):\n'
                "                if not is_folder:\n"
                '                    os.remove(self.root + "/clips/" + name)\n'
                '            for name in ("clips", "state"):\n',
            ),
        ),
    ),
    Defect(
        "an answer may take for ever",
        ("L1", "L4"),
        1,
        (("http/guard.py", "                task.cancel()\n", ""),),
    ),
    Defect(
        "the heartbeat tells the token",
        ("S10",),
        1,
        (
            (
                "supervisor/heartbeat.py",
                '        body["flags"] = flags\n',
                '        body["flags"] = flags\n'
                '        body["token"] = self._cloud._secrets.get("token")\n',
            ),
        ),
    ),
    Defect(
        "connections are forgotten, not closed",
        ("S13",),
        1,
        (("http/client.py", "            kept.connection.close()\n", ""),),
    ),
    Defect(
        "a chunk counts before storage has it",
        ("S1", "S2", "S3", "S4", "L1"),
        1,
        (
            (
                "transfer/chunked.py",
                "                await self._put(clip, number, source)\n"
                "            except UrlRefused as e:\n",
                "                self._keep(dict(self._value, n=number, s=end))\n"
                "                await self._put(clip, number, source)\n"
                "            except UrlRefused as e:\n",
            ),
        ),
        in_chunks=True,
    ),
    Defect(
        "a clip is freed when finalize was asked, whatever it answered",
        ("S1", "S2", "S3"),
        1,
        (
            (
                "transfer/finalize.py",
                "    if outcome == chunks.ACCEPTED:\n",
                "    if outcome:\n",
            ),
        ),
        in_chunks=True,
    ),
    Defect(
        "stitching counts as proof",
        ("S1", "S2", "S3"),
        1,
        (
            (
                "api/chunks.py",
                '    if state == "stitching":\n        return STITCHING\n',
                '    if state == "stitching":\n        return ACCEPTED\n',
            ),
        ),
        in_chunks=True,
    ),
    Defect(
        "the whole file after chunks goes under its old key",
        ("S6", "L1", "L5"),
        1,
        (("transfer/whole_file.py", 'key += "-w"', 'key += "-s"'),),
        in_chunks=True,
    ),
)


def by_name(name: str) -> Defect:
    return next(defect for defect in DEFECTS if defect.name == name)


def plant(defect: Defect, folder: pathlib.Path) -> None:
    """A copy of device/ with the defect, in folder. Raises ValueError if it no longer applies."""
    shutil.copytree(
        ROOT / "device", folder / "device", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, old, new in defect.pairs:
        path = folder / "device" / name
        text = path.read_text()
        if text.count(old) != 1:
            raise ValueError(f"{defect.name}: {name} holds the text {text.count(old)} times")
        path.write_text(text.replace(old, new))


def hunt(defect: Defect, seeds: int, days: int = 30) -> tuple[int, str] | None:
    """(seed, what was seen) of the first seed that notices the defect, None if none does."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plant(defect, folder)
        words = [sys.executable, "-W", "ignore", "-m", "tools.torture.month", "--count", seeds]
        words += ["--days", days, "--until", *defect.caught_by]
        words += ["--chunks"] if defect.in_chunks else []
        result = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    for line in result.stdout.splitlines():
        seed, _, seen = line.partition(": ")
        if seed.startswith("seed ") and seen.split()[0] in defect.caught_by:
            return int(seed[5:]), seen
    if result.returncode not in (0, 1):
        raise RuntimeError(result.stderr[-2000:])
    return None


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="tools.torture.defects", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[defect.name for defect in DEFECTS])
    parser.add_argument("--seeds", type=int, default=1000)
    options = parser.parse_args(argv)
    missed = 0
    for defect in DEFECTS:
        if options.only and defect.name not in options.only:
            continue
        found = hunt(defect, options.seeds)
        missed += found is None
        where = "NOT SEEN" if found is None else f"seed {found[0]:>4}  {found[1][:70]}"
        print(f"{defect.name:<52} {defect.faults} fault  {where}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
