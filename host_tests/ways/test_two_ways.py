"""Two networks that are really two: lossy, slow, and one of them goes in the middle of a PUT.

All of it, also ways that die without a word: python -m host_tests.ways
"""

from host_tests.ways import namespaces
from host_tests.ways.bench import two_ways
from host_tests.ways.failover import fail_over

SEED = 20


def test_wifi_goes_in_the_middle_of_a_put_and_4g_delivers(tmp_path, capsys):
    refusal = namespaces.why_not()
    with two_ways(tmp_path, 45, SEED, refusal) as made:
        outcome = fail_over(made, "wifi", at_pct=40, is_told=True)
    with capsys.disabled():
        print(f"\n{outcome.words()} (seed {SEED})")
