"""A cold start: few samples of a long past teach what the whole past would have taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.app.intake import FailingStore

from stormpetrel.app import seed as seeding
from stormpetrel.app.config import Config
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.warm_up import warm_up
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.control import ControlStore

DAYS, STEP = 12, from_seconds(60)
START = 1_699_920_000 * 10**9  # a midnight
END = START + DAYS * 86_400 * 10**9
TIMES = START + np.arange(DAYS * 1440) * STEP


def rates(seed: int) -> NDArray[np.float64]:
    """A daily wave with noise, per minute."""
    rng = np.random.default_rng(seed)
    wave: NDArray[np.float64] = 50.0 + 30.0 * np.sin(2 * np.pi * np.arange(len(TIMES)) / 1440)
    return wave + rng.normal(0.0, 1.0, len(TIMES))


@pytest.fixture
def registry(failing: FailingStore) -> SeriesRegistry:
    """A gauge, a counter of the same rate, and a gauge that began yesterday, in the store."""
    found = SeriesRegistry()
    for name, kind in (("gauge", MetricKind.GAUGE), ("sum", MetricKind.COUNTER), ("young", MetricKind.GAUGE)):
        found.intern(name, {}, "test", kind)
    columns = (rates(1), np.cumsum(rates(2) * 60.0), rates(3))
    for series, values in enumerate(columns):
        since = len(TIMES) - 600 if series == 2 else 0
        ids = np.full(len(TIMES) - since, series, np.uint32)
        failing.insert_samples(MetricBatch(ids, TIMES[since:], values[since:]), f"s{series}")
    return found


def next_hours(series: int) -> AdmittedMetrics:
    """What comes next, as it would be judged: healthy, and far too high in the last ten minutes."""
    times = END + np.arange(180) * STEP
    values = 50.0 + 30.0 * np.sin(2 * np.pi * np.arange(180) / 1440)
    values = values + np.random.default_rng(9).normal(0.0, 1.0, 180)
    values[-10:] += 25.0  # well within what the day's wave reaches
    batch = MetricBatch(np.full(180, series, np.uint32), times, values)
    return AdmittedMetrics(batch, values, np.zeros(180, np.bool_))


@pytest.mark.parametrize("series", [0, 1])
def test_the_season_is_known_at_once(
    failing: FailingStore,
    control: ControlStore,
    registry: SeriesRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    series: int,
) -> None:
    monkeypatch.setattr("stormpetrel.app.warm_up.COLD_SAMPLES", 4000)  # about a day of it is read whole
    config = Config()
    pipeline = Pipeline(config, registry)
    window = Window(END - from_seconds(48 * 3600), END)
    warm_up(config, pipeline, ModelKeeper(config, tmp_path / "models"), failing, control, window)
    scores = pipeline.banks[0].update(next_hours(series))
    healthy, high = scores.p_value[:-10], scores.p_value[-10:]
    assert np.mean(healthy <= 1e-3) < 0.01
    assert (high <= 1e-3).any(), "a wave's height above its own time of day is strange"
    assert np.nanmedian(np.abs(scores.expected[:-10] - scores.observed[:-10])) < 2.0


def test_what_is_seeded_is_little_and_spread(
    failing: FailingStore, registry: SeriesRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "MAX_SAMPLES", 1000)
    pipeline = Pipeline(Config(), registry)
    given = seeding.seed(pipeline, Config(), failing, Window(START, END), {"robust"})
    assert 500 < given < 3000, "about the bound, for whole and double samples"
    before = pipeline.banks[0].snapshot()["state"].copy()
    assert seeding.seed(pipeline, Config(), failing, Window(START, END), set()) == 0
    assert np.array_equal(before, pipeline.banks[0].snapshot()["state"]), "a bank that knows is left alone"


def test_nothing_stored_is_no_trouble(failing: FailingStore) -> None:
    pipeline = Pipeline(Config(), SeriesRegistry())
    assert seeding.seed(pipeline, Config(), failing, Window(START, END), {"robust"}) == 0
