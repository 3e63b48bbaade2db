"""Who wants to teach the model a lie by small steps is noticed; honest change is still learnt."""

from __future__ import annotations

import numpy as np

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.model.finding import FindingState
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo

STEP = 60_000_000_000
DAY = 1440
START = 1_700_006_400_000_000_000  # a midnight


def told(values: np.ndarray) -> list[int]:
    """The samples at which a finding opens."""
    n = len(values)
    times = START + np.arange(n) * STEP
    batch = MetricBatch(np.zeros(n, np.uint32), times, values)
    bank = RobustBank()
    policy = AlarmPolicy(bank, lambda series: SeriesInfo(series, "m", (), "host:a", "s"))
    changes = policy.update(
        AdmittedMetrics(batch, values, np.zeros(n, bool)),
        bank.update(AdmittedMetrics(batch, values, np.zeros(n, bool))),
        int(times[-1]),
    )
    opened = {f.finding_id: f.start_unix_nano for f in changes if f.state is FindingState.OPEN}
    return sorted((start - START) // STEP for start in opened.values())


def quiet(days: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 2.0, days * DAY)


def test_a_slow_ramp_that_no_sample_betrays_is_told_within_its_first_day() -> None:
    values = quiet(6)
    ramp = np.maximum(0, np.arange(len(values)) - 3 * DAY) * (60.0 / DAY)  # 30 deviations a day
    opened = told(values + ramp)
    assert any(3 * DAY <= at < 4 * DAY for at in opened)


def test_a_slow_widening_is_told() -> None:
    values = quiet(6) - 100.0
    widen = 1.0 + np.maximum(0, np.arange(len(values)) - 3 * DAY) * (9.0 / DAY)
    assert any(at >= 3 * DAY for at in told(100.0 + values * widen))


def test_quiet_series_are_left_alone() -> None:
    """Single series with the default settings: at most one finding a week on average."""
    opened = [told(quiet(7, seed)) for seed in range(8)]
    assert sum(map(len, opened)) <= len(opened)


def test_the_hours_of_the_day_are_no_ramp() -> None:
    values = quiet(8)
    daily = 40.0 * np.sin(2 * np.pi * np.arange(len(values)) / DAY)
    assert [at for at in told(values + daily) if at > 2 * DAY] == []


def test_a_drift_of_a_few_deviations_a_week_is_followed() -> None:
    values = quiet(8)
    drift = np.arange(len(values)) * (4.0 / DAY)  # two deviations a day
    assert [at for at in told(values + drift) if at > 2 * DAY] == []
