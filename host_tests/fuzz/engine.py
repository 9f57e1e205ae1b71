"""Makes inputs out of good ones, feeds them to a target, counts what came of each.

A target takes bytes. It returns a short word for the outcome, raises one of the errors it declares
(counted by their class), or fails: any other exception, an AssertionError of its own checks, or
more memory than it declares. The same seed makes the same inputs.
"""

import collections
import contextlib
import dataclasses
import json
import random
import tracemalloc
from collections.abc import Callable

MOST_INPUT_BYTES = 64 * 1024
_MEASURED_EVERY = 97  # tracemalloc makes a run four times slower
_MOST_KEPT = 5  # failing inputs that are kept of a target

# What parsers stumble over, whatever they parse.
TOKENS = (
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\xef\xbb\xbf",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"4294967296",
    b"18446744073709551616",
    b"9" * 40,
    b'"',
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[" * 40,
    b"]",
    b",",
    b":",
    b" ",
    b"\t",
    b"../",
    b"%s",
    b"null",
    b"true",
    b"0\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"A" * 1100,
)
VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**64,
    -(2**63),
    10**30,
    1.5,
    -0.0,
    "",
    "0",
    "x" * 700,
    "\0",
    "\ud800",
    "ä",
    [],
    [[]],
    [0],
    [1, 2, 3],
    [[1, 2]],
    ["", None],
    {},
    {"a": {"b": []}},
)


@dataclasses.dataclass(frozen=True)
class Target:
    """seeds: good inputs; run(data) -> outcome; errors: what it may raise; most_bytes: what one
    input may make it allocate.
    """

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], str]
    errors: tuple[type, ...] = ()
    most_bytes: int = 2 << 20


@dataclasses.dataclass
class Result:
    name: str
    inputs: int = 0
    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    peak_bytes: int = 0
    failures: list[tuple[bytes, str]] = dataclasses.field(default_factory=list)


def fuzz(target: Target, count: int, seed: int) -> Result:
    """The seeds of a target and count inputs made of them; stops early after a few failures."""
    rng = random.Random(f"{target.name} {seed}")
    result = Result(target.name)
    for data in target.seeds:
        feed(target, data, result, measured=True)
    for i in range(count):
        data = mutated(rng, rng.choice(target.seeds), target.seeds)
        feed(target, data, result, measured=i % _MEASURED_EVERY == 0)
        if len(result.failures) >= _MOST_KEPT:
            break
    return result


def feed(target: Target, data: bytes, result: Result, measured: bool = False) -> None:
    """Run one input and note what came of it."""
    result.inputs += 1
    if measured:
        tracemalloc.start()
    try:
        outcome = target.run(data)
    except target.errors as e:
        outcome = type(e).__name__
    except Exception as e:  # noqa: BLE001  this is what is looked for
        result.failures.append((data, f"{type(e).__name__}: {e}"))
        outcome = "failed"
    finally:
        if measured:
            result.peak_bytes = max(result.peak_bytes, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    if result.peak_bytes > target.most_bytes:
        result.failures.append((data, f"took {result.peak_bytes} bytes"))
        result.peak_bytes = 0
    result.outcomes[outcome] += 1


def mutated(rng: random.Random, data: bytes, seeds) -> bytes:
    """data, changed in one to six places; JSON half of the time by its values."""
    if rng.random() < 0.5:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            pass
        else:
            for _ in range(rng.randrange(1, 4)):
                tree = _changed(rng, tree)
            return json.dumps(tree).encode()
    out = bytearray(data)
    for _ in range(rng.randrange(1, 7)):
        _spoil(rng, out, seeds)
    return bytes(out[:MOST_INPUT_BYTES])


def _changed(rng, tree):
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(sorted(tree))
        what = rng.random()
        if what < 0.1:
            return {k: v for k, v in tree.items() if k != key}
        if what < 0.2:
            return tree | {rng.choice(["x", "", "id", "\0", key + "2"]): rng.choice(VALUES)}
        return tree | {key: _changed(rng, tree[key])}
    if isinstance(tree, list) and tree and rng.random() < 0.6:
        at = rng.randrange(len(tree))
        if rng.random() < 0.2:
            return tree[:at] + tree[at + 1 :]
        return [*tree[:at], _changed(rng, tree[at]), *tree[at + 1 :]]
    if isinstance(tree, int) and rng.random() < 0.4:
        return tree + rng.choice((-1, 1, 255, -tree, tree))
    return rng.choice(VALUES)


def _spoil(rng, out: bytearray, seeds) -> None:
    at = rng.randrange(len(out) + 1)
    end = min(len(out), at + rng.choice((1, 1, 2, 4, 16, 64)))
    what = rng.randrange(8)
    if what == 0 and out:
        at = min(at, len(out) - 1)
        out[at] ^= 1 << rng.randrange(8)
    elif what == 1:
        del out[at:end]
    elif what == 2:
        out[at:at] = out[at:end] * rng.choice((1, 2, 20))
    elif what == 3:
        out[at:at] = rng.choice(TOKENS)
    elif what == 4:
        out[at:end] = rng.choice(TOKENS)
    elif what == 5:
        del out[at:]
    elif what == 6:
        out[at:end] = rng.randbytes(end - at)
    else:
        other = rng.choice(seeds)
        start = rng.randrange(len(other) + 1)
        out[at:] = other[start:]


@contextlib.contextmanager
def replaced(module, **names):
    """Names of a module that mean something else for the moment: its clock, its pauses."""
    kept = {name: getattr(module, name) for name in names}
    try:
        for name in names:
            setattr(module, name, names[name])
        yield
    finally:
        for name in names:
            setattr(module, name, kept[name])


def drive(coroutine):
    """The result of a coroutine that never really waits (its fakes answer at once)."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as e:
        return e.value
    finally:
        coroutine.close()


async def at_once(*_details):
    """In the place of a pause."""
