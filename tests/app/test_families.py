"""A newcomer takes over the scale of its family, and of nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from stormpetrel.app.config import Config
from stormpetrel.app.families import family_of
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.detect.metrics.mixture_layout import BORROWED
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import MetricBatch, MetricKind

START, STEP = 1_700_000_000 * 10**9, 15 * 10**9


@pytest.mark.parametrize(
    ("metric", "labels", "borrows"),
    [
        ("busy", {"host": "web-2", "cpu": "0"}, True),
        ("busy", {"host": "web-2", "cpu": "1"}, False),
        ("idle", {"host": "web-2", "cpu": "0"}, False),
    ],
)
def test_who_is_measured_alike_on_another_host_lends(
    metric: str, labels: dict[str, str], borrows: bool
) -> None:
    registry = SeriesRegistry()
    old = registry.intern("busy", {"host": "web-1", "cpu": "0"}, "t", MetricKind.GAUGE)
    pipeline = Pipeline(Config(), registry)
    bank = pipeline.banks[0]
    assert isinstance(bank, RobustBank)
    for tick, value in enumerate(np.random.default_rng(1).normal(50.0, 5.0, 200)):
        batch = MetricBatch(np.array([old], np.uint32), np.array([START + tick * STEP]), np.array([value]))
        pipeline.judge_metrics(pipeline.admit(batch, START + tick * STEP).admitted)
    new = registry.intern(metric, labels, "t", MetricKind.GAUGE)
    pipeline.learn_new_series()
    held = bank.mixtures[new, BORROWED] if new < len(bank.mixtures) else 0.0
    assert bool(held > 0) is borrows


def test_labels_that_name_the_entity_do_not_make_a_family() -> None:
    registry = SeriesRegistry()
    ids = [
        registry.intern("up", {"host": host, "cpu": "1"}, "t", MetricKind.GAUGE) for host in ("web-1", "db-1")
    ]
    one, two = (family_of(registry.info(series)) for series in ids)
    assert one == two
    assert one[2] == (("cpu", "1"),), "the 1 of web-1 is not its name"
