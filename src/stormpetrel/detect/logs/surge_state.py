"""What `error_surge` remembers of an entity, and its way into plain arrays and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from stormpetrel.detect.logs.surprise import CountModel
from stormpetrel.model.finding import Finding
from stormpetrel.ports.algorithms import Snapshot

STATE_VERSION = 1


class WatchedEntity:
    """One entity's open windows (counts by window index and track), models and findings."""

    __slots__ = ("calm", "found", "judged", "models", "pending")

    def __init__(self, tracks: int, judged: int = -1) -> None:
        self.pending: dict[int, list[int]] = {}
        self.judged = judged  # newest window judged
        self.models = [CountModel() for _ in range(tracks)]
        self.found: list[Finding | None] = [None] * tracks
        self.calm = [0] * tracks


Entities = OrderedDict[str, WatchedEntity]


def pack(entities: Entities, complete: int) -> tuple[Snapshot, dict[str, Any]]:
    """The entities, least recently seen first, as arrays by entity and track, and their names.

    Open findings are kept by the caller.

    An entity of which nothing was judged yet is left out: its records are given again.
    """
    kept = {name: one for name, one in entities.items() if any(model.windows for model in one.models)}
    models = [one.models for one in kept.values()]
    arrays: dict[str, Any] = {
        "version": np.array([STATE_VERSION], np.int64),
        "complete": np.array([complete], np.int64),
        "judged": np.array([one.judged for one in kept.values()], np.int64),
        "calm": np.array([one.calm for one in kept.values()], np.int64),
        "mean": np.array([[m.mean for m in row] for row in models], np.float64),
        "spread": np.array([[m.spread for m in row] for row in models], np.float64),
        "windows": np.array([[m.windows for m in row] for row in models], np.int64),
    }
    return arrays, {"entities": list(kept)}


def unpack(arrays: Snapshot, notes: Mapping[str, Any]) -> tuple[Entities, int]:
    """The entities and the newest window that all of them had judged.

    Raises:
        ValueError: another version, or arrays that do not fit together.
    """
    version = int(arrays["version"][0]) if "version" in arrays else None
    if version != STATE_VERSION:
        raise ValueError(f"error_surge state has version {version}, this program reads {STATE_VERSION}")
    names = list(notes["entities"])
    entities: Entities = OrderedDict()
    columns = [arrays[name].tolist() for name in ("judged", "calm", "mean", "spread", "windows")]
    for name, judged, calm, mean, spread, windows in zip(names, *columns, strict=True):
        one = entities[str(name)] = WatchedEntity(len(calm), judged)
        one.calm = calm
        one.models = [CountModel(*numbers) for numbers in zip(mean, spread, windows, strict=True)]
    return entities, int(arrays["complete"][0])
