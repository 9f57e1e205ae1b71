"""The order in which clips reach the cloud, over a power cut: asked for first, then as set."""

import json

import pytest
from test_keep_alive import fill


def created(made) -> list[int]:
    """Numbers of the clips in the order in which the cloud was asked for their recordings."""
    bodies = [r.body_json for r in made.device_requests() if r.route == "create"]
    return [int(body["metadata"]["clip"]) for body in bodies]


@pytest.mark.parametrize(
    "order, expected", [("oldest", [5, 2, 1, 3, 4, 6]), ("newest", [5, 2, 6, 4, 3, 1])]
)
def test_asked_for_first_and_then_in_order(bench, order, expected):
    made = bench("cpython", 1)
    fill(made.board.folder / "flash", 6)
    made.equip(
        upload={"retry_first_s": 1, "retry_cap_s": 2, "order": order},
        cloud={"api_url": made.cloud.api_origin, "heartbeat_s": 600},
    )
    made.board.provision(None)
    made.board.start()
    ask = made.board.command
    assert ask("send", clip=5) == {"ok": True, "before": 0}
    assert ask("send", clip=2) == {"ok": True, "before": 1}
    assert "no clip 9" in ask("send", clip=9)["error"]
    assert made.board.status()["queue"]["requested"] == [5, 2]
    made.board.kill()
    made.board.provision(made.token)
    made.board.start()
    status = made.wait_status(lambda status: status["queue"]["delivered"] == 6)
    assert created(made) == expected
    calls = [r for r in made.device_requests() if r.route in ("heartbeat", "create")]
    said = [bool(r.body_json["flags"] & 32) for r in calls if r.route == "heartbeat"]
    assert calls[0].route == "heartbeat" and said == [True], "sync active, before the first clip"
    queue = status["queue"]
    assert queue["requested"] == [] and queue["chosen_by"] == order, json.dumps(queue)
