"""What is known of slots as plain arrays: a restart reads two days of samples again, a slot needs seven."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stormpetrel.context.slots import Slot, SlotLearner
from stormpetrel.model.calendar import Run

VERSION = 1
Arrays = Mapping[str, NDArray[np.generic]]
_SLOT = ("series", "period", "phase", "width", "side", "first")


def to_arrays(learner: SlotLearner) -> dict[str, NDArray[np.generic]]:
    """Everything a learner knows; copies. O(series with excursions)."""
    slots = [slot for key in sorted(learner.slots) for slot in learner.slots[key]]
    places = learner.places()
    return {
        "version": np.array([VERSION], np.int64),
        "ring_series": np.array(places, np.int64),
        "ring_starts": learner.starts[: len(places)].copy(),
        "ring_runs": learner.runs[: len(places)].copy(),
        "ring_held": learner.held[: len(places)].copy(),
        "newest": np.array(sorted(learner.newest.items()), np.int64).reshape(-1, 2),
        "slots": np.array([[getattr(s, name) for name in _SLOT] for s in slots], np.int64).reshape(-1, 6),
        "jobs": np.array([slot.job for slot in slots], np.str_),
        "chances": np.array([slot.chance for slot in slots], np.float64),
        "by_itself": np.array([slot.by_itself for slot in slots], np.float64),
        "numbers": _ragged([list(slot.numbers) for slot in slots]),
        "unknown": _ragged([list(slot.unknown) for slot in slots]),
        "starts": _ragged([[run.start_unix_nano for run in slot.runs] for slot in slots]),
        "ends": _ragged([[run.end_unix_nano for run in slot.runs] for slot in slots]),
        "heights": np.array([run.height for slot in slots for run in slot.runs], np.float64),
    }


def _ragged(rows: list[list[int]]) -> NDArray[np.int64]:
    """Rows as (row, value) pairs."""
    pairs = [(number, value) for number, row in enumerate(rows) for value in row]
    return np.array(pairs, np.int64).reshape(-1, 2)


def from_arrays(learner: SlotLearner, arrays: Arrays) -> list[Slot]:
    """Put what was known into a new learner, all of it or nothing; its slots.

    Raises:
        ValueError: it was written by another version, or is damaged.
    """
    try:
        if int(arrays["version"][0]) != VERSION:
            raise ValueError(f"slots of version {int(arrays['version'][0])}, this is {VERSION}; learn anew")
        newest = {int(series): int(time) for series, time in arrays["newest"]}
        slots = [
            Slot(*_five(row), float(chance), int(row[5]), float(by_itself), str(job))
            for row, chance, by_itself, job in zip(
                arrays["slots"], arrays["chances"], arrays["by_itself"], arrays["jobs"], strict=True
            )
        ]
        for number, value in arrays["numbers"]:
            slots[int(number)].numbers.append(int(value))
        for number, value in arrays["unknown"]:
            slots[int(number)].unknown.append(int(value))
        runs = zip(arrays["starts"], arrays["ends"], arrays["heights"], strict=True)
        for (number, start), (_, end), height in runs:
            slots[int(number)].runs.append(Run(int(start), int(end), float(height)))
        rings = (arrays["ring_starts"], arrays["ring_runs"], arrays["ring_held"])
        learner.take_rings([int(one) for one in arrays["ring_series"]], rings)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"damaged slots: {error}") from None
    learner.newest = newest
    for slot in slots:
        learner.slots.setdefault(slot.series, []).append(slot)
    return slots


def _five(row: NDArray[np.generic]) -> tuple[int, int, int, int, int]:
    """Series, period, phase, width and side of a slot."""
    series, period, phase, width, side = (int(one) for one in row[:5])
    return series, period, phase, width, side
