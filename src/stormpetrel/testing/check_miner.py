"""The contract of `ports.algorithms.LogMiner`, executed: give it a way to make a miner.

Each check raises `AssertionError` with the sentence of the contract that does not hold. A miner's own test
suite calls `check_miner(MyMiner)`; the built-in one goes through the same door.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.model.pattern import LogLines
from stormpetrel.ports.algorithms import LogMiner
from stormpetrel.testing.require import equal, require

MakeMiner = Callable[[], LogMiner]

START = 1_700_000_000_000_000_000
_STEP = 250_000_000
_STATEMENTS = (
    "accepted connection from 10.0.{a}.{b}:{c} for user {name}",
    "request {hexa} took {c} ms, status={b} path=/api/v1/orders/{a}",
    "worker-{a} started",
    "cache miss ratio {a}.{b}%, {c} bytes held",
    'reading "{name}.json" failed: No such file or directory',
    "state changed from {state} to {other}",
    '{{"level":"info","msg":"order {a} paid","amount":{b},"user":"{name}"}}',
    "retrying in {a} seconds",
)
_NAMES = ("ada", "bob", "eve", "kim", "lee", "max", "mia", "noa", "sam", "tom")
_STATES = ("NEW", "READY", "RUNNING", "DONE")


def sample_lines(
    count: int = 1500, seed: int = 7, header: str = "2024-03-01 10:00:{s:02d},{b:03d} INFO [main] "
) -> list[str]:
    """Lines of one source: a header, then one of a few statements with other values each time."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(count):
        a, b, c = (int(x) for x in rng.integers(1, 250, 3))
        said = _STATEMENTS[int(rng.integers(len(_STATEMENTS)))]
        name, state, other = _NAMES[a % 10], _STATES[a % 4], _STATES[b % 4]
        head = header.format(s=k // 4 % 60, b=b)
        hexa = f"{int(rng.integers(2**40)):012x}f0"
        out.append(head + said.format(a=a, b=b, c=c * 97, name=name, state=state, other=other, hexa=hexa))
    return out


def as_lines(texts: Sequence[str], source: str = "shop", start: int = 0) -> LogLines:
    """Lines of one source, four a second from line number `start` on."""
    n = len(texts)
    return LogLines(
        text=pa.array(texts, pa.string()),
        source=np.zeros(n, np.int32),
        sources=(source,),
        time_unix_nano=START + (start + np.arange(n, dtype=np.int64)) * _STEP,
        severity_number=np.full(n, 9, np.uint8),
        origin=np.zeros(n, np.int32),
        origins=("host-a",),
    )


def fed(
    make: MakeMiner, texts: Sequence[str], sizes: Sequence[int], source: str = "shop"
) -> tuple[LogMiner, NDArray[np.int64]]:
    """A new miner after the lines, in batches of these sizes (the last again and again), and its ids."""
    miner = make()
    given: list[NDArray[np.int64]] = []
    at = turn = 0
    while at < len(texts):
        size = max(1, sizes[min(turn, len(sizes) - 1)])
        given.append(miner.update(as_lines(texts[at : at + size], source, at)).pattern)
        at, turn = at + size, turn + 1
    return miner, np.concatenate(given) if given else np.zeros(0, np.int64)


def today(miner: LogMiner, given: NDArray[np.int64]) -> list[int]:
    """What ids are called now."""
    return [miner.resolve(int(pattern)) for pattern in given]


def check_batches(make: MakeMiner) -> None:
    """Patterns do not depend on how lines are cut into batches; one by one agrees on every line."""
    texts = sample_lines()
    whole, given = fed(make, texts, [len(texts)])
    cut, others = fed(make, texts, [1, 7, 100, 311])
    equal(given.tolist(), others.tolist())
    equal(list(cut.patterns()), list(whole.patterns()))
    single = make()
    one = [single.mine(text, "shop", START + k * _STEP, 9) for k, text in enumerate(texts)]
    equal(one, given.tolist())


def check_snapshot(make: MakeMiner) -> None:
    """A restart anywhere, through JSON, gives the same ids and the same patterns."""
    texts = sample_lines()
    whole, given = fed(make, texts, [100])
    for stop in (0, 1, 30, 200, 300, 1100):
        first, before = fed(make, texts[:stop], [100])
        second = make()
        plain: dict[str, Any] = json.loads(json.dumps(first.snapshot()))
        second.restore(plain)
        after = second.update(as_lines(texts[stop:], start=stop)).pattern
        equal([*before.tolist(), *after.tolist()], given.tolist())
        equal(list(second.patterns()), list(whole.patterns()))
        equal([(a.old, a.new) for a in second.aliases()], [(a.old, a.new) for a in whole.aliases()])


def check_version(make: MakeMiner) -> None:
    """A snapshot of another version is refused by name."""
    miner = make()
    try:
        miner.restore({**miner.snapshot(), "version": miner.version + 1})
    except ValueError as error:
        require(str(miner.version + 1) in str(error), "the error names the version")
    else:
        raise AssertionError("restore takes a snapshot of another version")


def check_sources(make: MakeMiner) -> None:
    """Lines of one source have no influence on the patterns of another, nor has its name on their text."""
    texts = sample_lines()
    alone, _ = fed(make, texts, [128])
    mixed = make()
    for at in range(0, len(texts), 128):
        mixed.update(as_lines(["<7>noise " + text[::-1] for text in texts[at : at + 128]], "other", at))
        mixed.update(as_lines(texts[at : at + 128], "shop", at))
    equal(list(mixed.patterns("shop")), list(alone.patterns()))
    renamed, _ = fed(make, texts, [128], "HDFS")
    equal([p.text for p in renamed.patterns()], [p.text for p in alone.patterns()])


def check_identity(make: MakeMiner) -> None:
    """An id never has two texts; every id ever given leads to a live pattern; lines are counted once."""
    texts = sample_lines()
    miner, given = fed(make, texts, [64])
    live = {pattern.id: pattern for pattern in miner.patterns()}
    equal(len(live), len(list(miner.patterns())))
    now = today(miner, given)
    require(set(now) <= set(live), "every id leads to a live pattern")
    for pattern in live.values():
        equal(pattern.lines, now.count(pattern.id))
        equal(sum(pattern.by_minute.values()), pattern.lines)
        equal(sum(pattern.severities), pattern.lines)
        require(pattern.samples, "a pattern shows a line")
        require(pattern.first_unix_nano <= pattern.last_unix_nano, "the first sighting is not after the last")


def check_order(make: MakeMiner) -> None:
    """Shuffled lines are parted the same way, on at least 98 % of them."""
    texts = sample_lines(3000)
    miner, given = fed(make, texts, [len(texts)])
    order = np.random.default_rng(3).permutation(len(texts))
    other, shuffled = fed(make, [texts[k] for k in order], [len(texts)])
    names = {pattern.id: pattern.text for pattern in miner.patterns()}
    names_other = {pattern.id: pattern.text for pattern in other.patterns()}
    one = np.array([hash(names[p]) for p in today(miner, given)])[order]
    two = np.array([hash(names_other[p]) for p in today(other, shuffled)])
    same = float(np.mean(one == two))
    require(same >= 0.98, f"{same:.1%} of shuffled lines have the pattern they had")


def check_any_text(make: MakeMiner) -> None:
    """Any text at all is taken: empty, binary, very long, brackets without end, records of many lines."""
    odd = [
        *("", " ", "\n", "\t|\t|", "\0\0", "\ue000\ue001 0", "ü€😀 0", "[" * 5000, "((((" * 99, "=" * 999),
        *("a" * 100_000, "0" * 9000, " ".join("xy"[k % 2] for k in range(5000))),
        *("{" * 300 + '"a":1}', '{"a":NaN}', '{"msg":"\\ud800"}', "[" * 2000 + "]" * 2000),
        "a.IllegalError: no\n\tat a.b.C(D.java:1)\nCaused by: x.y.ZError: 5 is bad\n\t... 3 more",
    ]
    texts = odd * 20
    miner, given = fed(make, texts, [50])
    single = make()
    equal([single.mine(text, "shop", START + k * _STEP, 9) for k, text in enumerate(texts)], given.tolist())
    json.dumps(miner.snapshot())


def check_memory(make: MakeMiner) -> None:
    """Whatever comes, patterns stay bounded; and what was regular among it keeps its pattern."""
    rng = np.random.default_rng(5)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    miner = make()
    regular = 0
    for turn in range(12):
        words = ["".join(row) for row in rng.choice(letters, (4000, 9)).tolist()]
        noise = [f"session {words[k]} opened by {words[-k]} at {words[k // 2]}" for k in range(2000)]
        noise[::20] = [f"disk {k} is full" for k in range(100)]
        regular = int(miner.update(as_lines(noise, start=turn * 2000)).pattern[-20])
    sizes = miner.sizes()
    require(sizes.patterns <= 4000, f"{sizes.patterns} patterns after 24,000 lines")
    disk = miner.resolve(regular)
    kept = [pattern for pattern in miner.patterns() if pattern.id == disk]
    require(kept and kept[0].lines >= 1000, "the regular lines among the noise have one pattern")


CHECKS: tuple[Callable[[MakeMiner], None], ...] = (
    check_batches, check_snapshot, check_version, check_sources, check_identity, check_order, check_any_text,
    check_memory,
)  # fmt: skip


def check_miner(make: MakeMiner) -> None:
    """Run every check of the contract."""
    for check in CHECKS:
        check(make)
