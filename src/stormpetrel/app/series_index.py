"""Which series a metric has on an entity: asked for by name, so that nobody walks the whole registry."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.resource import root_of

MOST_METRICS = 500  # indexed at a time: as many as runbooks name, and some


@dataclass(slots=True)
class _Metric:
    """The series of one metric by entity; `seen`: how many of them are in it."""

    seen: int = 0
    by_entity: dict[str, list[int]] = field(default_factory=dict)


class SeriesIndex:
    """Looks up the series of a metric on an entity. Safe from any thread.

    Only metrics that were asked for are indexed, and only what was added since the last question is looked
    at: series are never taken away, so what was found stays true.

    Cost: O(new series of the metric) a question, then O(1).
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._metrics: dict[str, _Metric] = {}
        self._lock = threading.Lock()

    def of(self, metric: str, entity: str) -> tuple[int, ...]:
        """The ids of the series of a metric on an entity or on a part of it, in order of id."""
        with self._lock:
            known = self._metrics.pop(metric, None) or _Metric()
            self._metrics[metric] = known  # the one asked for last goes last
            if len(self._metrics) > MOST_METRICS:
                del self._metrics[next(iter(self._metrics))]
            new = self._registry.of_metric(metric, known.seen)
            for number in new:
                own = self._registry.info(number).entity
                for name in {own, root_of(own)}:
                    known.by_entity.setdefault(name, []).append(number)
            known.seen += len(new)
            return tuple(known.by_entity.get(entity, ()))
