"""Upload pulled clips from the laptop."""

import os
import pathlib

from device.errors import DeviceError, NeedsOperator, Permanent
from tools.recorder import delivery
from tools.recorder.collected import Clip, clips_in, lock
from tools.recorder.credentials import api_key, device_token
from tools.recorder.errors import EXIT_DONE, EXIT_FAILED, UsageError

TAKES = "FOLDER"
SUMMARY = "Upload pulled clips from this laptop; repeats double nothing."
EXAMPLE = """
recorder deliver clips/ --device REC-0001        (asks for its device token)
recorder deliver clips/ --device-id dev_p --end-user-id eu_k --api-key-file k
"""


def add_arguments(command) -> None:
    add = command.add_argument
    add("folder", type=pathlib.Path, help="what `recorder pull` filled")
    add("--device", metavar="ID", help="clips of this recorder only (serial number)")
    add("--api-url", metavar="URL", default="https://api.bota.dev", help="origin of the API")
    add("--ca", metavar="PEM", help="a root certificate of your own")
    add("--token-file", metavar="FILE", help="device token; else RECORDER_DEVICE_TOKEN")
    add("--api-key-file", metavar="FILE", help="operator's key; else RECORDER_API_KEY")
    add("--device-id", metavar="dev_…", help="the device in the cloud, with an API key")
    add("--end-user-id", metavar="eu_…", help="whose recordings they become, with an API key")
    add("--other-epoch", action="store_true", help="also clips made under another token")
    add("--dry-run", action="store_true", help="say what would go, send nothing")


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
