"""The column names under which flow tables tell the same things, and which of them a table has.

Names are compared in small letters, everything but letters and digits as `_`: `Src IP`, `src_ip` and
` SRC-IP` are one. Sources: CICFlowMeter (both spellings of its data sets), nfdump `-o csv` and 1.7, nProbe
and the NetFlow data sets made by it, Argus `ra`, AWS VPC flow logs, Elastic's and SiLK's field names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from stormpetrel.errors import DecodeError
from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND

MAX_COLUMNS = 256

# What a flow needs, by our names; of each, the first alias that the table has holds.
ALIASES: dict[str, tuple[str, ...]] = {
    "source_address": (
        "source_address", "src_ip", "source_ip", "srcip", "sip", "src_addr", "srcaddr", "sa", "src", "saddr",
        "ipv4_src_addr", "ipv6_src_addr", "source_ipv4_address", "sourceipv4address", "id_orig_h", "ip_src",
    ),
    "destination_address": (
        "destination_address", "dst_ip", "destination_ip", "dstip", "dip", "dest_ip", "dst_addr", "dstaddr",
        "da", "dst", "daddr", "ipv4_dst_addr", "ipv6_dst_addr", "destinationipv4address", "id_resp_h",
        "ip_dst",
    ),
    "source_port": (
        "source_port", "src_port", "srcport", "sport", "sp", "l4_src_port", "sourcetransportport",
        "id_orig_p", "port_src",
    ),
    "destination_port": (
        "destination_port", "dst_port", "dstport", "dport", "dsport", "dp", "dest_port", "l4_dst_port",
        "destinationtransportport", "id_resp_p", "port_dst",
    ),
    "protocol": ("protocol", "proto", "pr", "ip_protocol", "protocolidentifier", "ip_proto"),
    "start": (
        "start_time", "start", "ts", "stime", "starttime", "firstseen", "first_seen", "date_first_seen",
        "flow_start_milliseconds", "flowstartmilliseconds", "first_switched", "timestamp", "time",
        "date_time",
    ),
    "end": (
        "end_time", "end", "te", "etime", "ltime", "endtime", "lasttime", "lastseen", "last_seen",
        "date_last_seen", "flow_end_milliseconds", "flowendmilliseconds", "last_switched",
    ),
    "bytes_sent": (
        "bytes_sent", "source_bytes", "sbytes", "srcbytes", "src_bytes", "ibyt", "in_bytes",
        "total_length_of_fwd_packets", "total_length_of_fwd_packet", "totlen_fwd_pkts", "orig_bytes",
        "octetdeltacount", "bytes", "octets", "byt", "network_bytes",
    ),
    "bytes_received": (
        "bytes_received", "destination_bytes", "dbytes", "dstbytes", "dst_bytes", "obyt", "out_bytes",
        "total_length_of_bwd_packets", "total_length_of_bwd_packet", "totlen_bwd_pkts", "resp_bytes",
    ),
    "packets_sent": (
        "packets_sent", "source_packets", "spkts", "srcpkts", "src_pkts", "ipkt", "in_pkts", "in_packets",
        "total_fwd_packets", "total_fwd_packet", "tot_fwd_pkts", "orig_pkts", "packetdeltacount", "packets",
        "pkts", "pkt",
    ),
    "packets_received": (
        "packets_received", "destination_packets", "dpkts", "dstpkts", "dst_pkts", "opkt", "out_pkts",
        "out_packets", "total_backward_packets", "total_bwd_packets", "total_bwd_packet", "tot_bwd_pkts",
        "resp_pkts",
    ),
    "total_bytes": ("total_bytes", "totbytes"),
    "total_packets": ("total_packets", "totpkts"),
    "state": ("state", "conn_state", "action", "flow_state"),
    "application": ("application", "app", "service", "l7_proto_name", "app_proto", "application_name"),
    "entity": ("exporter", "exporter_address", "observer", "sensor", "ra", "router_ip"),
}  # fmt: skip

# Names of durations, with the nanoseconds of their unit. CICFlowMeter counts microseconds.
DURATIONS: dict[str, int] = {
    "duration_seconds": NANOS_PER_SECOND, "duration": NANOS_PER_SECOND, "dur": NANOS_PER_SECOND,
    "td": NANOS_PER_SECOND, "flow_duration_milliseconds": NANOS_PER_MILLISECOND,
    "duration_milliseconds": NANOS_PER_MILLISECOND, "duration_ms": NANOS_PER_MILLISECOND,
    "flow_duration": 1000, "duration_us": 1000,
}  # fmt: skip

_OTHER = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column tells what.

    Attributes:
        places: our name to the column's number.
        duration: column and nanoseconds of its unit, or none.
        others: every further column with its name, for the attributes.
        width: how many columns there are.
    """

    places: dict[str, int]
    duration: tuple[int, int] | None
    others: tuple[tuple[str, int], ...] = field(repr=False)
    width: int


def plain_name(name: str) -> str:
    """A column's name as it is compared.

    >>> plain_name(" Src IP"), plain_name("Tot Fwd Pkts"), plain_name("id.orig_h")
    ('src_ip', 'tot_fwd_pkts', 'id_orig_h')
    """
    return _OTHER.sub("_", name.lower()).strip("_")


def find_columns(header: Sequence[str]) -> Columns:
    """Which columns of a header line tell what.

    Raises:
        DecodeError: no column for an address, or more than `MAX_COLUMNS`.
    """
    if len(header) > MAX_COLUMNS:
        raise DecodeError(f"the header has {len(header)} columns, at most {MAX_COLUMNS} are taken")
    numbers: dict[str, int] = {}
    for number, name in enumerate(header):
        numbers.setdefault(plain_name(name), number)
    places = {
        ours: numbers[found]
        for ours, aliases in ALIASES.items()
        if (found := next((name for name in aliases if name in numbers), None)) is not None
    }
    for needed in ("source_address", "destination_address"):
        if needed not in places:
            names = ", ".join(ALIASES[needed][:4])
            raise DecodeError(
                f"no column of {', '.join(header[:8])[:200]!r} is a {needed}: name it {names} or alike"
            )
    named = next((name for name in DURATIONS if name in numbers), None)
    duration = None if named is None else (numbers[named], DURATIONS[named])
    taken = {*places.values(), *((duration[0],) if duration else ())}
    others = tuple(
        (name.strip()[:128], n) for n, name in enumerate(header) if n not in taken and name.strip()
    )
    return Columns(places, duration, others, len(header))
