"""Established TCP connections of this host, as flow records: which process talks to whom."""

from __future__ import annotations

import ipaddress
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import orjson
import psutil

from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.time import from_seconds

if TYPE_CHECKING:
    from psutil._ntuples import sconn

LOOK_SECONDS = 60.0  # between looks
AGAIN_SECONDS = 300.0  # after which a connection that is still there is told again
MAX_TOLD, MAX_KNOWN = 200, 5_000  # of one look; remembered
_TCP = 6


class _End(NamedTuple):
    """A connection without the port that is the asking end's alone."""

    process: str
    own: str
    other: str
    port: int  # the serving one
    inbound: bool


def _all() -> list[sconn]:
    return psutil.net_connections(kind="tcp")


Look = Callable[[], "list[sconn]"]


class ConnectionReader:
    """Looks at the connections of the host once a minute and tells new ones, and old ones every five minutes.

    Connections of one process to one address and port are one record, however many they are. Works on Linux,
    in the network namespace of this process: connections of containers with networks of their own are not
    seen. Names of other users' processes need root; without it their connections are told without a name.
    Where connections may not be read at all nothing is told. Loopback and our own connections are left out:
    they would tie this host to whatever it watches.

    Args:
        entity: this host, as in `host:NAME`.
        source: what the records carry as their source.
        look: lists the TCP connections of the host, as psutil writes them.
    """

    def __init__(self, entity: str, source: str, look: Look = _all) -> None:
        self._entity, self._source, self._own = entity, source, os.getpid()
        self._list = look
        self._told: OrderedDict[_End, tuple[int, int]] = OrderedDict()  # first seen, last told
        self._next = 0
        self.left_out_total = 0

    def read(self, now_unix_nano: int) -> FlowBatch | None:
        """What there is to tell now, if anything.

        Raises:
            OSError, psutil.Error: the host does not tell.
        """
        if now_unix_nano < self._next and self._next - now_unix_nano <= from_seconds(LOOK_SECONDS):
            return None
        self._next = now_unix_nano + from_seconds(LOOK_SECONDS)
        try:
            ends = self._look()
        except psutil.AccessDenied:  # as on macOS without root
            return None
        due = []
        for end in sorted(ends):
            first, told = self._told.get(end, (now_unix_nano, 0))
            if now_unix_nano - told >= from_seconds(AGAIN_SECONDS) or told > now_unix_nano:
                due.append((end, first))
            else:
                self._told.move_to_end(end)
        self.left_out_total += max(0, len(due) - MAX_TOLD)
        for end, first in due[:MAX_TOLD]:
            self._told[end] = (min(first, now_unix_nano), now_unix_nano)
            self._told.move_to_end(end)
        while len(self._told) > MAX_KNOWN:
            self._told.popitem(last=False)
        return self._batch(due[:MAX_TOLD], now_unix_nano) if due else None

    def _look(self) -> set[_End]:
        found = self._list()
        serving = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN and one.laddr}
        names: dict[int, str] = {}
        ends = set()
        for one in found:
            if one.status != psutil.CONN_ESTABLISHED or one.pid == self._own:
                continue
            if not one.laddr or not one.raddr:
                continue
            own, other = _plain(one.laddr.ip), _plain(one.raddr.ip)
            if not own or not other or own == other:
                continue
            inbound = one.laddr.port in serving
            port = one.laddr.port if inbound else one.raddr.port
            ends.add(_End(_process(one.pid, names), own, other, port, inbound))
        return ends

    def _batch(self, due: list[tuple[_End, int]], now_unix_nano: int) -> FlowBatch:
        ends = [end for end, _ in due]
        return build_flows(
            [first for _, first in due],
            [now_unix_nano] * len(due),
            [end.other if end.inbound else end.own for end in ends],
            [end.own if end.inbound else end.other for end in ends],
            source=self._source,
            entity=self._entity,
            destination_port=[end.port for end in ends],
            protocol=_TCP,
            state="established",
            attributes=[_said(end) for end in ends],
        )


def _said(end: _End) -> str:
    said = {"local": "destination" if end.inbound else "source"}
    return orjson.dumps({**said, "process.name": end.process} if end.process else said).decode()


def _plain(address: str) -> str:
    """An address in its usual spelling; "" for those that lead nowhere else."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return "" if mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified else str(mapped)


def _process(pid: int | None, names: dict[int, str]) -> str:
    if pid is None:
        return ""
    if pid not in names:
        try:
            names[pid] = psutil.Process(pid).name()[:64]
        except psutil.Error:  # gone meanwhile, or not ours to see
            names[pid] = ""
    return names[pid]
