"""A generated fleet: thousands of series of unlike noise, and incidents planted in it, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.evaluate.fleet_plant import PLANTS, Plant, applied
from stormpetrel.model.signal import MetricKind, SeriesInfo

F64 = NDArray[np.float64]

STEP_NANOS = 60 * 1_000_000_000
START_UNIX_NANO = 1_700_006_400_000_000_000  # midnight UTC
_DAY_STEPS = 1440
BLOCK = 60  # steps made at a time
PER_ENTITY = 10

KINDS = (
    "gaussian", "heavy_tailed", "bursty_count", "autocorrelated", "seasonal", "quantised", "flapping_ratio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What to generate.

    Attributes:
        series: how many; ten make an entity.
        days: how long, at a sample a minute.
        incidents: how many are planted, each on most series of one entity.
        seed: of everything.
        quiet_days: no incident is planted before.
    """

    series: int = 10_000
    days: float = 7.0
    incidents: int = 30
    seed: int = 7
    quiet_days: float = 1.0

    @property
    def steps(self) -> int:
        """Samples a series."""
        return round(self.days * _DAY_STEPS)


class Fleet:
    """Series of seven kinds of noise, mixed over entities of ten series.

    Kinds: Gaussian; heavy-tailed (Student, three degrees of freedom); bursty counts (Poisson under a rate
    that jumps for half an hour); autocorrelated (0.95 from minute to minute); seasonal (day and half-day);
    quantised (three or four levels); and error ratios of eight requests a minute, which flap.

    Everything is a function of plan and seed; a block of an hour costs about 15 ns a sample.
    """

    def __init__(self, plan: FleetPlan) -> None:
        self.plan = plan
        n = plan.series
        rng = np.random.default_rng([plan.seed, 0])
        self.kind: NDArray[np.int64] = rng.permutation(np.arange(n) % len(KINDS))
        self.level: F64 = np.exp(rng.normal(3.0, 1.5, n))
        self.scale: F64 = self.level * rng.uniform(0.03, 0.2, n)
        self._phase = rng.uniform(0, 2 * np.pi, n)
        self._walk = rng.standard_normal(n)
        self._of = [np.flatnonzero(self.kind == k) for k in range(len(KINDS))]
        counts = self._of[2]
        self.scale[counts] = np.sqrt(self.level[counts]) * 1.5
        ratios = self._of[6]
        self.level[ratios], self.scale[ratios] = 0.03, 0.06
        self.plants = _plants(plan, self)

    def infos(self) -> list[SeriesInfo]:
        """What is known of each series."""
        return [
            SeriesInfo(
                series,
                f"fleet_{KINDS[self.kind[series]]}_{series % PER_ENTITY}",
                (("host", entity_name(series)),),
                f"host:{entity_name(series)}",
                "generated",
                MetricKind.GAUGE,
            )
            for series in range(self.plan.series)
        ]

    def blocks(self) -> Iterator[tuple[int, F64]]:
        """First step, and float64[steps, series], in order; once only."""
        for first in range(0, self.plan.steps, BLOCK):
            steps = min(BLOCK, self.plan.steps - first)
            rng = np.random.default_rng([self.plan.seed, 1, first])
            values = np.empty((steps, self.plan.series))
            for kind, columns in enumerate(self._of):
                values[:, columns] = self._noise(kind, rng, first, steps)
            for plant in self.plants:
                applied(plant, values, first, rng)
            yield first, values

    def _noise(self, kind: int, rng: np.random.Generator, first: int, steps: int) -> F64:
        """float64[steps, series of the kind]."""
        columns = self._of[kind]
        level, scale = self.level[columns], self.scale[columns]
        shape = (steps, len(columns))
        name = KINDS[kind]
        if name == "bursty_count":
            made = self._bursts(rng, columns, shape)
        elif name == "flapping_ratio":
            requests = np.maximum(rng.poisson(8.0, shape), 1)
            made = rng.binomial(requests, 0.03) / requests
        elif name == "heavy_tailed":
            made = level + scale * rng.standard_t(3.0, shape)
        elif name == "autocorrelated":
            made = level + scale * self._walked(rng, columns, steps)
        elif name == "seasonal":
            day = 2 * np.pi * np.arange(first, first + steps)[:, None] / _DAY_STEPS + self._phase[columns]
            made = level * (1.0 + 0.4 * np.sin(day) + 0.15 * np.sin(2 * day))
            made = made + 0.5 * scale * rng.standard_normal(shape)
        elif name == "quantised":
            made = np.rint((level + 0.6 * scale * rng.standard_normal(shape)) / scale) * scale
        else:
            made = level + scale * rng.standard_normal(shape)
        return np.asarray(made, np.float64)

    def _bursts(self, rng: np.random.Generator, columns: NDArray[np.int64], shape: tuple[int, int]) -> F64:
        rates = np.empty(shape)
        for first in range(0, shape[0], 30):
            rates[first : first + 30] = rng.gamma(6.0, 1.0 / 6.0, len(columns))
        return np.asarray(rng.poisson(self.level[columns] * rates), np.float64)

    def _walked(self, rng: np.random.Generator, columns: NDArray[np.int64], steps: int) -> F64:
        steep: F64 = np.sqrt(1 - 0.95**2) * rng.standard_normal((steps, len(columns)))
        now = self._walk[columns]
        for step in range(steps):
            now = 0.95 * now + steep[step]
            steep[step] = now
        self._walk[columns] = now
        return steep


def entity_name(series: int) -> str:
    """The host a series is of."""
    return f"h{series // PER_ENTITY:05d}"


def _plants(plan: FleetPlan, fleet: Fleet) -> list[Plant]:
    """Incidents at random times on random entities, each entity once, kinds in turn."""
    rng = np.random.default_rng([plan.seed, 2])
    entities = rng.permutation(plan.series // PER_ENTITY)[: plan.incidents]
    first, last = round(plan.quiet_days * _DAY_STEPS), plan.steps - 150
    if plan.incidents and last <= first:
        raise ValueError(f"{plan.days} days leave no room for incidents after {plan.quiet_days} quiet ones")
    starts = np.sort(rng.integers(first, last, len(entities))) if plan.incidents else np.empty(0, np.int64)
    found = []
    for number, (entity, start) in enumerate(zip(entities, starts, strict=True)):
        members = np.arange(entity * PER_ENTITY, (entity + 1) * PER_ENTITY)
        hit = np.sort(rng.choice(members, rng.integers(5, 9), replace=False))
        found.append(
            Plant(
                kind=PLANTS[number % len(PLANTS)],
                entity=f"host:{entity_name(int(members[0]))}",
                series=hit,
                start=int(start),
                steps=int(rng.integers(30, 90)),
                size=rng.uniform(10.0, 16.0, len(hit)) * fleet.scale[hit],
                level=fleet.level[hit],
            )
        )
    return found
