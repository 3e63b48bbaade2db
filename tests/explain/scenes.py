"""A small made-up estate with one trouble in it: web calls shop, shop calls db; cache stands beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.situation import NOBODY, UNTOLD, KnownChange, Sightings, Situation

SECOND = 1_000_000_000
STEP = 60 * SECOND
POINTS, ONSET = 70, 60
CALLS = (("service:web", "service:shop"), ("service:shop", "service:db"), ("service:web", "service:cache"))
SERVICES = ("service:web", "service:shop", "service:db", "service:cache")
METRICS = ("latency_p95", "error_ratio", "cpu_usage", "requests")


def quiet(seed: int = 0) -> Situation:
    """Nothing is wrong: four services, four metrics each, noise of a tenth."""
    rng = np.random.default_rng(seed)
    names = [(service, metric) for service in SERVICES for metric in METRICS]
    levels = {"latency_p95": 0.2, "error_ratio": 0.01, "cpu_usage": 0.4, "requests": 50.0}
    values = np.stack(
        [levels[metric] * (1.0 + 0.1 * rng.standard_normal(POINTS)) for _, metric in names], axis=1
    )
    return Situation(
        time_unix_nano=STEP * np.arange(POINTS, dtype=np.int64),
        values=values,
        entities=tuple(service for service, _ in names),
        metrics=tuple(metric for _, metric in names),
        anchor_unix_nano=STEP * ONSET,
        usable=np.ones(POINTS, np.bool_),
        entry=0,
        calls=CALLS,
    )


def with_step(situation: Situation, service: str, metric: str, times: float, at: int = ONSET) -> Situation:
    """The same, with a metric of a service at so many times its level from `at` on."""
    pairs = list(zip(situation.entities, situation.metrics, strict=True))
    values = situation.values.copy()
    values[at:, pairs.index((service, metric))] *= times
    return replace(situation, values=values)


def slow_database(seed: int = 0, at: int = ONSET) -> Situation:
    """The database is busy and slow, and so is all that calls it."""
    troubled = with_step(quiet(seed), "service:db", "cpu_usage", 4.0, at)
    for service, times in (("service:db", 8.0), ("service:shop", 6.0), ("service:web", 5.0)):
        troubled = with_step(troubled, service, "latency_p95", times, at)
    return troubled


def _toward(toward: dict[str, str], thing: str, places: tuple[str, ...]) -> int:
    if thing not in toward:
        return NOBODY
    return places.index(toward[thing]) if toward[thing] else UNTOLD


def sightings(
    rows: list[tuple[int, str, str, float]],
    failing: tuple[str, ...] = (),
    own_seconds: NDArray[np.float64] | None = None,
    target: dict[str, str] | None = None,
    toward: dict[str, str] | None = None,
) -> Sightings:
    """Sightings from (point, place, thing, count); `target` and `toward` of things, "" for untold."""
    target, toward = target or {}, toward or {}
    told = [*target.values(), *filter(None, toward.values())]
    places = tuple(dict.fromkeys([*(row[1] for row in rows), *told]))
    things = tuple(dict.fromkeys(row[2] for row in rows))
    return Sightings(
        time_unix_nano=np.array([row[0] * STEP for row in rows], np.int64),
        place=np.array([places.index(row[1]) for row in rows], np.int32),
        thing=np.array([things.index(row[2]) for row in rows], np.int32),
        count=np.array([row[3] for row in rows], np.float64),
        places=places,
        things=things,
        failing=np.array([thing in failing for thing in things], np.bool_),
        target=np.array([places.index(target[one]) if one in target else -1 for one in things], np.int32),
        toward=np.array([_toward(toward, one, places) for one in things], np.int32),
        own_seconds=np.full(len(rows), np.nan) if own_seconds is None else own_seconds,
    )


def change(
    name: str,
    minutes_before: float,
    text: str,
    entity: str = "",
    kind: str = "commit",
    files: tuple[str, ...] = (),
) -> KnownChange:
    """A change so long before the onset."""
    return KnownChange(name, int(STEP * (ONSET - minutes_before)), entity, kind, text, files)
