"""Series to learn from: noise of many kinds, with jobs and without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tests.context.times import at

from stormpetrel.context.excursions import ENDED, Edge, Excursions
from stormpetrel.context.recur import check_zone
from stormpetrel.context.slots import Slot, SlotLearner
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch

F64 = NDArray[np.float64]
MINUTE = 60 * 10**9
T0 = at("2026-05-04")  # a Monday
NOISE = ("normal", "heavy", "cauchy", "lognormal", "bursts", "daily wave", "steps", "constant with blips")


def noise(kind: str, n: int, seed: int) -> F64:
    """A series without a job."""
    random = np.random.default_rng(seed)
    makes: dict[str, Callable[[], F64]] = {
        "heavy": lambda: random.standard_t(2, n),
        "cauchy": lambda: np.abs(random.standard_cauchy(n)),
        "lognormal": lambda: random.lognormal(0.0, 1.5, n),
        "daily wave": lambda: 20 + 15 * np.sin(np.arange(n) / 1440 * 2 * np.pi) + random.normal(0, 0.5, n),
        "steps": lambda: (
            10.0 * random.integers(1, 5, n // 500 + 1).repeat(500)[:n] + random.normal(0, 0.5, n)
        ),
        "constant with blips": lambda: (random.random(n) < 0.01).astype(float),
    }
    if kind in makes:
        return makes[kind]()
    values = random.normal(0, 1, n)
    if kind == "bursts":
        for start in random.integers(0, n - 40, random.integers(5, 200)):
            values[start : start + random.integers(3, 40)] += 30
    return values


def with_job(values: F64, every: int, start: int, length: int, height: float = 30.0) -> F64:
    """The series with a job, in samples."""
    out = values.copy()
    for begin in range(start, len(out), every):
        out[begin : begin + length] += height
    return out


def batch(values: F64, step: int, first: int = 0, ids: int = 0) -> AdmittedMetrics:
    times = T0 + step * np.arange(first, first + len(values), dtype=np.int64)
    rows = MetricBatch(np.full(len(values), ids, np.uint32), times, values)
    return AdmittedMetrics(rows, rows.value, np.zeros(len(values), np.bool_))


def learned(
    values: F64, step: int = MINUTE, zone: str = "UTC", cut: int = 20_000
) -> tuple[list[Edge], list[Slot]]:
    """All edges, and the slots in the order in which they were found."""
    excursions, learner = Excursions(), SlotLearner(check_zone(zone))
    edges: list[Edge] = []
    slots: list[Slot] = []
    for first in range(0, len(values), cut):
        for edge in excursions.update(batch(values[first : first + cut], step, first)):
            edges.append(edge)
            if edge.kind == ENDED:
                found = learner.update(edge, excursions.first_seen(0), excursions.step_nanos(0))
                if found is not None and found[1]:
                    slots.append(found[0])
    return edges, slots
