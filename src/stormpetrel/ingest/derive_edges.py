"""Edges of the service graph: who calls whom, how often, how often in vain, and how long it takes.

A CLIENT or PRODUCER span and the SERVER or CONSUMER span whose parent it is are one request from the one's
service to the other's, counted in the window in which the receiving span ends. A calling span without a
receiving one by the time its own window closes is a request to what its attributes name (`peer.service`, a
database or messaging system, or the server's name), counted in its own window. `service_edge_requests`,
`service_edge_errors` and `service_edge_duration_seconds{quantile=…}` carry the labels `client` and `server`.

A request failed when either span did. Its duration is the calling span's, so that the network counts, and
for messages the receiving span's. Source of the idea: the service graph connector of the OpenTelemetry
Collector.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.ingest.derive_red import CLIENT, CONSUMER, FAILED, PRODUCER, SERVER, DeriveLimits, service_of
from stormpetrel.ingest.derive_series import KeyedSeries
from stormpetrel.ingest.derive_windows import Rows
from stormpetrel.model.signal import MetricBatch, SpanBatch
from stormpetrel.ports.source import SeriesInterner

_COLUMNS = (
    "trace_id", "span_id", "parent_span_id", "entity", "source", "kind", "status_code", "start_unix_nano",
    "end_unix_nano",
)  # fmt: skip

# Attributes that name what is called, the best first; those of the resource begin with `resource.`.
_PEERS = (
    "peer.service",
    "db.system.name",
    "db.system",
    "messaging.system",
    "server.address",
    "net.peer.name",
)
# An address says little and there are many: only names are taken.
_ADDRESS = r"^[0-9.]+$|:"
_ROOM_FOR_RECEIVERS = 64  # spans of one message that wait for its sender


@dataclass(slots=True)
class _Half:
    """One side of a request that waits for the other."""

    entity: str
    source: str
    kind: int
    failed: bool
    end_unix_nano: int
    seconds: float
    peer: str = ""
    met: bool = False


class EdgeSeries:
    """See the module. Deterministic; the order and the batches of spans do not matter within the lateness.

    Fails to see a request whose halves come further apart than the lateness: a message that is received
    much later is no edge. Memory: at most `max_waiting` halves, about 400 bytes each, and the windows.
    Cost: some microseconds of Python for each calling or receiving span.
    """

    def __init__(self, registry: SeriesInterner, limits: DeriveLimits, start_unix_nano: int) -> None:
        self._most = limits.max_waiting
        self._callers: OrderedDict[str, _Half] = OrderedDict()
        self._receivers: OrderedDict[str, list[_Half]] = OrderedDict()
        self._waiting = 0
        self._met: list[tuple[_Half, _Half]] = []
        self.series = KeyedSeries("service_edge", registry, limits.grid, limits.max_keys, start_unix_nano)

    @property
    def waiting(self) -> int:
        """Halves that wait."""
        return self._waiting

    def take(self, batch: SpanBatch) -> None:
        """Pair the spans of a batch with one another and with those that wait."""
        records = batch.records
        ends = records.column("end_unix_nano").to_numpy()
        self.series.hear(records.column("source"), ends)
        kinds = records.column("kind").to_numpy()
        rows = np.flatnonzero((kinds >= SERVER) & (kinds <= CONSUMER))
        rows = rows[self.series.windows.refuse(ends[rows])]
        if not len(rows):
            return
        some = records.take(pa.array(rows))
        peers = _peers(some.column("attributes"), np.isin(kinds[rows], (CLIENT, PRODUCER)))
        columns = some.select(list(_COLUMNS)).to_pydict()
        for trace, span, parent, entity, source, kind, status, start, end, peer in zip(
            *(columns[name] for name in _COLUMNS), peers, strict=True
        ):
            half = _Half(entity, source, kind, status == FAILED, end, (end - start) * 1e-9, peer)
            if kind in (CLIENT, PRODUCER):
                self._calls(trace + span, half)
            elif parent:
                self._receives(trace + parent, half)
        self._count_met()

    def _calls(self, key: str, half: _Half) -> None:
        for receiver in self._receivers.pop(key, ()):
            self._waiting -= 1
            self._meet(half, receiver)
        if key not in self._callers:
            self._waiting += 1
        self._callers[key] = half
        self._bound()

    def _receives(self, key: str, half: _Half) -> None:
        caller = self._callers.get(key)
        if caller is not None:
            self._meet(caller, half)
            return
        group = self._receivers.setdefault(key, [])
        if len(group) >= _ROOM_FOR_RECEIVERS:
            self.series.windows.dropped.overflow += 1
            return
        group.append(half)
        self._waiting += 1
        self._bound()

    def _bound(self) -> None:
        """Give up the longest waiting halves beyond the bound."""
        while self._waiting > self._most:
            if self._receivers:
                gone = len(self._receivers.popitem(last=False)[1])
            else:
                gone = 1
                self._callers.popitem(last=False)
            self._waiting -= gone
            self.series.windows.dropped.overflow += gone

    def _meet(self, caller: _Half, receiver: _Half) -> None:
        caller.met = True
        if caller.entity != receiver.entity:
            self._met.append((caller, receiver))

    def _count_met(self) -> None:
        edges = [
            (
                self._key(service_of(caller.entity), service_of(receiver.entity), receiver.entity, receiver),
                receiver.end_unix_nano,
                caller.failed or receiver.failed,
                caller.seconds if caller.kind == CLIENT else receiver.seconds,
            )
            for caller, receiver in self._met
        ]
        self._met.clear()
        self._add(edges)

    def _key(self, client: str, server: str, entity: str, half: _Half) -> int:
        cell = self.series.windows.grid.cell(half.end_unix_nano)
        return self.series.key((("client", client), ("server", server)), entity, half.source, (cell, cell))

    def _add(self, edges: list[tuple[int, int, bool, float]]) -> None:
        if edges:
            key, end, failed, seconds = zip(*edges, strict=True)
            self.series.add(
                Rows(np.array(key, np.int64), np.array(end, np.int64), np.array(failed), np.array(seconds))
            )

    def advance(self, now_unix_nano: int) -> MetricBatch:
        """The samples of all windows that are complete at `now`."""
        grid, last = self.series.windows.grid, self.series.windows.closing(now_unix_nano)
        edges = []
        for key in [key for key, half in self._callers.items() if grid.cell(half.end_unix_nano) <= last]:
            half = self._callers.pop(key)
            self._waiting -= 1
            if half.peer and not half.met:
                number = self._key(service_of(half.entity), half.peer, half.entity, half)
                edges.append((number, half.end_unix_nano, half.failed, half.seconds))
        for key, group in list(self._receivers.items()):
            left = [half for half in group if grid.cell(half.end_unix_nano) > last]
            self._waiting -= len(group) - len(left)
            if left:
                self._receivers[key] = left
            else:
                del self._receivers[key]
        self._add(edges)
        return self.series.advance(now_unix_nano)


def _peers(attributes: pa.Array, calling: NDArray[np.bool_]) -> list[str]:
    """What each calling span says that it calls; "" for the others and where nothing says it."""
    names = np.full(len(attributes), "", dtype=object)
    for attribute in _PEERS:
        rows = np.flatnonzero(calling & (names == ""))
        if not len(rows):
            break
        pattern = rf'[{{,]\s*"{attribute.replace(".", "[.]")}"\s*:\s*"(?P<name>[^"\\]{{1,100}})"'
        found = pc.extract_regex(attributes.take(pa.array(rows)), pattern=pattern)
        name = pc.fill_null(pc.struct_field(found, "name"), "")
        address = pc.match_substring_regex(name, pattern=_ADDRESS)
        names[rows] = pc.if_else(address, "", name).to_numpy(zero_copy_only=False)
    result: list[str] = names.tolist()
    return result
