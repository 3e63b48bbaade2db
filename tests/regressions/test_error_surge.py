"""One record with a wrong clock must not blind the watch over an entity's log."""

from __future__ import annotations

from stormpetrel.detect.logs.error_surge import ErrorSurge
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch
from stormpetrel.model.time import from_seconds

WINDOW = from_seconds(30)
T0 = 1_700_000_000_000_000_000 // WINDOW * WINDOW


def errors(at: int, count: int) -> LogBatch:
    return build_logs([at] * count, "broken", source="t", entity="service:a", severity_number=17)


def test_a_record_of_the_far_future_does_not_blind_the_watch() -> None:
    surge = ErrorSurge()
    surge.advance(T0)
    surge.update(errors(T0 + 400 * 86_400 * 10**9, 1))
    found = []
    for n in range(40):
        at = T0 + n * WINDOW
        surge.update(errors(at, 200 if n == 30 else 1))
        found += surge.advance(at + 2 * WINDOW)
    assert [one.title for one in found if one.state == "open"]


def test_records_of_the_future_are_not_kept_without_bound() -> None:
    surge = ErrorSurge()
    surge.advance(T0)
    for n in range(1000):
        surge.update(errors(T0 + (1 + n) * 86_400 * 10**9, 1))
    assert not surge._entities
    assert surge.late_total == 1000
