"""Cuts a delivery on the unix port at stated places; counts what the server's socket saw again.

One clip of PCM, recorded without a link, then delivered over TLS to the simulated cloud. A cut is
a reset of the connection by the server's side, or kill -9 of the recorder's process and a start.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator

from host_tests.system.conftest import RATE_HZ, Bench, speech
from tools.cloud import Cloud

KINDS = ("connection", "process")
CHUNK_BYTES = 256 * 1024
_HEADER_BYTES = 44


@dataclasses.dataclass
class Cut:
    """percent: where it was wished for; again_bytes: what went twice for it."""

    percent: int
    again_bytes: int


class Delivery:
    """A recorder with one clip of size_bytes that waits for its link."""

    def __init__(self, bench: Bench, size_bytes: int, strategy: str):
        self.bench = bench
        self.board = bench.board
        self.size_bytes = size_bytes
        self.strategy = strategy
        bench.equip(
            recording={"codec": "wav", "clip_length_s": 524},
            upload={
                "retry_first_s": 1,
                "retry_cap_s": 1,
                "strategy": strategy,
                "chunk_kb": CHUNK_BYTES // 1024,
            },
        )
        self.board.start()
        self.board.command("wifi", in_reach=False)
        bench.record_all()

    def run(self, kind: str, percents: list[int]) -> list[Cut]:
        """Deliver it with a cut at each of percents (ascending); what each cost."""
        cut = self._cut_connections if kind == "connection" else self._kill
        lost = cut([self.size_bytes * percent // 100 for percent in percents])
        self.bench.wait_delivered(120)
        # What was answered and not yet on flash when the process died is sent again as well.
        unheard = sum(self._sent()) - self.size_bytes - sum(lost)
        most = CHUNK_BYTES * len(lost) if (kind, self.strategy) == ("process", "chunks") else 0
        assert 0 <= unheard <= most, "every byte is accounted for"
        (proof,), missing = self.bench.prove()
        assert missing == 0 and proof.size_bytes == self.size_bytes
        assert bool(proof.chunks) == (self.strategy == "chunks")
        return [Cut(*pair) for pair in zip(percents, lost, strict=True)]

    def _puts(self, log=None):
        return [r for r in (log or self.bench.cloud.log).requests if r.route == "put"]

    def _sent(self, log=None) -> list[int]:
        return [put.body_bytes for put in self._puts(log)]

    def _cut_connections(self, places: list[int]) -> list[int]:
        for place in places:
            # A row counts the requests that no earlier row has struck: the chunks before it.
            skip, after = divmod(place, CHUNK_BYTES) if self.strategy == "chunks" else (0, place)
            self.bench.cloud.faults.add("put", "reset", skip=skip, after_bytes=max(1, after))
        self.board.command("wifi", in_reach=True)
        self.bench.wait_delivered(120)
        return [put.body_bytes for put in self._puts() if put.fault == "reset"]

    def _kill(self, places: list[int]) -> list[int]:
        """What was sent of a PUT that the process did not live to see answered."""
        lost = []
        self.board.command("wifi", in_reach=True)
        for place in places:
            mark = (place + sum(lost)) if self.strategy == "chunks" else place
            seen = len(self._puts()) if self.strategy == "whole" else 0
            assert self.bench.cloud.log.wait_for(
                lambda log, mark=mark, seen=seen: sum(self._sent(log)[seen:]) >= mark, 60
            ), self.board.serial()[-2000:]
            self.board.kill()
            self.bench.cloud.log.wait_for(lambda log: all(p.ended_s for p in self._puts(log)), 10)
            lost.append(self._not_known() - sum(lost))
            self.board.start()
        return lost

    def _not_known(self) -> int:
        """Bytes of PUTs without a whole answer: they cannot be part of any recording's proof."""
        return sum(put.body_bytes for put in self._puts() if not put.answer_complete)


@contextlib.contextmanager
def delivery(folder: pathlib.Path, size_bytes: int, strategy: str) -> Iterator[Delivery]:
    """A Delivery with a cloud of its own in folder."""
    seconds = (size_bytes - _HEADER_BYTES) / 2 / RATE_HZ
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud.start(folder / "cloud", rate_limits=False))
        bench = Bench(folder, cloud, "micropython", speech(seconds))
        stack.callback(bench.board.stop)
        yield Delivery(bench, size_bytes, strategy)
