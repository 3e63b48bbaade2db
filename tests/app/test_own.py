"""What automation does is stored and shown, and no detector makes a trouble of it."""

from __future__ import annotations

import numpy as np
import pytest

from stormpetrel.app.config import load_config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds

START, STEP = 1_700_000_000_000_000_000, from_seconds(10.0)
SCALED_AT, SAMPLES = 600, 720


def found(metric: str, source: str) -> list[Finding]:
    """What detectors find of a number of replicas that we raise from 2 to 8 after hours of calm."""
    config = load_config(None, {"detect": {"warmup_samples": 60}})
    registry = SeriesRegistry(100)
    pipeline = Pipeline(config, registry)
    series = registry.intern(metric, {"service": "shop"}, source, MetricKind.GAUGE, "", "service:shop")
    noise = np.random.default_rng(3)
    changes: list[Finding] = []
    for tick in range(0, SAMPLES, 10):
        steps = np.arange(tick, tick + 10)
        values = np.where(steps < SCALED_AT, 2.0, 8.0) + (noise.random(10) < 0.05)
        batch = MetricBatch(np.full(10, series, np.uint32), START + steps * STEP, values)
        now = int(batch.time_unix_nano[-1])
        outcome: Outcome = pipeline.judge_metrics(pipeline.admit(batch, now).admitted)
        changes += outcome.findings
    assert int(pipeline.gate.last_times()[series]) == now, "it is admitted, and stored, all the same"
    return changes


@pytest.mark.parametrize(
    ("metric", "source", "judged"),
    [
        ("service_replicas", "targets", False),
        ("service_replicas", "prometheus", True),  # somebody else's
        ("shop_workers", "targets", True),
    ],
)
def test_our_own_scaling_is_no_finding(metric: str, source: str, judged: bool) -> None:
    assert bool(found(metric, source)) is judged
