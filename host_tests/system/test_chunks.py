"""Chunks through every real part: the unix port, TLS, the simulated cloud, S3."""

import re

import pytest

from tools.sim.proof import flash_leftovers

CHUNK_BYTES = 64 * 1024
IN_CHUNKS = {
    "retry_first_s": 1,
    "retry_cap_s": 2,
    "strategy": "chunks",
    "chunk_kb": CHUNK_BYTES // 1024,
}
LIVE = {**IN_CHUNKS, "live": True}


def puts(made, rid=""):
    return [r for r in made.cloud.log.requests if r.route == "put" and rid in r.path]


def of_route(made, route):
    return [r for r in made.device_requests() if r.route == route]


def test_simulate_proves_chunks(simulate):
    settings = ["--set", "upload.strategy=chunks", "--set", "upload.chunk_kb=64"]
    settings += ["--set", "upload.live=true"]
    result = simulate("--engine", "micropython", *settings)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" equal ") == 3
    assert "3 clips came as 20 chunks." in " ".join(result.stdout.split())


def test_simulate_names_a_setting_that_the_recorder_would_refuse(simulate):
    result = simulate("--set", "upload.strategy=pieces")
    assert result.returncode == 1
    assert "upload.strategy" in result.stderr and "whole, auto, chunks" in result.stderr


def test_a_take_goes_up_while_it_is_recorded(bench):
    """That the last chunk follows the end within the time of one is held in virtual time
    (unit/test_transfer_live.py): here the machine's speed would be judged.
    """
    made = bench("micropython", 120, rate_limits=False)
    made.equip(
        recording={"clip_length_s": 60},
        upload=LIVE,
        log={"level": "debug"},
        speed=20,
        driver_ms=600_000,
    )
    made.board.start()
    made.wait_status(lambda status: status["clock"]["unix_s"] is not None)
    made.record_all()
    made.wait_delivered()
    proofs, missing = made.prove()
    assert missing == 0 and [p.chunks > 5 for p in proofs] == [True, True]
    said = made.board.serial()
    for p in proofs:
        confirmed = re.findall(rf"chunk confirmed clip={p.number} chunk=(\d+)", said)
        assert confirmed == [str(n + 1) for n in range(p.chunks)], "in order, each once"
    assert said.index("chunk confirmed clip=1 chunk=1 ") < said.index("clip closed clip=1 ")
    assert len(of_route(made, "create")) == 2 and len(puts(made)) == sum(p.chunks for p in proofs)


def test_a_cloud_without_chunks_gets_whole_files_and_nothing_is_lost(bench, engine):
    made = bench(engine, 60)
    made.cloud.switches.chunk_flow = "no_route"
    made.equip(upload=LIVE)
    made.board.start()
    made.record_all()
    made.wait_delivered()
    proofs, missing = made.prove()
    assert missing == 0 and [p.chunks for p in proofs] == [0, 0]
    assert len(of_route(made, "chunk_url")) == 1, "asked once in this boot"
    keys = [r.idempotency_key.rsplit("-", 1)[1] for r in of_route(made, "create")]
    assert keys.count("s") == 1 and keys.count("w") == 1
    with made.cloud.operator() as operator:
        by_status = [r["status"] for r in operator.get("/recordings").json()["data"]]
    assert sorted(by_status) == ["streaming", "uploaded", "uploaded"]
    made.board.kill()
    assert flash_leftovers(made.board.folder) == []


def test_stitching_that_fails_is_made_good_by_the_whole_file(bench):
    made = bench("micropython", 24)
    made.cloud.switches.stitching_fails = True
    made.equip(upload=IN_CHUNKS)
    made.board.start()
    made.record_all()
    made.wait_delivered()
    (p,), missing = made.prove()
    assert missing == 0 and p.chunks == 0
    old, new = [r.answer_json for r in of_route(made, "create")]
    assert new["metadata"]["replaces_recording"] == old["id"] != new["id"]


def test_stitching_is_waited_for(bench):
    made = bench("micropython", 24)
    made.cloud.switches.stitching_polls = 2
    made.equip(upload=IN_CHUNKS)
    made.board.start()
    made.record_all()
    made.wait_delivered()
    (p,), _ = made.prove()
    assert p.chunks > 1
    answers = [r.answer_json["status"] for r in of_route(made, "finalize")]
    assert answers == ["stitching", "stitching", "uploaded", "uploaded"]


@pytest.mark.parametrize("route", ["create", "chunk_url", "put", "finalize"])
def test_an_answer_that_is_lost_is_asked_for_again(bench, route):
    made = bench("micropython", 24)
    made.cloud.faults.add(route, "drop_answer", skip=0 if route == "create" else 1)
    made.equip(upload=IN_CHUNKS)
    made.board.start()
    made.record_all()
    made.wait_delivered()
    (p,), missing = made.prove()
    assert missing == 0 and p.chunks > 1
    whole = [r for r in puts(made) if r.answer_complete]
    assert len(whole) == p.chunks
    with made.cloud.operator() as operator:
        assert len(operator.get("/recordings").json()["data"]) == 1


def test_the_power_goes_in_the_middle_of_a_live_take(bench):
    made = bench("micropython", 60, rate_limits=False)
    made.equip(recording={"clip_length_s": 60}, upload=LIVE, speed=20, driver_ms=60_000)
    made.board.start()
    made.board.command("press")
    assert made.cloud.log.wait_for(
        lambda log: sum(r.route == "put" and r.answer_complete for r in log.requests) >= 3, 30
    )
    made.board.kill()
    made.board.start()
    made.wait_delivered(60)
    (p,), _ = made.prove(may_miss=16_000)
    assert p.chunks >= 3
    again = [r for r in puts(made) if not r.answer_complete]
    assert sum(r.body_bytes for r in again) <= CHUNK_BYTES
    assert len({r.idempotency_key for r in of_route(made, "create")}) == 1


def test_what_the_chunks_need_fits_the_small_heap(bench):
    """The heap that 40 WAV clips need without them, 352 KiB, and 16 more; never short."""
    made = bench("micropython", 90, rate_limits=False)
    made.board.heap_kb = 368
    made.equip(recording={"codec": "wav"}, upload=LIVE)
    made.board.start()
    made.record_all()
    made.wait_delivered()
    assert made.prove()[1] == 0
    assert made.board.resets == [] and "memory" not in made.board.serial()
