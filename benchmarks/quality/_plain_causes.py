"""Plain rankers of causes, each a few lines: what anybody would try first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.effects import last_known, scales_of
from stormpetrel.explain.situation import Situation

F64 = NDArray[np.float64]
Ranked = list[tuple[str, str]]


def _parts(situation: Situation) -> tuple[F64, F64, F64]:
    """All values, those before the reported time (the first half, for alerts), and those after it."""
    values = last_known(situation.values)
    times = situation.time_unix_nano
    cut = situation.anchor_unix_nano - int(situation.lead_seconds * 1e9)
    before = times < cut
    healthy = before & situation.usable
    past = values[healthy] if healthy.sum() >= 8 else values[before]
    return values, past, values[~before]


def _ordered(situation: Situation, score: F64) -> Ranked:
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")
    pairs = [(situation.entities[k], situation.metrics[k]) for k in order.tolist()]
    return [pair for pair in pairs if pair[0] not in situation.front_door]


def three_sigma(situation: Situation) -> Ranked:
    """Greatest distance from the mean in standard deviations."""
    _, past, now = _parts(situation)
    mean, spread = past.mean(axis=0), past.std(axis=0)
    return _ordered(situation, np.abs(now - mean).max(axis=0) / (spread + 1e-9 * (1.0 + np.abs(mean))))


def quartiles(situation: Situation) -> Ranked:
    """Greatest distance from the median in interquartile ranges, as BARO does (Pham and others 2024)."""
    _, past, now = _parts(situation)
    low, middle, high = np.percentile(past, [25, 50, 75], axis=0)
    return _ordered(
        situation, np.abs(now - middle).max(axis=0) / (high - low + 1e-9 * (1.0 + np.abs(middle)))
    )


def quartiles_with_floor(situation: Situation) -> Ranked:
    """The same, with a scale that is never next to nothing."""
    _, past, now = _parts(situation)
    middle, scale = scales_of(past)
    return _ordered(situation, np.abs((now - middle) / scale).max(axis=0))


def _shown(situation: Situation) -> F64:
    """The series in which it hurts, or the mean disturbance of all."""
    values, past, _ = _parts(situation)
    if situation.entry >= 0:
        return values[:, situation.entry]
    distance = np.abs(values - past.mean(axis=0)) / (past.std(axis=0) + 1e-9)
    shown: F64 = np.minimum(distance, 50.0).mean(axis=1)
    return shown


def _correlation(values: F64, shown: F64) -> F64:
    centred, other = values - values.mean(axis=0), shown - shown.mean()
    found: F64 = np.abs(centred.T @ other) / (np.sqrt((centred**2).sum(axis=0) * (other**2).sum()) + 1e-12)
    return found


def correlation(situation: Situation) -> Ranked:
    """Correlation with the series in which it hurts."""
    values, _, _ = _parts(situation)
    return _ordered(situation, _correlation(values, _shown(situation)))


def random_walk(situation: Situation) -> Ranked:
    """A random walk with restart on the graph of correlations, begun where it hurts."""
    values, _, _ = _parts(situation)
    moving = np.flatnonzero(values.std(axis=0) > 1e-12)
    score = np.full(values.shape[1], -np.inf)
    if not len(moving):
        return _ordered(situation, score)
    near = np.abs(np.nan_to_num(np.corrcoef(values[:, moving].T))).reshape(len(moving), len(moving))
    np.fill_diagonal(near, 0.0)
    near[near < 0.3] = 0.0
    start = _correlation(values[:, moving], _shown(situation))
    start = start / max(start.sum(), 1e-12)
    step = near * start[None, :]
    step = step / np.maximum(step.sum(axis=1, keepdims=True), 1e-12)
    visits = start.copy()
    for _ in range(50):
        visits = 0.85 * (visits @ step) + 0.15 * start
    score[moving] = visits
    return _ordered(situation, score)


def first_departure(situation: Situation) -> Ranked:
    """Who left its place first; of those at once, by how far."""
    _, past, now = _parts(situation)
    middle, scale = scales_of(past)
    size = np.abs((now - middle) / scale)
    far = size > 4.0
    first = np.where(far.any(axis=0), far.argmax(axis=0), len(now))
    return _ordered(situation, -first.astype(float) + 0.9 * np.tanh(size.max(axis=0) / 50.0))


PLAIN: dict[str, Callable[[Situation], Ranked]] = {
    "three sigma": three_sigma,
    "quartiles": quartiles,
    "quartiles with a floor": quartiles_with_floor,
    "correlation": correlation,
    "random walk": random_walk,
    "first departure": first_departure,
}
