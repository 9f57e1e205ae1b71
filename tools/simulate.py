"""Run the main job on a laptop: a virtual recorder hears speech and delivers it, with proof.

    make simulate                     the sample speech, on MicroPython's unix port
    make simulate AUDIO=my.wav        any PCM WAV
    make simulate CODEC=wav           recorded and sent as PCM in place of FLAC
    make simulate QUALITY=30dB        near-lossless FLAC: lossless, 36dB, 30dB, 25dB
    make simulate ENGINE=cpython      the same device code under CPython
    make simulate ARGS="--speed 1"    in real time
    make simulate ARGS="--set upload.strategy=chunks"    any setting of config.example.json
    make simulate ARGS="--link 4g"    over a scripted modem, the only way out (30 dB)
    make simulate KEEP=1              goes on until Ctrl-C: a recorder to play with, on its page
    make simulate REPLAY=knobs.json   turns the knobs of an earlier run (build/simulate/knobs.json)
    make simulate UI=terminal         the page's picture in the terminal

Exit 0 only if every clip is proved: its hash the same on the device, in storage and at the cloud,
its samples those that the microphone handed over (or as near as promised), the flash free again.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import json
import pathlib
import shutil
import signal
import sys
import time
from typing import Any

import numpy as np
from rich.console import Console

from device.config import load
from device.store.clip import ASIDE
from tools.cloud import Cloud, CloudError
from tools.page import browser, medium, replay
from tools.page.bench import Bench
from tools.page.job import JobFailed
from tools.page.replay import ReplayError
from tools.page.room import Room
from tools.page.session import Session
from tools.sim import proof, words
from tools.sim.audio import SAMPLE, AudioError, read_samples
from tools.sim.board import (
    APN,
    HEAP_KB,
    MODEM,
    SSID,
    BoardError,
    VirtualBoard,
    find_micropython,
)
from tools.sim.build import ROOT, BuildError

FOLDER = ROOT / "build" / "simulate"
SAMPLE_REPEATS = 3  # 25 s of speech: three times over it makes several clips
QUALITIES = ("auto", "lossless", "36dB", "30dB", "25dB")
WATCHED_SPEED = 8  # where somebody looks, a clip should be seen
LONG_DRIVER_MS = 600_000  # there a busy laptop loses nothing by being late
CHARGED_PCT = 80
LOST_BY_CUT_S = 1.6  # a second that was not synced yet, and the ring


class SimulationError(Exception):
    """One sentence for the person who typed make simulate."""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make simulate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--audio", type=pathlib.Path, help="PCM WAV to hear (default: the sample)")
    parser.add_argument("--engine", choices=("micropython", "cpython"), help="what runs device/")
    parser.add_argument(
        "--speed", type=int, help="times real time; 0: as it can (default, where nobody looks)"
    )
    parser.add_argument("--rate", type=int, default=16000, help="samples a second")
    parser.add_argument("--clip-length", type=int, default=30, help="seconds a clip (30-3600)")
    parser.add_argument("--codec", choices=("flac", "wav"), default="flac")
    parser.add_argument("--quality", choices=QUALITIES, default="auto", help="of FLAC")
    parser.add_argument("--link", choices=("wifi", "4g", "both"), help="the way out")
    parser.add_argument("--battery", type=int, metavar="PCT", help="a cell that holds so much")
    parser.add_argument("--heap", type=int, default=HEAP_KB, help="KiB of heap")
    parser.add_argument("--generation", choices=("d1", "d2", "s"), default="s")
    parser.add_argument("--api-port", type=int, default=0, help="port of the API (0: a free one)")
    parser.add_argument("--storage-port", type=int, default=0, help="port of storage")
    parser.add_argument("--storage-endpoint", help="an S3 server of your own in place of Swift")
    parser.add_argument(
        "--set", action="append", default=[], type=setting, metavar="KEY=VALUE",
        help="a setting of the recorder, e.g. upload.live=true (again for more)",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="go on after the proof")
    parser.add_argument("--replay", type=pathlib.Path, help="turn the knobs of an earlier run")
    parser.add_argument("--ui", choices=("page", "terminal"), default="page", help="where to look")
    parser.add_argument("--page-port", type=int, default=0, help="port of the page")
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER, help="where it works")
    return parser.parse_args(argv)


def setting(text: str) -> tuple[str, Any]:
    """KEY=VALUE as (key, value): JSON where it is JSON, else the text itself."""
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise argparse.ArgumentTypeError("use section.key=value, as in config.example.json")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@contextlib.contextmanager
def only_one_at_a_time(folder: pathlib.Path):
    """Hold the work folder. Raises SimulationError if another simulation has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SimulationError(
                f"Another simulation runs in {folder}: wait for its end, stop it, "
                "or give this one a place of its own (ARGS='--folder build/second')."
            ) from None
        yield


def choose_engine(wanted: str | None, console: Console) -> str:
    if wanted == "cpython" or find_micropython():
        return wanted or "micropython"
    if wanted:
        raise SimulationError(
            "There is no MicroPython unix port for this platform: "
            "set MICROPYTHON=/path/to/micropython, or use ENGINE=cpython."
        )
    console.print("No MicroPython unix port for this platform: CPython runs the device code.")
    return "cpython"


def device_config(cloud: Cloud, options: argparse.Namespace) -> dict:
    """config.json of the virtual recorder. Raises SimulationError for a setting that is none."""
    tree = {
        "recording": {
            "mode": "button",
            "codec": options.codec,
            "quality": options.quality,
            "clip_length_s": options.clip_length,
            "rate_hz": options.rate,
        },
        "wifi": {"networks": [] if options.link == "4g" else [SSID]},
        "cellular": {"apn": "" if options.link == "wifi" else APN},
        "cloud": {"api_url": cloud.api_origin, "heartbeat_s": 60},
        "upload": {"retry_first_s": 1, "retry_cap_s": 2 if options.live else 30},
        "clock": {"ntp_server": f"ntp.bota.test:{cloud.ntp_address[1]}", "wait_s": 10},
    }
    return put_settings(tree, options.set)


def put_settings(tree: dict, settings: list[tuple[str, Any]]) -> dict:
    """tree with settings put in. Raises SimulationError for what the recorder would refuse."""
    for key, value in settings:
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    _, faults = load(json.dumps(tree).encode())
    if faults:
        raise SimulationError("The recorder would refuse these settings: " + "; ".join(faults))
    return tree


def settle(options: argparse.Namespace, is_watched: bool) -> list[dict]:
    """Fill in what was not said, from the file of a replay first; returns its events."""
    events = []
    options.live, options.plays = options.keep, True
    if options.replay:
        found = replay.read(options.replay)
        events = found["events"]
        for name, value in found["run"].items():
            setattr(options, name, value)
    options.link = options.link or ("both" if options.live else "wifi")
    if options.battery is None and options.live:
        options.battery = CHARGED_PCT
    options.driver_ms = 500
    if options.speed is None:
        options.driver_ms = LONG_DRIVER_MS
        options.speed = WATCHED_SPEED if is_watched or options.live else 0
    return events


def run(options: argparse.Namespace, console: Console) -> int:
    put_settings({}, options.set)  # told before anything is started
    is_watched = console.is_terminal and (options.ui == "terminal" or browser.is_there())
    events = settle(options, is_watched)
    folder = options.folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "heard.pcm").exists():
        raise SimulationError(f"{folder} holds something that no simulation made: name another.")
    repeat = 1 if options.audio else SAMPLE_REPEATS
    samples = read_samples(options.audio or SAMPLE, options.rate, repeat)
    engine = choose_engine(options.engine, console)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "heard.pcm").write_bytes(samples.tobytes())
    started_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(
            Cloud.start(
                folder / "cloud",
                generation=options.generation,
                api_port=options.api_port,
                storage_port=options.storage_port,
                storage_endpoint=options.storage_endpoint,
            )
        )
        cloud.switches.auto_transcribe = options.live and can_transcribe()
        device_id, token = cloud.register_recorder("SIM-0001", end_user="Simulator")
        heap = f", heap {options.heap} KiB" if engine == "micropython" else ""
        console.print(f"recorder  {folder / 'board'} ({engine}{heap})")
        console.print(f"cloud     {cloud.api_origin}\nstorage   {cloud.storage_origin}")
        board = VirtualBoard(folder / "board", engine, options.heap)
        stack.callback(board.stop)
        bench = Bench(cloud, board, device_id, options.rate, options.clip_length,
                      len(samples) / options.rate, has_modem=options.link != "wifi",
                      has_cell=options.battery is not None)  # fmt: skip
        if options.live:
            bench.room = Room(samples, options.rate)
            stack.callback(bench.room.close)
        board.equip(
            audio=bench.room.address if bench.room else folder / "heard.pcm",
            rate_hz=options.rate,
            speed=options.speed,
            driver_ms=options.driver_ms,
            hosts=cloud.hosts,
            root_der=cloud.ca_der,
            config=device_config(cloud, options),
            token=token,
            modem=MODEM if bench.has_modem else None,
            battery_pct=options.battery,
            charging=True,
            # Room for it all, so that a slow cloud cannot stop a fast recording.
            flash_kb=max(4096, (2 * len(samples) // 1024 + 2048) // 4 * 5 // 4 * 4),
        )
        board.start()
        session = Session(bench, options, events, samples, console)
        return session.run(lambda: judge(bench, session, samples, options, started_s, console))


def judge(
    bench: Bench, session: Session, samples: np.ndarray, options, started_s: float, console
) -> int:
    """Print the proof table and the verdict; 0 if all is proved."""
    cloud, board, cuts = bench.cloud, bench.board, session.knobs.power_cuts
    proofs = proof.collect(cloud, board.serial())
    heard = board.folder / "truth.pcm"
    truth = np.frombuffer(heard.read_bytes() if heard.exists() else b"", "<i2")
    # A power cut costs what was not yet durable, and what the ring held.
    allowed = int(LOST_BY_CUT_S * options.rate) * cuts
    kept = set_aside(board.folder)
    kept_samples = sum(record["samples"] for record in kept)
    may_miss = min(allowed + kept_samples, len(truth))
    missing = proof.compare_with_truth(proofs, truth, may_miss) - kept_samples
    faults = [f"clip {p.number}: {fault}" for p in proofs for fault in p.faults]
    is_whole = not options.live and not session.is_ended_by_hand
    if is_whole and not np.array_equal(truth, samples):
        faults.append("the microphone did not hand over what the file holds")
    if missing > allowed:
        faults.append(f"{missing} samples are missing")
    leftovers = leftovers_of(board.folder, {record["n"] for record in kept})
    if leftovers and not board.is_running():
        faults.append(f"the flash still holds {', '.join(leftovers[:5])}")
    console.print(proof.table(proofs))
    if can_transcribe() and not options.live:
        show_words(cloud, proofs, console)
        if options.audio is None and options.rate == 16_000 and not cuts:
            faults += judge_words(samples, proofs, console)
    seconds = sum(p.seconds for p in proofs)
    session.watch.tell(proof=proof.rows(proofs), faults=faults)
    if faults or not proofs:
        for fault in faults or ["no clip arrived"]:
            console.print(f"[red]FAILED[/red] {fault}")
        return 1
    for record in kept:
        console.print(f"clip {record['n']} is set aside ({record['why']}) and kept on the flash")
    if cuts:
        console.print(f"{cuts} power cuts cost {max(0, missing) / options.rate:.2f} s of audio")
    console.print(
        f"[green]PROVED[/green] {len(proofs)} clips, {seconds:.1f} s of audio delivered once, "
        f"flash free again, in {time.monotonic() - started_s:.1f} s"
    )
    return 0


def set_aside(folder: pathlib.Path) -> list[dict]:
    """The records of clips that the recorder keeps, with a reason why it does not send them."""
    clips = medium.read_clips(folder) or {}
    records = [clip["record"] for clip in clips.values() if clip["record"]]
    return [record for record in records if record["state"] in ASIDE]


def leftovers_of(folder: pathlib.Path, kept: set[int]) -> list[str]:
    """What still lies on the flash of clips that are not kept for a reason."""
    left = proof.flash_leftovers(folder)
    return [path for path in left if int(pathlib.PurePath(path).stem, 16) not in kept]


def can_transcribe() -> bool:
    return importlib.util.find_spec("pocketsphinx") is not None  # make asr


def show_words(cloud, proofs: list[proof.ClipProof], console: Console) -> None:
    """What was said, by the cloud's transcription."""
    with cloud.operator() as operator:
        for p in proofs:
            answer = operator.post("/transcriptions", json={"recording_id": p.recording}).json()
            deadline = time.monotonic() + 60 + 2 * p.seconds
            while answer["status"] in ("pending", "processing") and time.monotonic() < deadline:
                time.sleep(0.3)
                answer = operator.get(f"/transcriptions/{answer['id']}").json()
            words = answer.get("full_text") or answer.get("text") or f"({answer['status']})"
            console.print(f"clip {p.number} said: [italic]{words}[/italic]")


def judge_words(samples: np.ndarray, proofs: list[proof.ClipProof], console: Console) -> list[str]:
    """Compare the words of the sample as heard and as it arrived; returns faults."""
    arrived = np.concatenate([p.samples for p in proofs]) if proofs else samples[:0]
    before, after = words.count_errors(samples), words.count_errors(arrived)
    console.print(
        f"words     {before} of {words.WORDS} wrong in what was heard, {after} in what arrived"
    )
    if after > before + words.MAY_LOSE_WORDS:
        return [f"more than {words.MAY_LOSE_WORDS} words of {words.WORDS} were lost"]
    return []


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        with only_one_at_a_time(options.folder):
            return run(options, console)
    except (
        AudioError, BoardError, BuildError, CloudError, JobFailed, ReplayError, SimulationError,
    ) as error:  # fmt: skip
        print(f"simulate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsimulate: stopped; nothing is left running.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
