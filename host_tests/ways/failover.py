"""One delivery in the middle of which its way is taken down; judged at the server and by the
kernel's counters.
"""

import dataclasses
import time

from host_tests.ways.bench import TwoWays
from tools.sim.board import APN, MODEM, SSID

FIRST = ("wifi", "cellular")
_NAMES = {"wifi": "wifi", "cellular": "4g"}  # in the status


@dataclasses.dataclass
class Outcome:
    """Bytes are those of the recorder's interfaces: both directions, with headers and repeats."""

    first: str
    is_told: bool
    cut_at_bytes: int
    clip_bytes: int
    all_bytes: int
    before: dict[str, int]
    after: dict[str, int]
    lost_packets: int
    found_s: float
    refusal: str | None

    def words(self) -> str:
        ways = "namespaces" if self.refusal is None else f"relays on loopback ({self.refusal})"
        return (
            f"{self.first} taken down {'' if self.is_told else 'silently '}at "
            f"{self.cut_at_bytes} of {self.clip_bytes} bytes, over {ways}: the other way took "
            f"over after {self.found_s:.1f} s; KiB over it {self.after[self.other] // 1024}, "
            f"over the first {self.before[self.first] // 1024}; {self.lost_packets} packets lost"
        )

    @property
    def other(self) -> str:
        return FIRST[1 - FIRST.index(self.first)]


def fail_over(made: TwoWays, first: str, at_pct: int, is_told: bool, limit_s=90.0) -> Outcome:
    """Record, begin to deliver over `first`, take it down at at_pct of the first clip's PUT.

    is_told: Wi-Fi's driver notices; else the way shows an address for ever (as PPP always does),
    and the recorder must find out by itself. Fails unless everything arrives over the other way,
    once, as it was heard.
    """
    bench, ways = made.bench, {"wifi": made.wifi, "cellular": made.cellular}
    other = FIRST[1 - FIRST.index(first)]
    bench.equip(
        modem=MODEM,
        hosts=made.hosts(made.wifi),
        cellular_hosts=made.hosts(made.cellular),
        recording={"quality": "lossless"},
        cellular={"apn": APN},
        wifi={"networks": [SSID]},
        link={"first": first},
    )
    made.start()
    bench.record_all()
    log = bench.cloud.log
    (put,) = _wait(log, lambda: _puts(log)[:1])
    clip_bytes = int(put.headers["content-length"])
    _wait(log, lambda: _puts(log)[0].body_bytes >= clip_bytes * at_pct // 100)
    status = bench.board.status()
    assert status["link"]["way"] == _NAMES[first] and status["queue"]["in_hand"]
    ways[first].set_up(False)
    down_s = time.monotonic()
    before = {name: sum(way.counted()) for name, way in ways.items()}
    if is_told:
        bench.board.command("wifi", in_reach=False)
    bench.wait_status(lambda status: status["link"]["way"] == _NAMES[other], limit_s)
    found_s = time.monotonic() - down_s
    bench.wait_delivered(limit_s)
    after = {name: sum(way.counted()) for name, way in ways.items()}
    proofs, missing = bench.prove()
    assert missing == 0 and len(proofs) > 1
    all_bytes = sum(proof.size_bytes for proof in proofs)
    puts = _puts(log)
    cut = [p for p in puts if p.answer_status != 200]  # none, or storage's: it had waited enough
    assert [p.number for p in cut] == [put.number], (
        "one PUT, cut where its way went",
        [(p.number, p.body_bytes, p.answer_status) for p in puts],
    )
    assert len(puts) == len(proofs) + 1
    assert before[first] > cut[0].body_bytes * 0.9, "that was carried by the way that went"
    assert after[first] == before[first], "nothing more over a way that is down"
    assert after[other] - before[other] > all_bytes, "all of it went over the other one"
    return Outcome(
        first,
        is_told,
        cut[0].body_bytes,
        clip_bytes,
        all_bytes,
        before,
        after,
        sum(way.lost() for way in ways.values()),
        found_s,
        made.refusal,
    )


def _puts(log) -> list:
    return [r for r in log.requests if r.route == "put"]


def _wait(log, condition):
    found = log.wait_for(lambda _: condition(), 60)
    assert found, "it did not come to pass"
    return found
