"""The miner as a whole: with and without its cache, over restarts, in bounds, and what a pattern shows."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.model.pattern import LogLines
from stormpetrel.patterns import kernel, stream
from stormpetrel.patterns.miner import MAX_SOURCES, OTHERS, TemplateMiner
from stormpetrel.testing.check_miner import START, as_lines, sample_lines

WORDS = (
    "job",
    "user",
    "ada",
    "bob",
    "42",
    "7",
    "failed",
    "10.0.0.1",
    "a=b",
    "x1",
    "<*>",
    "/var/x",
    "\tat",
    "(",
    "ms",
)
LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=400)


def ids(miner: TemplateMiner, texts: list[str]) -> list[int]:
    return list(miner.update(as_lines(texts)).pattern.tolist())


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_with_and_without_cache_agree(texts: list[str]) -> None:
    texts *= 3
    cached, uncached, single = TemplateMiner(), TemplateMiner(cached=False), TemplateMiner()
    given_ids = ids(cached, texts)
    assert ids(uncached, texts) == given_ids
    step = 250_000_000
    assert [single.mine(text, "shop", START + k * step, 9) for k, text in enumerate(texts)] == given_ids
    assert list(uncached.patterns()) == list(cached.patterns())
    assert [replace(one, origins=()) for one in single.patterns()] == [
        replace(one, origins=()) for one in cached.patterns()
    ]


@settings(max_examples=40, deadline=None)
@given(LINES, st.integers(0, 1200))
def test_a_restart_anywhere_changes_nothing(texts: list[str], stop: int) -> None:
    texts *= 3
    whole = TemplateMiner()
    wanted = ids(whole, texts)
    first, second = TemplateMiner(), TemplateMiner()
    before = ids(first, texts[:stop])
    second.restore(json.loads(json.dumps(first.snapshot())))
    after = second.update(as_lines(texts[stop:], start=min(stop, len(texts)))).pattern.tolist()
    assert before + after == wanted
    assert second.snapshot() == whole.snapshot()


def test_siblings_merge_on_evidence_and_old_ids_lead_on() -> None:
    miner = TemplateMiner()
    ids(miner, sample_lines(kernel.LEARNT, header=""))  # nothing merges before the header is known
    names = ("ada", "bob", "eve", "kim", "lee")
    apart = ids(miner, [f"greeting for guest {name} was sent" for name in names])
    assert len(set(apart)) == 5
    ids(miner, ["greeting for guest mia was sent"])
    together = {miner.resolve(pattern) for pattern in apart}
    assert len(together) == 1
    (pattern,) = (one for one in miner.patterns() if one.id in together)
    assert pattern.text == "greeting for guest <*> was sent"
    assert pattern.lines == 6
    assert set(apart) <= set(pattern.merged)
    assert {alias.old for alias in miner.aliases() if alias.reason == "merged"} >= set(apart)


def test_evidence_survives_a_restart() -> None:
    first, second = TemplateMiner(), TemplateMiner()
    ids(first, sample_lines(kernel.LEARNT, header=""))
    apart = ids(first, [f"greeting for guest {name} was sent" for name in ("ada", "bob", "eve")])
    second.restore(json.loads(json.dumps(first.snapshot())))
    ids(second, [f"greeting for guest {name} was sent" for name in ("kim", "lee", "mia")])
    assert len({second.resolve(pattern) for pattern in apart}) == 1


def test_lines_of_random_words_become_variables_at_any_length() -> None:
    miner = TemplateMiner()
    rng = np.random.default_rng(4)
    fresh = iter("".join(row) for row in rng.choice(list("ghijklmnop"), (80_000, 12)).tolist())
    texts = [" ".join(next(fresh) for _ in range(k % 5 + 1)) for k in range(20_000)]
    given_ids = ids(miner, texts)
    assert len({miner.resolve(pattern) for pattern in given_ids[-1000:]}) <= 5


def test_first_words_stay_apart() -> None:
    miner = TemplateMiner()
    verbs = ("boot", "wait", "halt", "stop", "kill", "dump", "sync", "mount")
    assert len(set(ids(miner, [f"{verb} (command 7) by system" for verb in verbs] * 50)[-8:])) == 8


def test_a_place_that_invents_becomes_a_variable() -> None:
    miner = TemplateMiner()
    rng = np.random.default_rng(3)
    fresh = ["".join(row) for row in rng.choice(list("abcdefghij"), (4000, 12)).tolist()]
    texts = [f"lock {fresh[k]} held against {fresh[-k]} too long" for k in range(2000)]
    given_ids = ids(miner, texts)
    last = {miner.resolve(pattern) for pattern in given_ids[-500:]}
    assert len(last) == 1
    (pattern,) = (one for one in miner.patterns() if one.id in last)
    assert pattern.text == "lock <*> held against <*> too long"


def test_what_a_pattern_shows() -> None:
    miner = TemplateMiner()
    texts = [f"2024-03-01 10:00:{k % 60:02d} INFO request took {k % 50} ms for tty=ssh" for k in range(600)]
    ids(miner, texts)
    (pattern,) = miner.patterns("shop")
    assert pattern.text == "request took <*> ms for tty=ssh"
    assert (pattern.lines, sum(pattern.by_minute.values()), pattern.severities[3]) == (600, 600, 600)
    assert pattern.first_unix_nano == START
    assert pattern.samples[0] == texts[0]
    assert pattern.origins[0][0] == "host-a"
    took = {variable.name: variable for variable in pattern.variables}["took"]
    assert (took.least, took.most) == (0.0, 49.0)
    assert abs(took.quantiles[1] - 24.5) < 5
    assert {variable.name: variable for variable in pattern.variables}["tty"].top[0][0] == "ssh"


def test_a_source_that_changes_its_header_keeps_its_patterns() -> None:
    miner = TemplateMiner()
    old = [f"2024-03-01 10:00:{k % 60:02d} INFO disk {k} is full" for k in range(9000)]
    before = ids(miner, old)[-1]
    new = [f"Mar  1 10:00:{k % 60:02d} box kernel[{k}]: disk {k} is full" for k in range(40_000)]
    after = ids(miner, new)[-1]
    assert after == miner.resolve(before)
    assert [pattern.text for pattern in miner.patterns()] == ["disk <*> is full"]


def test_patterns_of_a_source_are_bounded_and_their_going_is_counted() -> None:
    miner = TemplateMiner()
    letters = "abcdefghij"
    texts = [
        " ".join(letters[(k // 10**place + place) % 10] * (3 + place) for place in range(5))
        for k in range(30_000)
    ]
    miner.update(as_lines(texts))
    sizes = miner.sizes()
    assert sizes.patterns <= stream.MAX_PATTERNS + kernel.KEEP_EVERY
    rare = [f"{a}{b}{c} is {c}{a}" for a in letters for b in letters for c in letters] * 20
    miner.update(as_lines(rare, "rare"))
    assert sum(pattern.source == "rare" for pattern in miner.patterns()) <= stream.MAX_PATTERNS


def test_sources_beyond_the_limit_are_one() -> None:
    miner = TemplateMiner()
    for k in range(MAX_SOURCES + 3):
        miner.mine("all is well", f"source-{k}", START)
    assert miner.sizes().sources == MAX_SOURCES + 1
    assert [pattern.lines for pattern in miner.patterns(OTHERS)] == [3]


def test_slices_and_nulls_of_arrow() -> None:
    text = pa.array(["skipped", "job 1 done", None, "job 2 done"], pa.string())[1:]
    n = len(text)
    zeros = np.zeros(n, np.int32)
    lines = LogLines(text, zeros, ("s",), np.zeros(n, np.int64), np.zeros(n, np.uint8), zeros)
    found = TemplateMiner().update(lines)
    assert found.pattern[0] == found.pattern[2] != found.pattern[1]
    assert len(found.new) == 2
    assert len(TemplateMiner().update(as_lines([])).pattern) == 0
