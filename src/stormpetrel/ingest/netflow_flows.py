"""NetFlow 5, NetFlow 9 and IPFIX: datagrams to flow batches.

Elements are those of IANA's registry (https://www.iana.org/assignments/ipfix), which NetFlow 9 shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.netflow_columns import Numbers, Records
from stormpetrel.ingest.netflow_packet import (
    NO_UPTIME,
    REVERSE,
    V5_LAYOUT,
    Header,
    Layout,
    Packet,
    fixed_records,
    read_packet,
    read_templates,
)
from stormpetrel.ingest.netflow_templates import Exporter, TemplateMemory, Waiting
from stormpetrel.ingest.netflow_times import Moments, Nanos, flow_times
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded
from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND, from_seconds

# Address of the exporter, time of receipt in UTC nanoseconds, payload.
Datagram: TypeAlias = tuple[str, int, bytes]

# An exporter's clock that is further off than this is not believed: its flows are dated by their receipt.
CLOCK_NANOS = from_seconds(3600)
# Flows further from their receipt than this are refused.
OLDEST_NANOS, NEWEST_NANOS = from_seconds(35 * 86400), from_seconds(86400)

_TEMPLATES, _OPTIONS = {9: 0, 10: 2}, {9: 1, 10: 3}
_END_REASONS = ("", "idle_timeout", "active_timeout", "end_of_flow", "forced_end", "lack_of_resources")
_FIREWALL = ("", "created", "deleted", "denied", "alert", "updated")  # element 233, firewallEvent
_SENT_BYTES = ((1, 0), (85, 0), (231, 0))  # delta, total, initiator
_SENT_PACKETS = ((2, 0), (86, 0), (298, 0))
_RECEIVED_BYTES = ((1, REVERSE), (85, REVERSE), (232, 0))
_RECEIVED_PACKETS = ((2, REVERSE), (86, REVERSE), (299, 0))


class _Origin(NamedTuple):
    """What holds for all records of one data set."""

    address: str
    received_unix_nano: int
    export_unix_nano: int
    shift_nano: int  # what is added to absolute times: 0 while the exporter's clock is believed
    uptime_ms: int
    sampling: int


@dataclass(slots=True)
class _Group:
    """Records of one layout, of as many data sets as came in."""

    contents: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    origins: list[_Origin] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    """What one call of `decode` has gathered."""

    groups: dict[Layout, _Group] = field(default_factory=dict)
    tally: RejectTally = field(default_factory=RejectTally)

    def add(self, layout: Layout, content: bytes, origin: _Origin) -> None:
        """Records of fixed length."""
        group = self.groups.setdefault(layout, _Group())
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
        batches = [_flows(layout, group, source, work.tally) for layout, group in work.groups.items()]
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


def _origin(address: str, received: int, header: Header, exporter: Exporter) -> _Origin:
    export = header.export_unix_nano
    uptime = header.uptime_ms
    if uptime == NO_UPTIME and exporter.boot_unix_nano >= 0:
        # Little below 0 while the export, told in whole seconds, seems to be before the boot.
        uptime = (export - exporter.boot_unix_nano) // NANOS_PER_MILLISECOND
    shift = received - export if abs(received - export) > CLOCK_NANOS else 0
    return _Origin(address, received, export, shift, uptime, header.sampling or exporter.sampling)


def _flows(layout: Layout, group: _Group, source: str, tally: RejectTally) -> FlowBatch | None:
    records = Records(layout, b"".join(group.contents))
    if not (records.has(8, 27) and records.has(12, 28)):
        tally.add("no_address", len(records), f"{group.origins[0].address}: its template has no addresses")
        return None
    start, end, good = _times(records, group)
    if not good.all():
        wrong = int(np.argmin(good))
        example = f"{group.origins[0].address}: a flow from {start[wrong]} to {end[wrong]} ns"
        tally.add("time_out_of_range", int((~good).sum()), example)
    if not good.any():
        return None
    batch = build_flows(
        start,
        end,
        records.addresses(8, 27),
        records.addresses(12, 28),
        source=source,
        entity=_spread([f"host:{origin.address}" for origin in group.origins], group),
        source_port=_ports(records, 7, 180, 182),
        destination_port=_ports(records, 11, 181, 183),
        protocol=_protocol(records),
        bytes_sent=records.first_number(*_SENT_BYTES),
        packets_sent=records.first_number(*_SENT_PACKETS),
        bytes_received=records.first_number(*_RECEIVED_BYTES),
        packets_received=records.first_number(*_RECEIVED_PACKETS),
        state=_state(records),
        application=records.texts(96) or "",
        attributes=records.attributes(_told(group)),
    )
    return batch if good.all() else FlowBatch(batch.records.filter(pa.array(good)))


def _times(records: Records, group: _Group) -> tuple[Nanos, Nanos, NDArray[np.bool_]]:
    """Start and end, and where both are near enough to the receipt to be believed."""
    counts = group.counts
    export = np.repeat(np.array([o.export_unix_nano for o in group.origins], np.int64), counts)
    shift = np.repeat(np.array([o.shift_nano for o in group.origins], np.int64), counts)
    uptime = np.repeat(np.array([o.uptime_ms for o in group.origins], np.int64), counts)
    received = np.repeat(np.array([o.received_unix_nano for o in group.origins], np.int64), counts)
    start, end = flow_times(records, Moments(export, uptime))
    good = (start + shift >= received - OLDEST_NANOS) & (end + shift <= received + NEWEST_NANOS)
    return start + shift, end + shift, good


def _told(group: _Group) -> dict[str, Numbers]:
    """What the header or an options record says of all flows of an exporter, where it says anything."""
    sampling = np.array([o.sampling if o.sampling > 1 else 0 for o in group.origins], np.uint64)
    shift = np.array([abs(o.shift_nano) // NANOS_PER_SECOND for o in group.origins], np.uint64)
    told = {"samplingInterval": sampling, "clock_off_seconds": shift}
    return {name: np.repeat(values, group.counts) for name, values in told.items() if values.any()}


def _spread(texts: list[str], group: _Group) -> list[str]:
    return [text for text, count in zip(texts, group.counts, strict=True) for _ in range(count)]


def _ports(records: Records, *elements: int) -> NDArray[np.uint16]:
    return records.first_number(*((element, 0) for element in elements)).astype(np.uint16)


def _protocol(records: Records) -> NDArray[np.uint8]:
    """IANA's protocol number; records that have an ICMP type instead are of ICMP."""
    protocol = records.first_number((4, 0)).astype(np.uint8)
    if not records.has(4):
        for element, number in ((32, 1), (139, 58)):
            if records.has(element):
                protocol[:] = number
    return protocol


def _state(records: Records) -> list[str]:
    reasons, names = records.first_number((136, 0)), _END_REASONS
    if not records.has(136):
        reasons, names = records.first_number((233, 0)), _FIREWALL
    last = len(names) - 1
    return [names[reason] if reason <= last else "" for reason in reasons.tolist()]


def _joined(batches: list[FlowBatch]) -> FlowBatch | None:
    if len(batches) < 2:
        return batches[0] if batches else None
    return FlowBatch(pa.concat_batches([batch.records for batch in batches]))
