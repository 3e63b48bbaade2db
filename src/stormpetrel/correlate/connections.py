"""Who talks to whom on the network, from flow records: pairs of hosts that talk again and again.

A pair counts when somebody was answered, and when it was seen over some minutes: one look of a scanner, or
one copy of a file, does not tie two hosts together. Who asks is the end without a well-known port; records of
both directions, and of one direction each, are both understood. Where neither port is a service's, a record
of one direction says nothing.
"""

from __future__ import annotations

import ipaddress
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stormpetrel.model.records import FlowBatch
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds

_EPHEMERAL = 32_768  # ports from here on are given to whoever asks (Linux)
_TRANSPORTS = (6, 17, 132)  # TCP, UDP, SCTP
_PAIRS_OF_BATCH, _NAMES_OF_BATCH = 2_000, 500
_TWO = 2  # names of one address that are remembered: with the second it names nobody
_NAME_GOOD = from_seconds(86_400)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How much is remembered, and what counts.

    Attributes:
        pairs: pairs of addresses; the longest unseen goes first.
        names: addresses whose host is known; likewise.
        lasting_seconds: a pair counts when it was seen over so long.
    """

    pairs: int = 20_000
    names: int = 20_000
    lasting_seconds: float = 300.0


class Talk(NamedTuple):
    """One host that uses another: root entities, and when it was seen first and last."""

    caller: str
    callee: str
    first_unix_nano: int
    last_unix_nano: int


@dataclass(slots=True)
class _Pair:
    first: int
    last: int
    asked: bool = False
    answered: bool = False


@dataclass(slots=True)
class Connections:
    """Learns from flows which hosts use which others. Deterministic; bounded by its limits.

    An address is written as the host that it is known to belong to; a private one of nobody known as
    `host:10.0.0.9`; public ones of nobody known, and those that several hosts say are theirs (bridges of
    containers), are left out. Cost: one grouping of the batch, and some microseconds for each pair in it.
    """

    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    _pairs: OrderedDict[tuple[str, str], _Pair] = field(default_factory=OrderedDict)
    _names: OrderedDict[str, dict[str, int]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._pairs)

    def name(self, address: str, entity: str, time_unix_nano: int) -> None:
        """An address is a host's own."""
        if not _tells(address):
            return
        told = self._names.setdefault(address, {})
        root = root_of(entity)
        told[root] = max(time_unix_nano, told.get(root, 0))
        while len(told) > _TWO:
            del told[min(told, key=lambda one: (told[one], one))]
        self._names.move_to_end(address)
        while len(self._names) > self.limits.names:
            self._names.popitem(last=False)

    def learn(self, batch: FlowBatch) -> list[Talk]:
        """Take a batch; the pairs in it that count by now, in a fixed order."""
        self._learn_names(batch)
        lasting = from_seconds(self.limits.lasting_seconds)
        found: list[Talk] = []
        for caller, callee, asked, answered, first, last in _pairs_of(batch):
            if not (_tells(caller) and _tells(callee)):
                continue
            key = (caller, callee)
            pair = self._pairs.setdefault(key, _Pair(first, last))
            pair.first, pair.last = min(pair.first, first), max(pair.last, last)
            pair.asked, pair.answered = pair.asked or asked, pair.answered or answered
            self._pairs.move_to_end(key)
            if pair.asked and pair.answered and pair.last - pair.first >= lasting:
                ends = self._entity(caller, last), self._entity(callee, last)
                if all(ends) and ends[0] != ends[1]:
                    found.append(Talk(*ends, pair.first, pair.last))
        while len(self._pairs) > self.limits.pairs:
            self._pairs.popitem(last=False)
        return found

    def _learn_names(self, batch: FlowBatch) -> None:
        """A host that reads its own connections says which end it is."""
        records = batch.records
        own = records.filter(pc.match_substring(records.column("attributes"), '"local"'))
        names = ["entity", "attributes", "source_address", "destination_address", "end_unix_nano"]
        rows = own.select(names).slice(0, _NAMES_OF_BATCH).to_pydict()
        for entity, text, source, destination, time in zip(*rows.values(), strict=True):
            try:
                said = json.loads(text)
            except ValueError:
                continue
            end = said.get("local") if isinstance(said, dict) else None
            if end in ("source", "destination") and entity.startswith("host:"):
                self.name(source if end == "source" else destination, entity, time)

    def _entity(self, address: str, now: int) -> str:
        told = [one for one, time in self._names.get(address, {}).items() if now - time <= _NAME_GOOD]
        if len(told) == 1:
            return told[0]
        return f"host:{address}" if not told and not _public(address) else ""


def _pairs_of(batch: FlowBatch) -> list[tuple[str, str, bool, bool, int, int]]:
    """Caller, callee, whether it asked and was answered, first and last time; the busiest of a batch."""
    records = batch.records
    column = {name: records.column(name).to_numpy(zero_copy_only=False) for name in _NUMBERS}
    sender = column["source_port"].astype(np.int64)
    receiver = column["destination_port"].astype(np.int64)
    established = pc.equal(records.column("state"), "established").to_numpy(zero_copy_only=False)
    both = (column["bytes_received"] > 0) | (column["packets_received"] > 0) | established
    served = receiver < _EPHEMERAL
    back = ~both & (sender < _EPHEMERAL) & (~served | (sender < receiver))
    kept = np.isin(column["protocol"], _TRANSPORTS) & (both | served | back)
    turned = pa.array(back)
    source, destination = records.column("source_address"), records.column("destination_address")
    table = pa.table(
        {
            "caller": pc.if_else(turned, destination, source),
            "callee": pc.if_else(turned, source, destination),
            "asked": ~back,
            "answered": both | back,
            "first": column["start_unix_nano"],
            "last": column["end_unix_nano"],
        }
    ).filter(pa.array(kept))
    grouped = table.group_by(["caller", "callee"]).aggregate(
        [("asked", "max"), ("answered", "max"), ("first", "min"), ("last", "max"), ("first", "count")]
    )
    order = [("first_count", "descending"), ("caller", "ascending"), ("callee", "ascending")]
    rows = grouped.sort_by(order).slice(0, _PAIRS_OF_BATCH)
    wanted = ["caller", "callee", "asked_max", "answered_max", "first_min", "last_max"]
    return list(zip(*(rows.column(name).to_pylist() for name in wanted), strict=True))


_NUMBERS = ("source_port", "destination_port", "protocol", "bytes_received", "packets_received",
            "start_unix_nano", "end_unix_nano")  # fmt: skip


@lru_cache(20_000)
def _tells(address: str) -> bool:
    """Whether an address is that of one host, seen from others."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)


@lru_cache(20_000)
def _public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global
