"""link.link tells a way that is dead from a cloud that is away, and leaves it (B34, B38)."""

import pytest
from link_world import HOUR, MINUTE, World


@pytest.fixture
def world(time, tmp_path):
    return lambda **options: World(time, tmp_path, **options)


@pytest.mark.parametrize("code", ["portal", "tls_untrusted", "tls_wrong_name"])
def test_somebody_else_who_answers_drives_it_to_the_other_way(world, code):
    w = world()
    w.fates["home"] = code
    w.run(90)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]
    assert any(code in line for line in w.lines)


def test_a_portal_on_the_only_way_is_said_and_waited_for(world):
    w = world(modem=False)
    w.fates["home"] = "portal"
    w.run(HOUR)
    assert w.link.as_dict()["trouble"] == "portal" and len(w.radio.connects) <= 2
    assert w.resets == []
    w.fates.clear()
    w.run(2 * MINUTE)
    assert w.link.as_dict()["proved"] and "trouble" not in w.link.as_dict()


@pytest.mark.parametrize("code", ["timeout", "dns_failed", "connection_lost", "connect_failed"])
def test_a_dead_way_is_left_within_minutes(world, code):
    """A gateway that is dead, a name server that lies: any code."""
    w = world()
    w.run(5 * MINUTE)
    w.fates["home"] = code
    begun = w.time.seconds
    w.run(5 * MINUTE)
    left = [at for at, up, _ in w.history if at > begun and not up]
    assert left and left[0] - begun < 3 * MINUTE and w.link.kind == "4g"


def test_a_dead_way_is_left_though_nothing_is_sent(world):
    w = world()
    w.fates["home"] = "timeout"
    w.run(4 * MINUTE, lane=False)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]


def test_a_cloud_that_is_away_for_an_hour_is_not_a_dead_way(world):
    w = world(modem=False)
    w.run(MINUTE)
    w.fates["home"] = "away"
    w.run(HOUR)
    assert len(w.radio.connects) == 1 and w.resets == [] and w.link.is_up()
    w.fates.clear()
    w.run(40)
    assert w.sent[-1] > w.time.seconds - 40, "within one try it goes on"


def test_where_no_time_server_answers_its_silence_counts_less(world):
    """A firewall that lets only HTTPS pass, and a cloud that is away for some minutes."""
    w = world(modem=False)
    w.has_time = False
    w.run(MINUTE)
    w.fates["home"] = "timeout"
    w.run(5 * MINUTE)
    w.fates.clear()
    w.run(MINUTE)
    assert len(w.radio.connects) == 1 and w.link.as_dict()["proved"]
    w.fates["home"] = "timeout"
    w.run(10 * MINUTE)
    assert len(w.radio.connects) == 2, "but a way that is dead is found there too"


def test_an_answer_of_the_time_server_alone_is_not_enough_for_ever(world):
    """Small packets pass and large ones do not: perhaps another way carries both."""
    w = world()
    w.fates["home"] = "away"
    w.run(6 * MINUTE)
    assert w.link.kind == "4g" and w.link.as_dict()["proved"]


def test_another_address_means_new_sockets(world):
    w = world(modem=False)
    w.run(MINUTE)
    assert [up for _, up, _ in w.history] == [True]
    w.radio.lease = 9
    w.run(10)
    assert [up for _, up, _ in w.history][-2:] == [False, True]
