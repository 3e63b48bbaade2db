"""Which entities have to do with each other: learnt from what signals say of themselves.

Two facts count. A span whose parent span belongs to another entity: the one calls the other. A series
whose labels name a service and a host: the one runs on the other. Both are statements of the senders,
so they are bounded: an entity has at most `max_neighbours`, and the whole at most `max_entities`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from stormpetrel.model.resource import identities_of, root_of
from stormpetrel.model.signal import SeriesInfo, SpanBatch


class Relations:
    """An undirected graph of root entities that grows with what is seen. O(spans) Python a batch.

    Args:
        max_entities: entities with neighbours that are remembered; the longest unseen goes first.
        max_neighbours: neighbours of one entity; an entity with more (a shared proxy, a node that runs
            everything) relates to everything and so says nothing: it is taken to have none.
        max_spans: spans remembered while their children may still come.
    """

    def __init__(
        self, max_entities: int = 20_000, max_neighbours: int = 50, max_spans: int = 100_000
    ) -> None:
        self._neighbours: OrderedDict[str, set[str]] = OrderedDict()
        self._span_entity: OrderedDict[str, str] = OrderedDict()
        self._max_entities = max_entities
        self._max_neighbours = max_neighbours
        self._max_spans = max_spans

    def related(self, left: str, right: str) -> bool:
        """Whether two entities have the same root or are neighbours."""
        left, right = root_of(left), root_of(right)
        if left == right:
            return True
        near, back = self._neighbours.get(left, set()), self._neighbours.get(right, set())
        return right in near and len(near) <= self._max_neighbours and len(back) <= self._max_neighbours

    def learn_series(self, infos: Iterable[SeriesInfo]) -> None:
        """Take what the labels of series say: everything one series is about belongs together."""
        for info in infos:
            roots = [root for root in identities_of(dict(info.labels)) if root != root_of(info.entity)]
            for root in roots:
                self._join(root_of(info.entity), root)

    def learn_spans(self, batch: SpanBatch) -> None:
        """Take what parents and children say; a child may come before or after its parent's batch."""
        columns = batch.records.select(["trace_id", "span_id", "parent_span_id", "entity"]).to_pydict()
        rows = list(
            zip(
                columns["trace_id"],
                columns["span_id"],
                columns["parent_span_id"],
                columns["entity"],
                strict=True,
            )
        )
        for trace, span, _, entity in rows:
            self._span_entity[trace + span] = root_of(entity)
        for trace, _, parent, entity in rows:
            caller = self._span_entity.get(trace + parent) if parent else None
            if caller is not None and caller != root_of(entity):
                self._join(caller, root_of(entity))
        while len(self._span_entity) > self._max_spans:
            self._span_entity.popitem(last=False)

    def _join(self, left: str, right: str) -> None:
        for one, other in ((left, right), (right, left)):
            near = self._neighbours.setdefault(one, set())
            self._neighbours.move_to_end(one)
            # One more than allowed is enough to know that there are too many.
            if len(near) <= self._max_neighbours:
                near.add(other)
        while len(self._neighbours) > self._max_entities:
            self._neighbours.popitem(last=False)
