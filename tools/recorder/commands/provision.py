"""Make a board a recorder, or a batch of boards recorders."""

import pathlib

from tools.recorder import application, board_steps, orders, plan_text
from tools.recorder.errors import EXIT_DONE, UsageError
from tools.recorder.progress import OneBoard
from tools.recorder.provisioning import Provisioning
from tools.recorder.record import Record
from tools.recorder.survey import find

SUMMARY = "Put program, settings, Wi-Fi and token on one board or many."
EXAMPLE = "recorder provision --config c.json --wifi w.json --token-from mint:eu_k2"
RECORD = "provisioned.jsonl"


def add_arguments(command) -> None:
    command.usage = "recorder provision [options]"
    add = command.add_argument
    add("--board", metavar="ID", help="serial number or port, if there are several")
    add("--label", help="what its label says (else: its serial number)")
    add("--config", metavar="FILE", help="settings; without it they stay as they are")
    add("--wifi", metavar="FILE", help='networks: [{"ssid": …, "password": …}, …]')
    add("--apn", help="access point name of the SIM card")
    add("--pin-from", metavar="SOURCE", help="PIN of the SIM card: prompt, file:PATH, env:NAME")
    add("--hardware", metavar="NAME", help="its table in device/hal/esp32/boards.py")
    add("--token-from", metavar="SOURCE", help="prompt, file:PATH, env:NAME, keyring:N, mint:eu_…")
    add("--new-token", action="store_true", help="mint another, though it has one that is good")
    add("--rebind", action="store_true", help="mint also if it is bound to another user")
    add("--batch", metavar="CSV", help="a board a row (docs/technician-provision.md)")
    add("--jobs", type=int, default=4, metavar="N", help="boards at once, of a batch (4)")
    add("--record", metavar="FILE", help=f"what was done, for good ({RECORD})")
    add("--dry-run", action="store_true", help="print the plan; touch neither board nor cloud")
    add("--force", action="store_true", help="over another program, an older firmware, a label")


def run(options, ui) -> int:
    if options.batch:
        return _batch(options, ui)
    order = _with_flags(
        orders.Sources().order(**{name: getattr(options, name) for name in orders.NAMES}),
        options,
    )
    record = Record(options.record or RECORD, application.local_version())
    board, found = find(options.board, options.force)
    with OneBoard(ui, found.serial_number) as shown:
        provisioning = Provisioning(board, order, record, shown)
        if options.dry_run:
            try:
                plan, wanted = provisioning.plan(found)
            finally:
                board_steps.give_back(board)
            document = plan_text.document(found, plan, wanted, order)
            ui.result(document, *plan_text.lines(found, plan, wanted, order))
            return EXIT_DONE
        outcome = provisioning.run(found)
    document = {
        "board": outcome.board,
        "label": outcome.label,
        "result": outcome.result,
        "live": outcome.live,
        "note": outcome.note,
        "record": str(record.path),
    }
    ui.result(document, *plan_text.result_lines(outcome, record.path))
    return EXIT_DONE


def _with_flags(order, options):
    order.is_new_token = options.new_token
    order.is_forced = options.force
    if options.rebind or options.new_token:
        if order.mint is None:
            raise UsageError("--rebind and --new-token belong to --token-from mint:eu_….")
        order.mint.rebind = options.rebind
    return order


def _batch(options, ui) -> int:
    from tools.recorder import batch, batch_file

    for name in ("board", *orders.NAMES):
        if getattr(options, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} is a column of the batch's file, not an option beside it.")
    if options.jobs < 1:
        raise UsageError("--jobs must be 1 or more.")
    rows = batch_file.read(options.batch, orders.Sources())
    for row in rows:
        row.order.is_new_token, row.order.is_forced = options.new_token, options.force
        if row.order.mint is not None:
            row.order.mint.rebind = options.rebind
    default = pathlib.Path(options.batch).with_suffix(".record.jsonl")
    record = Record(options.record or default, application.local_version())
    return batch.Batch(rows, record, options.jobs, ui).run(options.dry_run)
