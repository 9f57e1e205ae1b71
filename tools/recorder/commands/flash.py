"""Put MicroPython itself on a board."""

import pathlib

from tools.recorder.cli import add_board
from tools.recorder.errors import EXIT_DONE, Foreign, ToolError, UsageError
from tools.recorder.firmware import Firmware, read_firmware
from tools.recorder.guard import guard
from tools.recorder.loader import BAUD, Loader
from tools.recorder.ports import Found, ask_running, find_port, look

SUMMARY = "Put MicroPython itself on a board; checked and read back."
EXAMPLE = """
recorder flash --firmware ESP32_GENERIC_S3-20260406-v1.28.0.bin --keep
recorder flash --firmware FILE.bin --erase --board /dev/ttyUSB0 --dry-run
"""
_ROOM_BYTES = 1 << 20  # for the program and its settings, beside the firmware


def add_arguments(command) -> None:
    add_board(command)
    add = command.add_argument
    add("--firmware", type=pathlib.Path, required=True, metavar="FILE.bin", help="what to write")
    add("--erase", action="store_true", help="erase all first: program, settings, token, clips")
    add("--keep", action="store_true", help="keep what lies beside the firmware; do not ask")
    add("--lose-clips", action="store_true", help="with --erase: undelivered clips are lost")
    add("--force", action="store_true", help="an unknown build; another program on the board")
    add("--baud", type=int, default=BAUD, help=f"speed of the cable ({BAUD})")
    add("--no-stub", action="store_true", help="ROM loader only: slow, for stubborn boards")
    add("--dry-run", action="store_true", help="check all, write nothing")


def run(options, ui) -> int:
    if options.erase and (options.keep or options.no_stub):
        raise UsageError("--erase goes neither with --keep nor with --no-stub.")
    firmware = read_firmware(options.firmware)
    check_build(firmware, options.force, ui)
    device = find_port(options.board)
    found = what_is_there(device)
    guard(found, ("recorder", "broken", "empty", "silent"), options.force)
    loader = Loader(device, options.baud, not options.no_stub)
    ui.say(f"{device}: asking the chip …")
    chip = loader.chip()
    check_chip(firmware, chip, device)
    document = {"port": device, "chip": chip.name, "mac": chip.mac, "was": found.state}
    document |= {"firmware": firmware.document(), "written": False}
    erases = wants_erase(options, ui, found)
    document["erases"] = erases
    said = f"{firmware.path.name} (MicroPython {firmware.version}, {firmware.size_bytes} bytes)"
    plan = f"{said} to {chip.name} {chip.mac} at {firmware.offset:#x}, " + (
        "after erasing everything." if erases else "keeping what lies beside it."
    )
    if options.dry_run:
        ui.result(document, f"Would write {plan}")
        return EXIT_DONE
    ui.say(f"writing {plan}")
    loader.write(firmware, erases)
    ui.say("reading back …")
    loader.verify(firmware)
    document["written"] = True
    ui.result(document, f"{device}: written and read back. Next: recorder provision")
    return EXIT_DONE


def check_build(firmware: Firmware, force: bool, ui) -> None:
    doubts = firmware.doubts()
    if firmware.build:
        ui.say(f"{firmware.path.name}: the official build {firmware.build}")
    if doubts and not force:
        raise UsageError(
            f"{firmware.path} (SHA-256 {firmware.sha256}): {'; '.join(doubts)}. "
            "Sure of it? Repeat with --force."
        )
    for doubt in doubts:
        ui.say(f"forced, though {doubt}")


def what_is_there(device: str) -> Found:
    """A running recorder is asked; what does not answer is stopped. Never raises for silence."""
    try:
        running = ask_running(device)
    except ToolError as error:
        return Found(device, "silent", fault=str(error))
    return running or look(device)


def check_chip(firmware: Firmware, chip, device: str) -> None:
    """Raises Foreign if the file is for another chip, or has no room."""
    if chip.name != firmware.chip:
        raise Foreign(
            f"{device}: this chip is an {chip.name}, {firmware.path.name} is for {firmware.chip}. "
            "Nothing was written. Take the file for this board."
        )
    if chip.flash_bytes and chip.flash_bytes < firmware.size_bytes + _ROOM_BYTES:
        raise Foreign(
            f"{device}: {chip.flash_bytes >> 20} MiB of flash leave no room for the recorder's "
            "program beside this firmware. Nothing was written."
        )


def wants_erase(options, ui, found: Found) -> bool:
    """Asked where somebody sits there; scripts say it. Clips that wait need a word more."""
    erases = options.erase
    if not erases and not options.keep:
        if not ui.is_terminal:
            raise UsageError("Erase what lies beside the firmware? Say --erase or --keep.")
        question = "Erase program, settings, token and clips too? [y/N] "
        erases = not options.no_stub and input(question).strip().lower() in ("y", "yes")
    waiting = found.facts.get("clips") or 0
    if erases and waiting and not options.lose_clips:
        raise ToolError(
            f"{found.device}: {waiting} undelivered clips are on board; nothing was erased. "
            "`recorder pull` saves them; --lose-clips loses them."
        )
    return erases
