"""Sessions: what is usual is silent, a way never seen is told when there are more than usual."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.detect.logs.session_model import SessionModel, vector_of
from stormpetrel.detect.logs.strange_sessions import StrangeSessions
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.signal import LogBatch

T0 = 1_750_000_000_000_000_000 // (60 * 10**9) * (60 * 10**9)
SECOND = 1_000_000_000
USUAL, BROKEN = [1, 2, 3, 4], [1, 2, 9, 5]


def test_a_vector_has_no_order_and_steps_have() -> None:
    model = SessionModel()
    assert vector_of([1, 2, 2]) == vector_of([2, 1, 2]) != vector_of([1, 2])
    for _ in range(500):
        model.learn([1, 2, 3])
    assert model.surprise([1, 2, 3]) == 0
    assert model.surprise([1, 3, 2]) > 5  # the same vector, in an order never seen
    assert model.surprise([1, 2]) > 5


def test_the_first_sessions_say_little_and_inventors_less() -> None:
    model, rng = SessionModel(), np.random.default_rng(1)
    model.learn([1])
    assert model.surprise([2]) < 2
    for _ in range(2000):
        model.learn(rng.integers(0, 50, 8).tolist())
    assert model.surprise(rng.integers(0, 50, 8).tolist()) < 1


def test_it_is_bounded() -> None:
    model = SessionModel(max_vectors=100, max_steps=100)
    for k in range(5000):
        model.learn([k, k + 1])
    assert len(model._vectors) <= 100
    assert len(model._steps) <= 100


class Requests:
    """Sessions of one service through the detector, a fixed number a second."""

    def __init__(self) -> None:
        self.detector = StrangeSessions()
        self.found: list[Finding] = []
        self._made = 0

    def run(self, seconds: int, begin: int, broken: int = 0) -> None:
        for second in range(begin, begin + seconds):
            for k in range(4):
                events = BROKEN if k < broken else USUAL
                self.found += self.detector.update(self._batch(events, T0 + second * SECOND))
            self.found += self.detector.advance(T0 + second * SECOND)

    def _batch(self, events: list[int], time: int) -> LogBatch:
        self._made += 1
        return build_logs(
            [time] * len(events),
            ["x"] * len(events),
            source="otlp_logs",
            entity="service:checkout",
            trace_id=f"{self._made:032x}",
            pattern=events,
        )


def test_a_way_never_seen_taken_by_many_is_told_and_ends() -> None:
    requests = Requests()
    requests.run(1500, 0)
    assert requests.found == []
    requests.run(200, 1500, broken=2)
    (new,) = requests.found
    assert (new.severity, new.entity, new.head) == (Severity.WARNING, "service:checkout", "sessions")
    assert new.evidence.observed >= 3
    assert new.attributes is not None
    assert len(new.attributes["trace_ids"].split()) >= 3
    requests.run(1200, 1700)
    assert [one.state for one in requests.found] == [FindingState.OPEN, FindingState.CLOSED]
    assert unheard_since(requests.found[-1]) == 0


def test_where_no_session_comes_any_more_it_is_unknown() -> None:
    requests = Requests()
    requests.run(1500, 0)
    requests.run(200, 1500, broken=2)
    last = requests.detector.open_findings()[0].end_unix_nano
    changes = [one for n in range(60) for one in requests.detector.advance(T0 + (1700 + 3600 * n) * SECOND)]
    assert [unheard_since(one) for one in changes] == [last]


ROW = st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), st.integers(1, 3), st.integers(0, 60))


@given(st.lists(ROW, min_size=1, max_size=60), st.integers(3, 20))
def test_however_records_are_cut_the_sessions_are_the_same(
    rows: list[tuple[int, str, int, int]], most: int
) -> None:
    """Trace (0 is none), entity, pattern, second; and no session holds more than `most` records."""

    def taken(parts: list[list[tuple[int, str, int, int]]]) -> list[tuple[tuple[str, str], list[int], int]]:
        detector = StrangeSessions()
        detector.max_patterns = most
        for part in parts:
            detector.update(
                build_logs(
                    [T0 + second * SECOND for _, _, _, second in part], ["x"] * len(part), source="s",
                    entity=[entity for _, entity, _, _ in part],
                    trace_id=[f"{trace:032x}" if trace else "" for trace, _, _, _ in part],
                    pattern=[pattern for _, _, pattern, _ in part],
                )
            )  # fmt: skip
        return [(key, one.patterns, one.last) for key, one in detector._open.items()]

    plain: dict[tuple[str, str], list[int]] = {}
    for trace, entity, pattern, _ in rows:
        if trace:
            plain.setdefault((f"{trace:032x}", entity), []).append(pattern)
    whole = taken([rows])
    assert whole == taken([[row] for row in rows])
    assert {key: patterns for key, patterns, _ in whole} == {k: v[:most] for k, v in plain.items()}


def test_records_without_a_trace_are_left_alone() -> None:
    detector = StrangeSessions()
    detector.update(build_logs([T0], ["x"], source="a", pattern=[1]))
    assert detector.advance(T0 + 100 * SECOND) == []
    assert not detector._open


def test_open_sessions_are_bounded_and_counted() -> None:
    detector = StrangeSessions()
    detector.max_sessions = 50
    traces = [f"{k:032x}" for k in range(80)]
    detector.update(build_logs([T0] * 80, ["x"] * 80, source="a", trace_id=traces, pattern=[1] * 80))
    assert len(detector._open) == 50
    assert detector.dropped_total == 30
