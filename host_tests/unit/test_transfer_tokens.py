"""transfer.tokens: whichever token the cloud accepts stays, and a cut costs neither."""

import itertools

import fakes
import pytest

from device.errors import NeedsOperator
from device.transfer.tokens import Tokens, clean_token


def make(old, new):
    secrets = fakes.Secrets(old)
    secrets.values["token_next"] = new
    return secrets, Tokens(secrets)


def test_the_new_one_is_tried_first_and_takes_over():
    secrets, tokens = make("old", "new")
    assert tokens.current() == "new"
    tokens.accepted("new")
    assert (secrets.get("token"), secrets.get("token_next")) == ("new", "")


def test_a_refused_new_one_gives_way_to_the_old_one():
    secrets, tokens = make("old", "new")
    assert tokens.refused("new") is True
    assert tokens.current() == "old"
    assert secrets.get("token_next") == "new", "it is not given up before another is accepted"
    tokens.accepted("old")
    assert (secrets.get("token"), secrets.get("token_next")) == ("old", "")


def test_both_refused_are_tried_in_turn_for_ever():
    secrets, tokens = make("old", "new")
    tried = []
    for _ in range(6):
        token = tokens.current()
        tried.append(token)
        tokens.refused(token)
    assert tried == ["new", "old"] * 3
    assert (secrets.get("token"), secrets.get("token_next")) == ("old", "new")


@pytest.mark.parametrize("old, new, alone", [("old", "", "old"), ("", "new", "new"), ("", "", "")])
def test_one_alone_has_no_second(old, new, alone):
    _, tokens = make(old, new)
    assert tokens.current() == alone
    assert tokens.refused(alone) is False and tokens.current() == alone


def test_a_token_over_the_cable_is_used_though_a_dead_one_waits():
    secrets, tokens = make("old", "dead")
    secrets.set("token", "fresh")
    tokens.refused("dead")
    assert tokens.current() == "fresh"
    tokens.accepted("fresh")
    assert (secrets.get("token"), secrets.get("token_next")) == ("fresh", "")


def test_flash_is_read_when_a_secret_changed_and_not_at_each_look():
    secrets, tokens = make("old", "")
    read, get = [], secrets.get
    secrets.get = lambda key: read.append(key) or get(key)
    assert [tokens.current() for _ in range(3)] == ["old"] * 3
    assert read == ["token_next", "token"]
    secrets.set("token", "fresh")
    assert [tokens.current() for _ in range(3)] == ["fresh"] * 3
    assert len(read) == 4


def test_what_could_not_be_read_is_not_taken_as_known():
    secrets, tokens = make("old", "")
    get = secrets.get

    def fails(key):
        raise NeedsOperator("storage_failed")

    secrets.get = fails
    with pytest.raises(NeedsOperator):
        tokens.current()
    secrets.get = get
    assert tokens.current() == "old"


def test_a_cut_between_any_two_writes_leaves_a_token_that_works():
    """The cloud takes `valid` alone. Cut after each write of the taking over, then begin anew."""
    for valid, cut in itertools.product(("old", "new"), range(3)):
        secrets, tokens = make("old", "new")
        writes = [0]
        real_set = secrets.set

        def counted(key, text, real_set=real_set, writes=writes, cut=cut):
            if writes[0] == cut:
                raise KeyboardInterrupt  # the power goes
            writes[0] += 1
            real_set(key, text)

        secrets.set = counted
        for _ in range(2):  # at most one refusal before the valid one
            token = tokens.current()
            try:
                tokens.accepted(token) if token == valid else tokens.refused(token)
            except KeyboardInterrupt:
                break
        secrets.set = real_set
        again = Tokens(secrets)
        tried = [again.current()]
        again.refused(tried[0])
        tried.append(again.current())
        assert valid in tried, (valid, cut, secrets.values)


@pytest.mark.parametrize(
    "text, token",
    [("\ufeffdtok_a\r\n", "dtok_a"), ("Bearer dtok_a", "dtok_a"), ("a b", ""), (None, "")],
)
def test_what_editors_leave_around_it(text, token):
    assert clean_token(text) == token
