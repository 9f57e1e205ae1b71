"""A sample of the hostile world (world.py); the whole of it: python -m host_tests.hostile"""

import concurrent.futures

import pytest

from device.reasons import LANE, is_reason
from host_tests.hostile.run import World
from host_tests.hostile.world import ACTS, ROUTES, SAMPLE, acts

TRIED = ("put", "complete")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Side by side: each mostly waits."""
    with World.open(tmp_path_factory.mktemp("world")) as world:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = {route: pool.submit(world.run, route, SAMPLE, 100) for route in TRIED}
            return {route: outcome.result() for route, outcome in running.items()}


@pytest.mark.parametrize("route", TRIED)
def test_each_act_has_its_reason_and_the_clip_arrives_once(outcomes, route):
    assert outcomes[route].acts == len(SAMPLE) and outcomes[route].recordings == 1
    assert outcomes[route].faults == []


def test_the_table_speaks_of_every_act_in_the_products_words():
    names = [act.name for act in ACTS]
    assert len(set(names)) == len(names) and set(SAMPLE) <= set(names)
    for act in ACTS:
        for codes in (act.api, act.storage):
            assert codes is None or all(is_reason(LANE, code) for code in codes.split())
    # Only the last act of a route lets the clip go.
    for route in ROUTES:
        assert [act.name for act in acts(route) if not act.reasons(route)] == [ACTS[-1].name]
