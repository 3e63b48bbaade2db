"""Records of one layout, of any exporters and datagrams, as a flow batch.

Elements are those of IANA's registry (https://www.iana.org/assignments/ipfix), which NetFlow 9 shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.ingest.netflow_columns import Numbers, Records
from stormpetrel.ingest.netflow_packet import REVERSE, Layout
from stormpetrel.ingest.netflow_times import Moments, Nanos, flow_times
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.time import NANOS_PER_SECOND, from_seconds

# Flows further from their receipt than this are refused.
OLDEST_NANOS, NEWEST_NANOS = from_seconds(35 * 86400), from_seconds(86400)
_END_REASONS = ("", "idle_timeout", "active_timeout", "end_of_flow", "forced_end", "lack_of_resources")
_FIREWALL = ("", "created", "deleted", "denied", "alert", "updated")  # element 233, firewallEvent
_SENT_BYTES = ((1, 0), (85, 0), (231, 0))  # delta, total, initiator
_SENT_PACKETS = ((2, 0), (86, 0), (298, 0))
_RECEIVED_BYTES = ((1, REVERSE), (85, REVERSE), (232, 0))
_RECEIVED_PACKETS = ((2, REVERSE), (86, REVERSE), (299, 0))


class Origin(NamedTuple):
    """What holds for all records of one data set."""

    address: str
    received_unix_nano: int
    export_unix_nano: int
    shift_nano: int  # what is added to absolute times: 0 while the exporter's clock is believed
    uptime_ms: int
    sampling: int


@dataclass(slots=True)
class Group:
    """Records of one layout, of as many data sets as came in."""

    contents: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)


def flows_of(layout: Layout, group: Group, source: str, tally: RejectTally) -> FlowBatch | None:
    """The flows of a group; None where all were refused (`no_address`, `time_out_of_range`).

    Args:
        layout: of every record of the group.
        group: at least one record.
        source: the name the flows carry.
        tally: counts what is refused.
    """
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


def _times(records: Records, group: Group) -> tuple[Nanos, Nanos, NDArray[np.bool_]]:
    """Start and end, and where both are near enough to the receipt to be believed."""
    counts = group.counts
    export = np.repeat(np.array([o.export_unix_nano for o in group.origins], np.int64), counts)
    shift = np.repeat(np.array([o.shift_nano for o in group.origins], np.int64), counts)
    uptime = np.repeat(np.array([o.uptime_ms for o in group.origins], np.int64), counts)
    received = np.repeat(np.array([o.received_unix_nano for o in group.origins], np.int64), counts)
    start, end = flow_times(records, Moments(export, uptime))
    good = (start + shift >= received - OLDEST_NANOS) & (end + shift <= received + NEWEST_NANOS)
    return start + shift, end + shift, good


def _told(group: Group) -> dict[str, Numbers]:
    """What the header or an options record says of all flows of an exporter, where it says anything."""
    sampling = np.array([o.sampling if o.sampling > 1 else 0 for o in group.origins], np.uint64)
    shift = np.array([abs(o.shift_nano) // NANOS_PER_SECOND for o in group.origins], np.uint64)
    told = {"samplingInterval": sampling, "clock_off_seconds": shift}
    return {name: np.repeat(values, group.counts) for name, values in told.items() if values.any()}


def _spread(texts: list[str], group: Group) -> list[str]:
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
