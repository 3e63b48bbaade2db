"""The contract of `ports.algorithms.LogDetector`, executed: give it a way to make a detector.

Each check raises `AssertionError` with the sentence of the contract that does not hold. A detector's own test
suite calls `check_log_detector(MyDetector)`; the built-in ones go through the same door.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import LogBatch
from stormpetrel.ports.algorithms import AsksPatterns, KeepsState, LogDetector, ReadsValues
from stormpetrel.testing.require import require

MakeDetector = Callable[[], LogDetector]

MINUTE = 60_000_000_000
START = 1_700_000_000_000_000_000 // MINUTE * MINUTE
MINUTES, TROUBLE = 2000, 1900  # of the sample; its last part is in trouble
ERROR, INFO = 17, 9


def find(pattern: int) -> Pattern | None:
    """What is known of the patterns of the sample; 13 was let go, 9 came with the trouble."""
    if pattern == 13:
        return None
    first = START + (TROUBLE * MINUTE if pattern == 9 else 0)
    text = f"statement {pattern} state=<*>"
    return Pattern(pattern, "shop", text, text, 1, first, first, {}, (), (), ())


def births(_source: str) -> list[tuple[int, int, bool]]:
    """Patterns 1 to 4 of the sample are as old as it."""
    return [(pattern, START, pattern == 4) for pattern in range(1, 5)]


def values(_pattern: int, line: str) -> list[tuple[str, str]]:
    """The pairs of a line."""
    return [(name, value) for name, is_pair, value in (w.partition("=") for w in line.split()) if is_pair]


def sample_logs() -> list[LogBatch]:
    """A day and a half of one service by the minute: requests of four patterns, then trouble for an hour and
    more: errors in numbers, a pattern and a value never seen, requests that go another way; duplicates,
    records without a pattern, of a pattern that was let go, and of clocks that are wrong."""
    return list(_sample())


@cache
def _sample() -> tuple[LogBatch, ...]:
    rng = np.random.default_rng(3)
    return tuple(_minute(minute, rng) for minute in range(MINUTES))


def _minute(minute: int, rng: np.random.Generator) -> LogBatch:
    bad = minute >= TROUBLE
    rows: list[tuple[int, int, str, str]] = []  # pattern, severity, state, trace
    for request in range(6):
        trace = f"{minute * 10 + request + 1:032x}"
        way = (1, 9, 2) if bad and request < 4 else (1, 2, 3)
        state = "lost" if bad and request == 5 else ("up", "idle")[int(rng.integers(2))]
        rows += [(pattern, ERROR if pattern == 9 else INFO, state, trace) for pattern in way]
    rows += [(4, ERROR, "lost" if bad else "up", "")] * (40 if bad else int(minute % 3 == 0))
    rows += [rows[0], (0, INFO, "up", ""), (13, ERROR, "up", "")]
    times = START + minute * MINUTE + np.arange(len(rows)) * 1_000_000_000
    observed = times.copy()
    if minute % 500 == 499:
        times[-1] = 1
        times[-2] += 3 * 86_400 * 1_000_000_000
    return build_logs(
        times,
        [f"statement {pattern} state={state}" for pattern, _, state, _ in rows],
        source="otlp_logs",
        entity="service:shop",
        observed_unix_nano=observed,
        severity_number=[level for _, level, _, _ in rows],
        trace_id=[trace for _, _, _, trace in rows],
        pattern=[pattern for pattern, _, _, _ in rows],
    )


def connected(detector: LogDetector) -> LogDetector:
    """The detector, told of the patterns of the sample if it asks."""
    if isinstance(detector, AsksPatterns):
        detector.ask(find, births)
    if isinstance(detector, ReadsValues):
        detector.read(values)
    return detector


def run(detector: LogDetector, batches: Sequence[LogBatch], quiet_minutes: int = 0) -> list[Finding]:
    """Every change it tells of, minute by minute; then as many minutes without a record."""
    found: list[Finding] = []
    now = START
    for batch in batches:
        found += detector.update(batch)
        now = max(now, int(np.median(batch.records.column("time_unix_nano").to_numpy())) + MINUTE // 2)
        found += detector.advance(now)
    for minute in range(1, quiet_minutes + 1):
        found += detector.advance(now + minute * MINUTE)
    return found


def check_nothing(make: MakeDetector) -> None:
    """No record, no finding; records without a pattern are taken."""
    detector = connected(make())
    empty = LogBatch(build_logs([START], [""], source="s").records.slice(0, 0))
    require(detector.update(empty) == [], "an empty batch changes nothing")
    require(detector.advance(START) == [], "nothing was seen, so nothing is told")
    found = detector.update(build_logs([START], ["x"], source="s", severity_number=ERROR))
    require(found == [], "a first record is judged by nothing")


def check_changes(make: MakeDetector) -> None:
    """Findings are whole: p-values in (0, 1], an id for each, opened before closed, and all of them close."""
    found = run(connected(make()), sample_logs(), 2 * 1440)
    state: dict[str, FindingState] = {}
    for finding in found:
        p = finding.evidence.p_value
        require(0.0 < p <= 1.0, f"every p-value lies in (0, 1], not {p}")
        require(finding.evidence.signal == "log", "the evidence of a log detector is in the log")
        require(finding.title and finding.why and finding.entity, "a finding says what, why and of whom")
        require(finding.start_unix_nano <= finding.end_unix_nano, "a finding ends after it began")
        before = state.get(finding.finding_id)
        require(before is not FindingState.CLOSED, "what was closed does not come again under its id")
        require(before or finding.state is FindingState.OPEN, "only what was opened is closed")
        state[finding.finding_id] = finding.state
    require(state, "the trouble of the sample is seen, else the other checks prove nothing")
    first = START + (TROUBLE - 1) * MINUTE
    require(min(one.start_unix_nano for one in found) >= first, "what is usual is no finding")
    left = [one for one in state.values() if one is FindingState.OPEN]
    require(not left, "two days without a record close every finding, if only as unknown")


def check_deterministic(make: MakeDetector) -> None:
    """Two detectors tell the same of the same records."""
    batches = sample_logs()
    same = run(connected(make()), batches) == run(connected(make()), batches)
    require(same, "same input, same findings, bit for bit")


def check_state(make: MakeDetector) -> None:
    """A state goes through JSON and back; another version is refused with a ValueError that names it."""
    detector = connected(make())
    if not isinstance(detector, KeepsState):
        return
    run(detector, sample_logs()[: TROUBLE + 20])
    arrays, notes = detector.snapshot()
    require("version" in arrays, "a snapshot holds its version")
    plain = json.loads(json.dumps(dict(notes)))
    kept = {name: array.copy() for name, array in arrays.items()}
    after = connected(make())
    if isinstance(after, KeepsState):
        after.restore(arrays, plain, detector.open_findings())
        again, _ = after.snapshot()
        same = all(np.array_equal(again[name], kept[name]) for name in kept)
        require(same, "restore(snapshot()), then the same snapshot")
    run(detector, sample_logs()[TROUBLE + 20 :])
    require(all(np.array_equal(kept[k], arrays[k]) for k in kept), "a snapshot is a copy, not the state")
    foreign = {**arrays, "version": np.array([987654], np.int64)}
    refusing = connected(make())
    if isinstance(refusing, KeepsState):
        try:
            refusing.restore(foreign, plain, [])
        except ValueError as error:
            require("987654" in str(error), "the refusal names the version of the snapshot")
        else:
            raise AssertionError("a snapshot of another version is refused")


CHECKS: tuple[Callable[[MakeDetector], None], ...] = (
    check_nothing,
    check_changes,
    check_deterministic,
    check_state,
)


def check_log_detector(make: MakeDetector) -> None:
    """Run the whole contract against detectors made by `make`; AssertionError names the sentence broken."""
    for check in CHECKS:
        check(make)
