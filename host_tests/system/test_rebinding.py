"""The recorder is bound to another user while clips of the first one wait on it."""


def bind(cloud, device_id):
    """(id of a new user, token of the device bound to it), by the cloud's own rules."""
    with cloud.operator() as operator:
        operator.post(f"/devices/{device_id}/unbind").raise_for_status()
        user = operator.post("/end-users", json={"name": "the next one"}).json()["id"]
        answer = operator.post(f"/devices/{device_id}/bind", json={"end_user_id": user})
        answer.raise_for_status()
        return user, answer.json()["device_token"]


def recordings(cloud):
    with cloud.operator() as operator:
        return operator.get("/recordings", params={"limit": 100}).json()["data"]


def test_clips_of_a_former_user_stay_until_somebody_decides(bench):
    made = bench("cpython", 70)
    made.equip()
    made.board.start()
    made.board.command("wifi", in_reach=False)
    made.record_all()
    made.board.kill()

    user, token = bind(made.cloud, made.device_id)
    made.token = token
    made.equip()
    made.board.provision(token, epoch=2)
    made.board.start()
    status = made.wait_status(lambda status: status["queue"]["code"] == "other_epoch")
    assert status["queue"]["other_epoch"] == 3 and status["queue"]["detail"] == "clips=3"
    assert "--other-epoch" in status["queue"]["ends_when"]
    assert status["queue"]["aside"] == 0 and status["indicator"] == "idle"
    assert recordings(made.cloud) == [] and made.device_requests() == []
    made.board.kill()

    made.equip(upload={"retry_first_s": 1, "retry_cap_s": 2, "former_user": "send"})
    made.board.provision(token, epoch=2)
    made.board.start()
    made.wait_delivered()
    proofs, missing = made.prove()
    assert len(proofs) == 3 and missing == 0
    assert {r["end_user_id"] for r in recordings(made.cloud)} == {user}
