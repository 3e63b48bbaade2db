"""Schedules of faults: which trouble when, known beforehand, so that what is found can be judged."""

from __future__ import annotations

import numpy as np

from stormpetrel.model.time import Window, from_seconds
from stormpetrel.simulate.faults import FAULTS, Fault
from stormpetrel.simulate.noise import Noise


def plan_faults(
    seed: int,
    window: Window,
    every_seconds: float = 7200.0,
    duration_seconds: float = 600.0,
    names: tuple[str, ...] = tuple(FAULTS),
) -> tuple[Fault, ...]:
    """One fault in each slot of `every_seconds`, at a random place in the slot, kinds in random order.

    Faults never overlap and none reaches out of the window; every kind comes once before one repeats.

    Raises:
        ValueError: an unknown name, or slots too short for the duration.
    """
    for name in names:
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name}; there are {', '.join(FAULTS)}")
    if not names or every_seconds < 2 * duration_seconds:
        raise ValueError("slots must be at least twice as long as a fault, and one name is needed")
    noise = Noise(seed)
    slots = np.arange(int(window.seconds // every_seconds), dtype=np.int64)
    offset = noise.uniform("plan/offset", slots) * (every_seconds - duration_seconds)
    magnitude = 0.6 + noise.uniform("plan/magnitude", slots)
    faults = []
    for slot in slots.tolist():
        start = window.start_unix_nano + from_seconds(slot * every_seconds + float(offset[slot]))
        kind = FAULTS[_order(noise, names, slot // len(names))[slot % len(names)]]
        faults.append(kind(start, duration_seconds, float(magnitude[slot])))
    return tuple(faults)


def _order(noise: Noise, names: tuple[str, ...], turn: int) -> list[str]:
    """The names in the random order of this turn."""
    rank = noise.uniform(f"plan/order/{turn}", np.arange(len(names), dtype=np.int64))
    return [names[place] for place in np.argsort(rank)]
