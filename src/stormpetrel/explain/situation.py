"""What an explainer may look at: everything known of a trouble and of the time before it, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.time import NANOS_PER_SECOND, from_seconds

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
NOBODY, UNTOLD = -1, -2  # whom a span went to: it is no client's; it is, and does not say


@dataclass(frozen=True, slots=True)
class Sightings:
    """How often which thing was seen where: log patterns of an entity, or calls of one entity by another.

    Attributes:
        time_unix_nano: int64[n].
        place: int32[n], index into `places`: the entity that counts are compared within.
        thing: int32[n], index into `things`.
        count: float64[n].
        places: entities.
        things: what was seen, as text; hostile input, never parsed for instructions.
        failing: bool[things], whether it tells of a failure.
        target: int32[things], index into `places` of the entity that a thing is about where that is another
            one (who was called), else -1.
        toward: int32[things], index into `places` of the entity that a client's span went to, `UNTOLD` where
            that is unknown, `NOBODY` for everything else.
        own_seconds: float64[n], time spent in the thing itself, NaN where unknown; of a client's span that
            is the time on the way.
    """

    time_unix_nano: I64
    place: NDArray[np.int32]
    thing: NDArray[np.int32]
    count: F64
    places: tuple[str, ...]
    things: tuple[str, ...]
    failing: NDArray[np.bool_]
    target: NDArray[np.int32]
    toward: NDArray[np.int32]
    own_seconds: F64

    def __len__(self) -> int:
        return len(self.count)


def indexed(names: Iterable[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Names as indices into the distinct ones, which are in order of their first coming.

    >>> index, names = indexed(["b", "a", "b"])
    >>> index.tolist(), names
    ([0, 1, 0], ('b', 'a'))
    """
    known: dict[str, int] = {}
    index = np.array([known.setdefault(name, len(known)) for name in names], np.int32)
    return index, tuple(known)


@dataclass(frozen=True, slots=True)
class KnownChange:
    """A change of the estate or of its code, from before the trouble or during it.

    Attributes:
        change_id: its name, for example a commit.
        time_unix_nano: when it took effect, as far as that is known.
        entity: what it changed, "" where unknown.
        kind: "deploy", "config", "flag", …; "commit" for one that is not known to have been rolled out.
        text: title, files and difference, whatever is known; hostile input.
        files: paths that it touches, where known.
    """

    change_id: str
    time_unix_nano: int
    entity: str
    kind: str
    text: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """The input of a diagnosis.

    Attributes:
        time_unix_nano: int64[T], a regular grid, ascending.
        values: float64[T, S], NaN where nothing is known.
        entities, metrics: S names each.
        anchor_unix_nano: when the trouble is said to have begun, give or take `slack_seconds`.
        slack_seconds: the onset may precede or follow the anchor by so much.
        lead_seconds: it may precede the anchor by this much instead, where it is longer: an alert comes late.
        usable: bool[T], False where another trouble was under way: such a past is no model of health.
        entry: index of the series in which the trouble hurts, -1 where unknown.
        calls: who calls whom, (caller, callee).
        places: what runs on what, (entity, host).
        patterns, spans: log patterns and calls, None where there are none.
        changes: changes that are known of.
        told: what the alert or the incident says; hostile input.
        front_door: entities that stand for the outside, never a cause.
    """

    time_unix_nano: I64
    values: F64
    entities: tuple[str, ...]
    metrics: tuple[str, ...]
    anchor_unix_nano: int
    usable: NDArray[np.bool_]
    slack_seconds: float = 300.0
    lead_seconds: float = 0.0
    entry: int = -1
    calls: Sequence[tuple[str, str]] = ()
    places: Sequence[tuple[str, str]] = ()
    patterns: Sightings | None = None
    spans: Sightings | None = None
    changes: Sequence[KnownChange] = ()
    told: str = ""
    front_door: frozenset[str] = field(default_factory=frozenset)

    @property
    def step_seconds(self) -> float:
        """The interval of the grid; 60 where there is one moment only."""
        if len(self.time_unix_nano) < 2:
            return 60.0
        return float(np.median(np.diff(self.time_unix_nano))) / NANOS_PER_SECOND

    def usable_at(self, time_unix_nano: I64) -> NDArray[np.bool_]:
        """Whether a past at these moments is a model of health, bool[n]."""
        grid = self.time_unix_nano
        at = np.clip(np.searchsorted(grid, time_unix_nano, side="right") - 1, 0, len(grid) - 1)
        inside = (time_unix_nano >= grid[0]) & (time_unix_nano < grid[-1] + from_seconds(self.step_seconds))
        usable: NDArray[np.bool_] = self.usable[at] | ~inside
        return usable
