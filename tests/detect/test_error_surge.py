"""Surges of errors: seen when they are, silent on ordinary traffic, bounded, deterministic."""

import numpy as np
import pyarrow as pa
import pytest

from stormpetrel.detect.logs.error_surge import ErrorSurge
from stormpetrel.detect.logs.surprise import CountModel
from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.signal import LOG_SCHEMA, LogBatch

SECOND = 1_000_000_000
T0 = 1_700_000_010 * SECOND  # a multiple of thirty seconds


def records(times: list[float], severity: int = 17, entity: str = "host:a") -> LogBatch:
    n = len(times)
    columns = {
        "time_unix_nano": [T0 + int(t * SECOND) for t in times],
        "observed_unix_nano": [T0] * n,
        "entity": [entity] * n,
        "source": ["file"] * n,
        "severity_number": [severity] * n,
        "body": ["boom"] * n,
        "attributes": ["{}"] * n,
        "trace_id": [""] * n,
        "span_id": [""] * n,
        "request_token": [0] * n,
        "pattern": [0] * n,
    }
    return LogBatch(pa.RecordBatch.from_pydict(columns, schema=LOG_SCHEMA))


def play(detector: ErrorSurge, counts: list[int], severity: int = 17, start: int = 0) -> list[Finding]:
    """One window of thirty seconds after the other, `counts` records each."""
    changes: list[Finding] = []
    for number, count in enumerate(counts, start):
        begin = 30.0 * number
        batch = records([begin + 29.0 * k / max(count, 1) for k in range(count)] or [begin], severity)
        changes += detector.update(batch if count else records([begin], 9))
        changes += detector.advance(T0 + int((begin + 30.0) * SECOND))
    return changes


def quiet(windows: int, rate: float, seed: int = 1) -> list[int]:
    counts: list[int] = np.random.default_rng(seed).poisson(rate, windows).tolist()
    return counts


def test_a_surge_opens_worsens_and_closes() -> None:
    changes = play(ErrorSurge(), [*quiet(60, 1.0), 40, 1500, 60, *quiet(10, 1.0, 2)])
    assert [c.state for c in changes] == [FindingState.OPEN, FindingState.OPEN, FindingState.CLOSED]
    assert [c.severity for c in changes][:2] == [Severity.WARNING, Severity.ERROR]
    assert len({c.finding_id for c in changes}) == 1
    first = changes[0]
    assert first.evidence.query == 'entity="host:a" severity>=error'
    assert first.evidence.signal == "log"
    assert first.start_unix_nano == T0 + 60 * 30 * SECOND
    assert first.why.startswith("host:a logged 40 error records in 30 seconds, usually about ")
    assert changes[-1].end_unix_nano == T0 + 63 * 30 * SECOND


@pytest.mark.parametrize("rate", [0.02, 0.5, 5.0, 200.0])
def test_ordinary_traffic_is_silent(rate: float) -> None:
    assert play(ErrorSurge(), quiet(1500, rate)) == []


def test_bursty_traffic_is_learnt() -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.5, 20.0, 1500)).tolist()
    assert len(play(ErrorSurge(), counts)) <= 4


def test_low_traffic_cannot_flap() -> None:
    assert play(ErrorSurge(), [*([0] * 500), 4, 0, 0, 4, 0, 4]) == []


def test_warming_up_says_nothing() -> None:
    assert play(ErrorSurge(), [0, 0, 500, 500, 0]) == []


def test_warnings_are_told_at_the_lowest_rank() -> None:
    (opened,) = play(ErrorSurge(), [*quiet(60, 1.0), 80, 1], severity=13)
    assert opened.severity is Severity.INFO
    assert opened.head == "warning"


def test_info_records_do_not_count() -> None:
    assert play(ErrorSurge(), [*quiet(60, 1.0), 500, 1], severity=9) == []


def test_a_lasting_rise_becomes_usual() -> None:
    changes = play(ErrorSurge(), [*quiet(100, 2.0), *quiet(300, 60.0, 2)])
    assert changes[0].state is FindingState.OPEN
    assert changes[-1].state is FindingState.CLOSED
    assert changes[-1].end_unix_nano < T0 + 250 * 30 * SECOND


@pytest.mark.parametrize(("usual", "surge"), [(0.5, 90.0), (5.0, 100.0), (50.0, 500.0)])
def test_a_surge_that_lasts_is_not_called_recovered(usual: float, surge: float) -> None:
    """Twenty minutes of the same surge are one open finding, whose evidence is the window that opened it."""
    changes = play(ErrorSurge(), [*quiet(720, usual), *quiet(40, surge, 2)])
    assert {c.state for c in changes} == {FindingState.OPEN}
    assert {c.evidence.end_unix_nano - c.evidence.start_unix_nano for c in changes} == {30 * SECOND}


def test_batch_cuts_and_replay_do_not_matter() -> None:
    counts = [*quiet(60, 1.0), 50, 2]
    whole, cut = ErrorSurge(), ErrorSurge()
    times = [30.0 * k + 0.3 * j for k, count in enumerate(counts) for j in range(count)]
    found = whole.update(records(times)) + whole.advance(T0 + 3000 * SECOND)
    again: list[Finding] = []
    for t in times:
        again += cut.update(records([t]))
    again += cut.advance(T0 + 3000 * SECOND)
    assert found == again
    assert [c.state for c in found] == [FindingState.OPEN, FindingState.CLOSED]


def test_late_records_are_counted_not_judged() -> None:
    detector = ErrorSurge()
    play(detector, quiet(60, 1.0))
    assert detector.update(records([5.0] * 300)) == []
    assert detector.late_total == 300
    assert detector.advance(T0 + 1900 * SECOND) == []


def test_entities_are_bounded() -> None:
    detector = ErrorSurge(max_entities=5)
    for number in range(50):
        detector.update(records([1.0], entity=f"host:{number}"))
    assert detector.forgotten_total == 45


def test_what_is_not_watched_any_more_is_unknown() -> None:
    detector = ErrorSurge(max_entities=5)
    opened = play(detector, [*quiet(60, 1.0), 40, 40, 40])[0]
    found = [change for n in range(5) for change in detector.update(records([1900.0], entity=f"host:{n}"))]
    (gone,) = found
    assert (gone.finding_id, gone.state) == (opened.finding_id, FindingState.CLOSED)
    assert unheard_since(gone) == gone.end_unix_nano >= opened.end_unix_nano
    assert "Closed as unknown" in gone.why


def test_a_long_silence_is_cheap() -> None:
    detector = ErrorSurge()
    play(detector, quiet(60, 1.0))
    assert detector.advance(T0 + 10 * 365 * 86400 * SECOND) == []


def test_count_model_is_calibrated() -> None:
    rng = np.random.default_rng(5)
    for counts in (rng.poisson(3.0, 20_000), rng.poisson(rng.gamma(2.0, 2.0, 20_000))):
        model, below = CountModel(), 0
        for count in counts.tolist():
            below += model.p_value(count) <= 1e-3
            model.learn(count, 240.0)
        assert below <= 60, "at most three times the nominal 20"
