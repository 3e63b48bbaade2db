"""NetFlow 5, NetFlow 9 and IPFIX: datagrams to flow batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.netflow_batch import Group, Origin, flows_of
from stormpetrel.ingest.netflow_columns import Records
from stormpetrel.ingest.netflow_packet import (
    NO_UPTIME,
    V5_LAYOUT,
    Header,
    Layout,
    Packet,
    fixed_records,
    read_packet,
    read_templates,
)
from stormpetrel.ingest.netflow_templates import Exporter, TemplateMemory, Waiting
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.time import NANOS_PER_MILLISECOND, from_seconds

# Address of the exporter, time of receipt in UTC nanoseconds, payload.
Datagram: TypeAlias = tuple[str, int, bytes]

# An exporter's clock that is further off than this is not believed: its flows are dated by their receipt.
CLOCK_NANOS = from_seconds(3600)

_TEMPLATES, _OPTIONS = {9: 0, 10: 2}, {9: 1, 10: 3}


@dataclass(slots=True)
class _Work:
    """What one call of `decode` has gathered."""

    groups: dict[Layout, Group] = field(default_factory=dict)
    tally: RejectTally = field(default_factory=RejectTally)

    def add(self, layout: Layout, content: bytes, origin: Origin) -> None:
        """Records of fixed length."""
        group = self.groups.setdefault(layout, Group())
        group.contents.append(content)
        group.counts.append(len(content) // layout.length)
        group.origins.append(origin)


class NetflowDecoder:
    """Decodes datagrams of any number of exporters; remembers their templates. Not thread-safe.

    A flow's bytes and packets are what the exporter counted, unscaled where it samples: then the attribute
    `samplingInterval` says of how many packets one was looked at. The other direction is known only of
    exporters of both (RFC 5103, or the initiator's and responder's counts). The entity is the exporter.
    Any bytes give flows or refusals, with these reasons: `malformed`, `unsupported`, `truncated`,
    `no_template`, `no_address`, `time_out_of_range`.
    """

    def __init__(self) -> None:
        self._memory = TemplateMemory()

    def decode(self, datagrams: Sequence[Datagram], source: str) -> Decoded:
        """The flows of some datagrams, in no particular order.

        Args:
            datagrams: in order of receipt.
            source: the name the flows carry.
        """
        work = _Work()
        for address, received, payload in datagrams:
            try:
                packet = read_packet(payload)
            except DecodeError as error:
                work.tally.add(error.reason, 1, f"{address}: {error}")
                continue
            if not packet.whole:
                work.tally.add("truncated", 1, f"{address}: a set or the datagram is cut off")
            self._take(address, received, packet, work)
        if datagrams:
            self._memory.forget(datagrams[-1][1], work.tally)
        batches = [flows_of(layout, group, source, work.tally) for layout, group in work.groups.items()]
        return Decoded(flows=_joined([b for b in batches if b is not None]), rejected=work.tally.rejected())

    def _take(self, address: str, received: int, packet: Packet, work: _Work) -> None:
        header = packet.header
        if header.version == 5:
            if packet.sets[0][1]:
                work.add(V5_LAYOUT, packet.sets[0][1], _origin(address, received, header, Exporter()))
            return
        exporter = self._memory.exporter((header.version, address, header.domain), work.tally)
        told = False
        for number, content in packet.sets:
            one = Waiting(number, content, header, received)
            if number in (_TEMPLATES[header.version], _OPTIONS[header.version]):
                self._learn(exporter, one, work.tally)
                told = True
            elif number >= 256:
                layout = self._memory.layout(exporter, number, received)
                if layout is None:
                    self._memory.wait(exporter, one, work.tally)
                else:
                    _read(address, exporter, layout, one, work)
        for one in self._memory.arrived(exporter) if told else ():
            _read(address, exporter, exporter.templates[one.template][0], one, work)

    def _learn(self, exporter: Exporter, one: Waiting, tally: RejectTally) -> None:
        version = one.header.version
        try:
            for number, layout in read_templates(one.content, version, one.template == _OPTIONS[version]):
                self._memory.learn(exporter, number, layout, one.received_unix_nano)
        except DecodeError as error:
            tally.add(error.reason, 1, str(error))


def _read(address: str, exporter: Exporter, layout: Layout, one: Waiting, work: _Work) -> None:
    """The records of a data set into their group; of an options record, what it says of the exporter."""
    content, whole = fixed_records(layout, one.content)
    if not whole:
        work.tally.add("truncated", 1, f"{address}: a record of template {one.template} is cut off")
    if not content:
        return
    if layout.scope_fields:
        _heed_options(exporter, Records(layout, content))
    else:
        work.add(layout, content, _origin(address, one.received_unix_nano, one.header, exporter))


def _heed_options(exporter: Exporter, records: Records) -> None:
    boot = records.number(160)  # systemInitTimeMilliseconds
    if boot is not None and 0 < int(boot[-1]) < 1 << 43:
        exporter.boot_unix_nano = int(boot[-1]) * NANOS_PER_MILLISECOND
    sampling = records.first_number((34, 0), (50, 0))
    taken, skipped = records.number(305), records.number(306)  # RFC 5477: so many taken, so many skipped
    if taken is not None and skipped is not None:
        sampling = (taken + skipped) // np.maximum(taken, np.uint64(1))
    exporter.sampling = int(sampling[-1]) or exporter.sampling


def _origin(address: str, received: int, header: Header, exporter: Exporter) -> Origin:
    export = header.export_unix_nano
    uptime = header.uptime_ms
    if uptime == NO_UPTIME and exporter.boot_unix_nano >= 0:
        # Little below 0 while the export, told in whole seconds, seems to be before the boot.
        uptime = (export - exporter.boot_unix_nano) // NANOS_PER_MILLISECOND
    shift = received - export if abs(received - export) > CLOCK_NANOS else 0
    return Origin(address, received, export, shift, uptime, header.sampling or exporter.sampling)


def _joined(batches: list[FlowBatch]) -> FlowBatch | None:
    if len(batches) < 2:
        return batches[0] if batches else None
    return FlowBatch(pa.concat_batches([batch.records for batch in batches]))
