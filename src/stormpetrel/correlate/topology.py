"""Who calls whom and what runs on what: learnt from what signals say of themselves, or declared by a person.

A span whose parent span belongs to another entity: the one calls the other. A calling span that names a
database or a messaging system: its entity needs that. A series whose labels name a service and a host: the
one runs on the other; likewise a span or a log record whose resource names its host. What Kubernetes says of
owners makes workloads, and flows say which hosts talk to one another: both bring together, and neither makes
anybody need anybody. All are statements of the senders, so everything is bounded, and the longest unseen goes
first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stormpetrel.correlate.connections import ConnectionLimits, Connections
from stormpetrel.correlate.roles import roles_of
from stormpetrel.correlate.topology_ends import Ends, Seen
from stormpetrel.correlate.topology_labels import (
    addresses_of,
    addresses_of_series,
    hosts_of,
    leaves_of,
    places_of,
)
from stormpetrel.correlate.topology_owners import owners_of_series, told_of
from stormpetrel.correlate.workloads import workload_of
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import LogBatch, SeriesInfo, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.model.topology import (
    CALLS,
    NEEDS,
    DeclaredTopology,
    Edge,
    EdgeKind,
    Node,
    NodeRole,
    Reach,
    Topology,
)

Key = tuple[str, str, EdgeKind]  # caller, callee, kind

_TOLD_ONCE = (EdgeKind.RUNS_ON, EdgeKind.OWNS, EdgeKind.CONNECTS)  # forgotten when nothing says it any more
_HOUR = from_seconds(3600.0)
_ENTRIES_NAMED = 5
_MOST_REACHED = 2_000


@dataclass(frozen=True, slots=True)
class TopologyLimits:
    """How much is remembered.

    Attributes:
        entities: the longest unseen goes first, with its edges.
        edges: likewise.
        neighbours: an entity with more callers and callees (a shared proxy), with more that it runs on or
            that run on it (a node that runs everything), or with more that it talks to (whoever watches all
            others) relates to everything and so says nothing: for grouping it is taken to have none of that
            kind. So is a workload with more members.
        spans: spans remembered while their children may still come.
        fade_seconds: an edge that was not seen for longer is not there any more.
    """

    entities: int = 20_000
    edges: int = 100_000
    neighbours: int = 50
    spans: int = 100_000
    fade_seconds: float = 86_400.0


class LiveTopology:
    """A directed graph of root entities that grows with what is seen. O(spans) Python a batch.

    It has a history as far as it was seen: each edge knows its first and its last time, and `at` tells the
    graph of a moment. An edge that paused in between counts as if it had not. Nothing is kept over a
    restart: labels and the stored spans tell it again.

    Args:
        limits: how much is remembered.
        declared: edges and roles that a person wrote down; they are never forgotten.

    Raises:
        ValueError: more is declared than may be remembered.
    """

    def __init__(
        self, limits: TopologyLimits | None = None, declared: DeclaredTopology | None = None
    ) -> None:
        self._limits = limits or TopologyLimits()
        self._fade = from_seconds(self._limits.fade_seconds)
        declared = declared or DeclaredTopology()
        self._entities: OrderedDict[str, Ends] = OrderedDict()
        self._edges: OrderedDict[Key, Seen] = OrderedDict()
        self._span_entity: OrderedDict[str, str] = OrderedDict()
        self._said: OrderedDict[str, NodeRole] = OrderedDict()
        most = self._limits.edges // 4  # connections alone must not push out what is known otherwise
        self._connections = Connections(ConnectionLimits(pairs=most, names=self._limits.entities))
        self._talking: OrderedDict[Key, None] = OrderedDict()
        self._newest = 0
        self._declared_roles = dict(declared.roles)
        self._pinned = {end for edge in declared.edges for end in edge} | self._declared_roles.keys()
        if 2 * len(self._pinned) > self._limits.entities or 2 * len(declared.edges) > self._limits.edges:
            raise ValueError(f"{len(self._pinned)} entities and {len(declared.edges)} edges are too many")
        for caller, callee in declared.edges:
            self._join((caller, callee, EdgeKind.DECLARED), 0)

    def __len__(self) -> int:
        return len(self._entities)

    # ------------------------------------------------------------------------------------ asking

    def related(self, left: str, right: str) -> bool:
        """Whether two entities have the same root or are neighbours."""
        left, right = root_of(left), root_of(right)
        if left == right:
            return True
        return right in self.neighbours(left)

    def neighbours(self, root: str) -> Iterator[str]:
        """The other roots that a root is related to, in a fixed order, by calls, by what runs on what, by
        connections, and by being of one workload: at most `limits.neighbours` of each."""
        ends = self._entities.get(root)
        if ends is None:
            return
        most = self._limits.neighbours
        found: dict[str, None] = {}
        for place, near in enumerate(ends.kinds()):
            if len(near) <= most:
                found.update((one, None) for one in near if len(self._entities[one].kinds()[place]) <= most)
        if ends.kin:
            found.update(dict.fromkeys(self._workload(root)))
        yield from found

    def twin(self, root: str) -> str:
        """The host that an entity has for itself alone, or what alone runs on a host; "" where none is."""
        placed = self._entities[root].placed if root in self._entities else {}
        for other in placed:
            if len(placed) == len(self._entities[other].placed) == 1:
                return other
        return ""

    def _workload(self, root: str) -> list[str]:
        """The others of a workload; of one too large, as after many rollouts, those of the last hour."""
        most = self._limits.neighbours
        for since in (self._newest - self._fade, self._newest - _HOUR):
            up, down = partial(self._kin, since=since, up=True), partial(self._kin, since=since, up=False)
            found = workload_of(root, up, down, most)
            if found:
                return found
        return []

    def services_of(self, entities: Iterable[str]) -> dict[str, str]:
        """The service that workloads and their parts are, where that is one and not the entity itself."""
        found: dict[str, str] = {}
        for root in dict.fromkeys(map(root_of, entities)):
            if root in self._entities and not root.startswith("service:"):
                services = [one for one in self._workload(root) if one.startswith("service:")]
                if len(services) == 1:
                    found[root] = services[0]
        return found

    def _kin(self, root: str, since: int, *, up: bool) -> list[str]:
        """Who owns an entity, or whom it owns, as seen since then; 0: it was there before."""
        keys = ((one, root) if up else (root, one) for one in self._entities[root].kin)
        seen = ((key, self._edges.get((*key, EdgeKind.OWNS))) for key in keys)
        return [key[0] if up else key[1] for key, one in seen if one and (not one.last or one.last >= since)]

    def at(self, time_unix_nano: int) -> Topology:
        """The graph as it was at a moment; O(all edges)."""
        edges = [
            Edge(*key, seen.first, seen.last)
            for key, seen in self._edges.items()
            if self._there(key, seen, time_unix_nano)
        ]
        edges.sort(key=lambda edge: (edge.caller, edge.callee, edge.kind))
        entities = {end for edge in edges for end in (edge.caller, edge.callee)}
        entities |= self._declared_roles.keys()
        roles = roles_of(sorted(entities), edges, {**self._said, **self._declared_roles})
        nodes = tuple(Node(one, role, one in self._declared_roles) for one, role in roles.items())
        return Topology(time_unix_nano, nodes, tuple(edges))

    def places_at(self, time_unix_nano: int) -> list[tuple[str, str]]:
        """What runs on what at a moment; O(all edges)."""
        return [
            key[:2]
            for key, seen in self._edges.items()
            if key[2] is EdgeKind.RUNS_ON and self._there(key, seen, time_unix_nano)
        ]

    def reach(self, entities: Iterable[str], now_unix_nano: int) -> Reach:
        """Who needs some entities, directly or through others; O(edges met), at most 2,000 entities."""
        troubled = dict.fromkeys(root_of(entity) for entity in entities)
        seen = set(troubled)
        queue = deque(troubled)
        entries: set[str] = set()
        while queue and len(seen) < _MOST_REACHED:
            root = queue.popleft()
            ends = self._entities.get(root)
            if ends is None:
                continue
            if self._is_entry(root, ends, now_unix_nano):
                entries.add(root)
            for other in ends.needed_by:
                if other not in seen and self._needs(other, root, NEEDS, now_unix_nano):
                    seen.add(other)
                    queue.append(other)
        named = tuple(sorted(entries)[:_ENTRIES_NAMED])
        return Reach(len(seen) - len(troubled), named, not queue)

    # ---------------------------------------------------------------------------------- learning

    def learn_series(self, infos: Iterable[SeriesInfo], time_unix_nano: int = 0) -> None:
        """Take what the labels of new series say; time 0: they were there before."""
        for info in infos:
            keys = [(*ends, EdgeKind.RUNS_ON) for ends in places_of(info)]
            keys += [(*ends, EdgeKind.OWNS) for ends in owners_of_series(info)]
            for key in keys:
                self._join(key, time_unix_nano)
                seen = self._edges.get(key)
                if seen is not None:
                    seen.witnesses.append(info.series)
            for address, entity in addresses_of_series(info):
                self._connections.name(address, entity, time_unix_nano)

    def learn_hosts(self, batch: SpanBatch | LogBatch) -> None:
        """Take what resources of spans or log records say of the host they are on and of their owners, and
        what Kubernetes tells of its objects."""
        for (caller, callee), time in hosts_of(batch).items():
            self._join((caller, callee, EdgeKind.RUNS_ON), time)
        for key, time in told_of(batch).items():
            self._join(key, time)
        for address, entity, time in addresses_of(batch):
            self._connections.name(address, entity, time)

    def learn_flows(self, batch: FlowBatch) -> None:
        """Take who talks to whom; of connections at most a quarter of all edges is remembered."""
        for talk in self._connections.learn(batch):
            key = (talk.caller, talk.callee, EdgeKind.CONNECTS)
            self._join(key, talk.first_unix_nano)
            self._join(key, talk.last_unix_nano)
            self._talking[key] = None
            self._talking.move_to_end(key)
        while len(self._talking) > self._limits.edges // 4:
            key, _ = self._talking.popitem(last=False)
            if key in self._edges:
                self._cut(key)

    def learn_spans(self, batch: SpanBatch) -> None:
        """Take what parents and children say; a child may come before or after its parent's batch."""
        self.learn_hosts(batch)
        names = ["trace_id", "span_id", "parent_span_id", "entity", "start_unix_nano"]
        columns = batch.records.select(names).to_pydict()
        rows = list(zip(*(columns[name] for name in names), strict=True))
        for trace, span, _, entity, _ in rows:
            self._span_entity[trace + span] = root_of(entity)
        for trace, _, parent, entity, start in rows:
            caller = self._span_entity.get(trace + parent) if parent else None
            if caller is not None:
                self._join((caller, root_of(entity), EdgeKind.CALLS), start)
        while len(self._span_entity) > self._limits.spans:
            self._span_entity.popitem(last=False)
        for caller, callee, role, start in leaves_of(batch):
            self._say(callee, role)
            self._join((caller, callee, EdgeKind.CALLS), start)

    def refresh(self, last_times: NDArray[np.int64], now_unix_nano: int = 0) -> None:
        """What runs on what, and who owns whom, is there as long as its series, spans or records speak.

        What no series witnesses, and nothing has said for twice as long as it takes an edge to fade, is
        forgotten: hosts come and go, and a service must not be taken to run on all there ever were.

        Args:
            last_times: int64[n] by series id, time of the newest sample, 0 where there is none.
            now_unix_nano: the present; 0: nothing is forgotten.

        Cost: some two microseconds for each edge of labels.
        """
        size = len(last_times)
        gone: list[Key] = []
        for key, seen in self._edges.items():
            if key[2] in _TOLD_ONCE:
                newest = max((int(last_times[one]) for one in seen.witnesses if one < size), default=0)
                seen.last = max(seen.last, newest)
                if not seen.witnesses and now_unix_nano - seen.last > 2 * self._fade:
                    gone.append(key)
        for key in gone:
            self._cut(key)

    # ------------------------------------------------------------------------------------ memory

    def _join(self, key: Key, time: int) -> None:
        caller, callee, kind = key
        if caller == callee:
            return
        self._newest = max(self._newest, time)
        seen = self._edges.get(key)
        if seen is None:
            self._edges[key] = Seen(time, time)
            needs = self._entities.setdefault(caller, Ends()).needs
            needs[callee] = needs.get(callee, 0) + 1
            needed_by = self._entities.setdefault(callee, Ends()).needed_by
            needed_by[caller] = needed_by.get(caller, 0) + 1
            for one, other in ((caller, callee), (callee, caller)):
                near = self._entities[one].of(kind)
                near[other] = near.get(other, 0) + 1
        else:
            seen.first, seen.last = min(seen.first, time), max(seen.last, time)
            self._edges.move_to_end(key)
        self._entities.move_to_end(caller)
        self._entities.move_to_end(callee)
        self._trim()

    def _trim(self) -> None:
        """Forget the longest unseen; what was declared stays."""
        while len(self._entities) > self._limits.entities:
            root = next(iter(self._entities))
            if root in self._pinned:
                self._entities.move_to_end(root)
            else:
                self._drop(root)
        while len(self._edges) > self._limits.edges:
            key = next(iter(self._edges))
            if key[2] is EdgeKind.DECLARED:
                self._edges.move_to_end(key)
            else:
                self._cut(key)

    def _drop(self, root: str) -> None:
        ends = self._entities[root]
        keys = [(root, other, kind) for other in ends.needs for kind in EdgeKind]
        keys += [(other, root, kind) for other in ends.needed_by for kind in EdgeKind]
        for key in keys:
            if key in self._edges:
                self._cut(key)
        self._entities.pop(root, None)

    def _cut(self, key: Key) -> None:
        """Take an edge out, and entities that have none left."""
        caller, callee, kind = key
        del self._edges[key]
        self._talking.pop(key, None)
        for others, other in (
            (self._entities[caller].needs, callee),
            (self._entities[callee].needed_by, caller),
            (self._entities[caller].of(kind), callee),
            (self._entities[callee].of(kind), caller),
        ):
            others[other] -= 1
            if not others[other]:
                del others[other]
        for root in (caller, callee):
            ends = self._entities[root]
            if not ends.needs and not ends.needed_by:
                del self._entities[root]
                self._said.pop(root, None)

    def _say(self, root: str, role: NodeRole) -> None:
        self._said[root] = role
        self._said.move_to_end(root)
        while len(self._said) > self._limits.entities:
            self._said.popitem(last=False)

    # ------------------------------------------------------------------------------------- edges

    def _there(self, key: Key, seen: Seen, time: int) -> bool:
        if key[2] is EdgeKind.DECLARED:
            return True
        return seen.first <= time and seen.last > 0 and time - seen.last <= self._fade

    def _needs(self, caller: str, callee: str, kinds: tuple[EdgeKind, ...], now: int) -> bool:
        for kind in kinds:
            key = (caller, callee, kind)
            seen = self._edges.get(key)
            if seen is not None and self._there(key, seen, now):
                return True
        return False

    def _is_entry(self, root: str, ends: Ends, now: int) -> bool:
        """Whether nobody calls it and it calls others, at present."""
        return any(self._needs(root, other, CALLS, now) for other in ends.needs) and not any(
            self._needs(other, root, CALLS, now) for other in ends.needed_by
        )
