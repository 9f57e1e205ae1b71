"""Every fault that the TLS fronts can act out, on a route, one after another, in one cycle.

TORTURE=1 tries each of the four routes (80 s); by default storage, where the body goes out.
"""

import os

import pytest

ROUTES = ("create", "upload_url", "put", "complete") if os.environ.get("TORTURE") else ("put",)

BIG = b"<html>" + b"x" * 300_000
FAULTS = {
    "throttled": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    "outage": {"kind": "status", "status": 503},
    "a page": {"kind": "html"},
    "a page before the body is through": {"kind": "html", "early": True},
    "oversize error": {"kind": "status", "status": 504, "body": BIG},
    "oversize success": {"kind": "status", "status": 200, "body": BIG},
    "oversize head": {"kind": "status", "status": 200, "headers": {"X-A": "y" * 9000}},
    "redirect": {"kind": "status", "status": 302, "headers": {"Location": "http://192.168.4.1/"}},
    "garbage": {"kind": "status", "status": 200, "body": b'\x00\xff{"id":'},
    "reset": {"kind": "reset"},
    "lost answer": {"kind": "drop_answer"},
    "truncated": {"kind": "short_body"},
    "announced close": {"kind": "close_after"},
    "late": {"kind": "delay", "delay_s": 0.3},
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("route", ROUTES)
def test_a_hostile_way_costs_time_and_nothing_else(bench, route):
    made = bench("micropython", 24)
    made.equip(upload={"retry_first_s": 1, "retry_cap_s": 1})
    made.cloud.switches.keep_alive_s = 0.5  # so that kept connections are stale between tries
    rows = [made.cloud.faults.add(route, **fault) for fault in FAULTS.values()]
    made.board.start()
    made.record_all()
    made.wait_delivered(120)
    never = [name for name, row in zip(FAULTS, rows, strict=True) if row.hits != 1]
    proofs, missing = made.prove()
    assert len(proofs) == 1 and missing == 0
    status = made.board.status()
    assert status["queue"]["aside"] == 0 and made.board.resets == []
    creates = [r for r in made.device_requests() if r.route == "create"]
    assert len({c.idempotency_key for c in creates}) == 1
    # None: the front answered before it had read the body.
    assert len({c.body_sha256 for c in creates} - {None}) == 1
    assert never in ([], ["late"], ["announced close", "late"]), never
