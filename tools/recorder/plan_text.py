"""A plan and its outcome in words and as a document; no secret is in either."""

import json
import pathlib

from tools.recorder.application import digest
from tools.recorder.plan import Plan, Wanted
from tools.recorder.provisioning import Order, Outcome
from tools.recorder.record import DONE
from tools.recorder.survey import Survey

_SHOWN_FILES = 12


def document(found: Survey, plan: Plan, wanted: Wanted, order: Order) -> dict:
    """The plan with every file, for --json."""
    return {
        "board": found.serial_number,
        "state": found.state,
        "micropython": ".".join(map(str, found.micropython)),
        "firmware": wanted.fingerprint,
        "version": wanted.version,
        "release": plan.target,
        "boot": list(plan.boot),
        "send": [[p, len(d), digest(d)] for p, d in (plan.send | plan.waiting).items()],
        "copy": [list(pair) for pair in plan.copy],
        "keep": plan.keep,
        "remove": plan.stale + plan.remove,
        "settings": settings_diff(found, wanted),
        "networks": [ssid for ssid, _ in order.networks or []],
        "token": token_text(order),
    }


def lines(found: Survey, plan: Plan, wanted: Wanted, order: Order) -> list[str]:
    version = ".".join(map(str, found.micropython))
    shown = [f"{found.serial_number} ({found.state}, MicroPython {version}): nothing was written."]
    if plan.is_live:
        shown.append(f"  program    {wanted.version} is there already, in {plan.target}/")
    else:
        shown.append(
            f"  program    {wanted.version} into {plan.target}/: {plan.keep} files are right, "
            f"{len(plan.copy)} copied on the board, {len(plan.send)} sent "
            f"({plan.send_bytes / 1024:.0f} KiB over the cable)"
        )
        if plan.boot[1] != "-":
            shown.append(f"             on trial; {plan.boot[0]}/ is gone back to if it fails")
    shown += _files(plan)
    shown += [f"  settings   {line}" for line in settings_diff(found, wanted)]
    for ssid, password in order.networks or []:
        shown.append(f"  Wi-Fi      {ssid!r}, {'open' if not password.reveal() else 'a password'}")
    shown.append(f"  token      {token_text(order)}")
    return shown


def result_lines(outcome: Outcome, record: pathlib.Path) -> list[str]:
    live = outcome.live
    name = (
        outcome.label if outcome.label == outcome.board else f"{outcome.label} ({outcome.board})"
    )
    state = "done: the cloud has heard it." if outcome.result == DONE else "written, not proved."
    trial = ", on trial until it has run ten minutes" if live["trial"] else ""
    return [
        f"{name}: {state}",
        f"  program {live['version']} {live['firmware'][:12]} in {live['release']}/{trial}",
        f"  token {live['token'] or 'none'}, settings {live['config'][:12] or 'none'}",
        *([f"  {outcome.note}"] if outcome.note else []),
        f"  recorded in {record}",
    ]


def token_text(order: Order) -> str:
    if order.mint is not None:
        if order.is_new_token:
            return f"a new one would be minted for {order.mint.user}; the old one dies"
        return f"would be minted for {order.mint.user}, unless it has a good one of that user"
    if order.token is not None:
        return f"given, fingerprint {order.token.fingerprint()}"
    return "stays as it is"


def settings_diff(found: Survey, wanted: Wanted) -> list[str]:
    """One line a setting that changes: "path: old → new"."""
    if "config.json" not in wanted.root:
        return []
    before = _flat(_tree(found.config))
    after = _flat(_tree(wanted.root["config.json"]))
    return [
        f"{path}: {_value(before, path)} → {_value(after, path)}"
        for path in sorted(set(before) | set(after))
        if before.get(path) != after.get(path)
    ]


def _files(plan: Plan) -> list[str]:
    sent = list((plan.send | plan.waiting).items())
    shown = [
        f"  send       {path}  {len(data)} bytes  {digest(data)[:12]}"
        for path, data in sent[:_SHOWN_FILES]
    ]
    if len(sent) > _SHOWN_FILES:
        shown.append(f"  send       … and {len(sent) - _SHOWN_FILES} more (--json has them all)")
    gone = len(plan.stale) + len(plan.remove)
    return shown + ([f"  remove     {gone} old files and folders"] if gone else [])


def _tree(data: bytes | None):
    try:
        return json.loads((data or b"{}").decode("utf-8-sig"))
    except ValueError:
        return {}


def _flat(tree, path: str = "") -> dict:
    if not isinstance(tree, dict):
        return {path: tree}
    found = {}
    for key, value in tree.items():
        found |= _flat(value, f"{path}.{key}" if path else key)
    return found


def _value(values: dict, path: str) -> str:
    return json.dumps(values[path], ensure_ascii=False) if path in values else "default"
