"""What a cut costs on the unix port, at the server's socket (all: python -m host_tests.resume)."""

import pytest

from host_tests.resume.cuts import CHUNK_BYTES, KINDS, delivery

PERCENTS = [1, 50, 99]
SIZE_BYTES = 3_000_044


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_costs_one_chunk_at_most(tmp_path, kind):
    with delivery(tmp_path, SIZE_BYTES, "chunks") as one:
        cuts = one.run(kind, PERCENTS)
    print(kind, cuts)
    assert len(cuts) == 3 and all(cut.again_bytes <= CHUNK_BYTES for cut in cuts)
    assert sum(cut.again_bytes for cut in cuts) > 0


def test_a_whole_file_costs_what_was_sent(tmp_path):
    """Stated, not hidden: S3 takes a PUT whole or not at all."""
    with delivery(tmp_path, SIZE_BYTES, "whole") as one:
        cuts = one.run("connection", PERCENTS)
    for cut in cuts:
        assert cut.again_bytes >= SIZE_BYTES * cut.percent // 100
