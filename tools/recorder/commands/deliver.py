"""Upload pulled clips from the laptop."""

import os
import pathlib

from device.errors import DeviceError, NeedsOperator, Permanent
from tools.recorder import delivery
from tools.recorder.collected import Clip, clips_in, lock
from tools.recorder.credentials import api_key, device_token
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED, UsageError

SUMMARY = "Upload pulled clips from this laptop; a repeat, or a second laptop, doubles nothing."
EXAMPLE = """
recorder deliver clips/ --device REC-0001                  (asks for its device token)
recorder deliver clips/ --device-id dev_p8 --end-user-id eu_k2 --api-key-file key.txt
"""


def add_arguments(command) -> None:
    command.add_argument("folder", type=pathlib.Path, help="what `recorder pull` filled")
    command.add_argument("--device", help="clips of this recorder only (serial number)")
    command.add_argument("--api-url", default="https://api.bota.dev", help="origin of the API")
    command.add_argument("--ca", help="file of a root certificate of your own (PEM)")
    command.add_argument("--token-file", help="device token; else RECORDER_DEVICE_TOKEN, or asked")
    command.add_argument("--api-key-file", help="operator's key; else RECORDER_API_KEY, or asked")
    command.add_argument("--device-id", help="the device in the cloud (dev_…), with an API key")
    command.add_argument("--end-user-id", help="whose recordings they become, with an API key")
    command.add_argument(
        "--other-epoch", action="store_true", help="also clips made under another token"
    )
    command.add_argument("--dry-run", action="store_true", help="say what would go, send nothing")


def run(options, ui) -> int:
    clips = clips_in(options.folder, options.device)
    devices = sorted({clip.facts["device"] for clip in clips})
    if len(devices) > 1:
        raise UsageError(f"The folder holds clips of {', '.join(devices)}: name one (--device).")
    if bool(options.device_id) != bool(options.end_user_id):
        raise UsageError("--device-id and --end-user-id go together, with an API key.")
    waiting = [clip for clip in clips if not clip.receipt]
    left = {} if options.end_user_id or options.other_epoch else _of_others(waiting)
    going = [clip for clip in waiting if clip.facts["n"] not in left]
    document = {"delivered": {}, "left": left, "before": len(clips) - len(waiting)}
    if options.dry_run:
        document["would_go"] = [clip.facts["n"] for clip in going]
        ui.result(document, f"{len(going)} clips would go, {len(left)} not.")
        return EXIT_DONE
    if going:
        with lock(options.folder):
            _deliver(options, ui, going, document)
    ui.result(document, *told(document, options.folder))
    return EXIT_FAILED if document["left"] else EXIT_DONE


def _of_others(clips: list[Clip]) -> dict[int, str]:
    """Clips made under another token than the board has now: it may be another person's."""
    return {
        clip.facts["n"]: "made under another token or binding: with an API key say whose it is "
        "(--device-id, --end-user-id), or insist with --other-epoch"
        for clip in clips
        if clip.facts["epoch_now"] is not None and clip.facts["epoch"] != clip.facts["epoch_now"]
    }


def _deliver(options, ui, clips: list[Clip], document: dict) -> None:
    owner = None
    if options.end_user_id:
        owner = {"device_id": options.device_id, "end_user_id": options.end_user_id}
        credential = api_key(options.api_key_file, os.environ)
    else:
        credential = device_token(options.token_file, os.environ)
    with delivery.open_client(options.ca) as client:
        way = delivery.Delivery(client, options.api_url, credential, owner)
        for clip in clips:
            number = clip.facts["n"]
            try:
                document["delivered"][number] = way.deliver(clip)
                ui.say(f"{clip}: delivered as {document['delivered'][number]}")
            except DeviceError as error:
                document["left"][number] = delivery.explain(error)
                ui.say(f"{clip}: {document['left'][number]}")
                if isinstance(error, NeedsOperator) or not isinstance(error, Permanent):
                    for later in clips[clips.index(clip) + 1 :]:
                        document["left"].setdefault(later.facts["n"], "not tried: " + error.code)
                    return  # what stopped this clip stops the others


def told(document: dict, folder: pathlib.Path) -> list[str]:
    lines = [f"{len(document['delivered'])} clips delivered, {document['before']} were before."]
    lines += [f"  clip {number}: {why}" for number, why in document["left"].items()]
    if document["delivered"] or document["before"]:
        lines.append(f"Next, with the board plugged in: recorder receipt {folder}")
    return lines
