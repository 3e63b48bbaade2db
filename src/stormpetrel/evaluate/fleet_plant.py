"""Incidents planted in a generated fleet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

PLANTS = ("level_shift", "spike_train", "variance", "ramp", "drop_to_zero")
_RAMP_STEPS = 8.0


@dataclass(frozen=True, slots=True)
class Plant:
    """One incident on several series of one entity.

    Attributes:
        kind: one of `PLANTS`.
        entity: whom it strikes.
        series: int64[k], which of its series.
        start, steps: first step and length, in steps of the fleet.
        size: float64[k], how far each series is moved.
        level: float64[k], its usual level.
    """

    kind: str
    entity: str
    series: NDArray[np.int64]
    start: int
    steps: int
    size: F64
    level: F64


def applied(plant: Plant, values: F64, first: int, rng: np.random.Generator) -> None:
    """Change the rows of `values` (float64[steps, series], from step `first`) that the incident covers.

    A level shift stands; a spike train is every other minute; a variance shift multiplies by eight what is
    not level; a ramp takes eight minutes; a drop to zero is one, and where a series lives at zero already
    (a ratio), it shifts instead.
    """
    low = max(plant.start - first, 0)
    high = min(plant.start + plant.steps - first, len(values))
    if low >= high:
        return
    since = np.arange(low, high)[:, None] + first - plant.start
    part = values[low:high, plant.series]
    if plant.kind == "spike_train":
        part = part + np.where(since % 2 == 0, 1.5, 0.0) * plant.size
    elif plant.kind == "variance":
        part = plant.level + (part - plant.level) + 0.5 * plant.size * rng.standard_normal(part.shape)
    elif plant.kind == "ramp":
        part = part + np.minimum((since + 1) / _RAMP_STEPS, 1.0) * 1.5 * plant.size
    elif plant.kind == "drop_to_zero":
        part = np.where(plant.level > 0.1, 0.0, part + plant.size)
    else:
        part = part + plant.size
    values[low:high, plant.series] = part
