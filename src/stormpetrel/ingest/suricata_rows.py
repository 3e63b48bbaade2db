"""Suricata's EVE records as flows, alerts and log records.

Source: Suricata's user guide, *EVE JSON Format*.
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

import orjson
import xxhash

from stormpetrel.ingest.flow_rows import FlowRow, address_of, count_of, moment_of, port_of, protocol_of
from stormpetrel.ingest.sensor_rows import Flat, LogRow, attributes_of, entity_of_sensor, readable
from stormpetrel.ingest.webhook_values import RowRefusedError, text_of
from stormpetrel.model.record_columns import build_alerts
from stormpetrel.model.records import AlertBatch
from stormpetrel.model.signal import SEVERITY_DEBUG, SEVERITY_ERROR, SEVERITY_INFO, SEVERITY_WARN

# A rule's priority; 1 is the gravest.
_SEVERITY = {1: SEVERITY_ERROR, 2: SEVERITY_WARN, 3: SEVERITY_INFO}
_WARNED_OF = frozenset({"anomaly", "drop"})
_NO_APPLICATION = frozenset({"failed", "unknown"})
_IN_FLOW = frozenset(
    {"timestamp", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "app_proto", "host"}
    | {f"flow.{name}" for name in ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient")}
    | {
        f"{kind}.{name}"
        for kind in ("flow", "netflow")
        for name in ("start", "end", "state", "pkts", "bytes")
    }
)
_IN_LABELS = ("src_ip", "src_port", "dest_ip", "dest_port", "proto", "app_proto")
_ENDS = ("src_ip", "dest_ip")
_QUIET = frozenset({"timestamp", "event_type", "flow_id", "src_port", "dest_port", "pcap_cnt", "host"})
_SHOWN: dict[str, tuple[str, ...]] = {
    "dns": ("dns.type", "dns.rrtype", "dns.rrname", "dns.rcode"),
    "http": ("http.http_method", "http.hostname", "http.url", "http.status"),
    "tls": ("tls.version", "tls.sni", "tls.subject"),
    "fileinfo": ("fileinfo.filename", "fileinfo.magic", "fileinfo.size"),
    "anomaly": ("anomaly.type", "anomaly.event"),
    "ssh": ("ssh.client.software_version", "ssh.server.software_version"),
    "stats": ("stats.uptime", "stats.capture.kernel_packets", "stats.capture.kernel_drops"),
}


class AlertRow(NamedTuple):
    """One alert; the fields are those of `model.records.ALERT_SCHEMA`."""

    time_unix_nano: int
    entity: str
    fingerprint: str
    name: str
    severity_number: int
    summary: str
    labels: str
    annotations: str


def alert_batch(rows: list[AlertRow], source: str, token: int) -> AlertBatch | None:
    """The rows as a batch; None where there are none."""
    if not rows:
        return None
    columns: dict[str, Any] = dict(zip(AlertRow._fields, zip(*rows, strict=True), strict=True))
    return build_alerts(**columns, source=source, request_token=token)


def kind_of(record: Flat) -> str:
    """The `event_type`.

    Raises:
        RowRefusedError: `no_event_type`.
    """
    kind = record.get("event_type")
    if not isinstance(kind, str) or not kind:
        raise RowRefusedError("no_event_type", "the line has no event_type: send Suricata's eve.json")
    return kind[:64]


def flow_row(kind: str, record: Flat, source: str, received_unix_nano: int) -> FlowRow:
    """A `flow` (both directions) or `netflow` record (one direction) as a flow.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`, `bad_address`.
    """
    told = moment_of(record.get("timestamp"), received_unix_nano)
    start = record.get(f"{kind}.start")
    end = record.get(f"{kind}.end")
    both = kind == "flow"
    application = text_of(record.get("app_proto"), 256)
    first = told if start is None else moment_of(start, received_unix_nano)
    return FlowRow(
        start_unix_nano=first,
        end_unix_nano=max(first, told if end is None else moment_of(end, received_unix_nano)),
        entity=entity_of_sensor(record.get("host"), source),
        source_address=address_of(record.get("src_ip")),
        source_port=port_of(record.get("src_port")),
        destination_address=address_of(record.get("dest_ip")),
        destination_port=port_of(record.get("dest_port")),
        protocol=protocol_of(record.get("proto")),
        bytes_sent=count_of(record.get("flow.bytes_toserver" if both else "netflow.bytes")),
        bytes_received=count_of(record.get("flow.bytes_toclient")) if both else 0,
        packets_sent=count_of(record.get("flow.pkts_toserver" if both else "netflow.pkts")),
        packets_received=count_of(record.get("flow.pkts_toclient")) if both else 0,
        state=text_of(record.get("flow.state"), 64),
        application="" if application in _NO_APPLICATION else application,
        attributes=attributes_of(record, _IN_FLOW),
    )


def alert_row(record: Flat, received_unix_nano: int) -> AlertRow:
    """An alert. One fingerprint for all alerts of one rule between the same two addresses.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`, `bad_address`, `no_signature`.
    """
    number, name = record.get("alert.signature_id"), text_of(record.get("alert.signature"), 1024)
    if not isinstance(number, int):
        raise RowRefusedError("no_signature", "the alert has no signature_id")
    here, there = address_of(record.get("src_ip")), address_of(record.get("dest_ip"))
    rule = f"{count_of(record.get('alert.gid'))}:{number}"
    labels = {"rule": rule, **{key: text_of(record.get(key)) for key in _IN_LABELS}}
    for key in ("category", "action", "rev"):
        labels[key] = text_of(record.get(f"alert.{key}"))
    category = f" ({labels['category']})" if labels["category"] else ""
    return AlertRow(
        time_unix_nano=moment_of(record.get("timestamp"), received_unix_nano),
        entity=f"host:{_concerned(record, here, there)}",
        fingerprint=xxhash.xxh64_hexdigest(f"{rule} {here} {there}".encode()),
        name=name or rule,
        severity_number=_SEVERITY.get(count_of(record.get("alert.severity")), SEVERITY_DEBUG),
        summary=f"{name or rule}{category}: {here} -> {there}",
        labels=orjson.dumps({key: text for key, text in labels.items() if text}).decode(),
        annotations=_annotations(record),
    )


def _annotations(record: Flat) -> str:
    """Everything else that the alert says, as texts."""
    rest = {key: value for key, value in record.items() if key not in _IN_LABELS and key not in _QUIET}
    return orjson.dumps({key: text_of(value) for key, value in rest.items()}).decode()


def _concerned(record: Flat, here: str, there: str) -> str:
    """Whom the alert is about: the rule's target, else the only private address, else the destination."""
    target = record.get("alert.target.ip")
    if isinstance(target, str) and target in (here, there):
        return target
    private = [address for address in (here, there) if ipaddress.ip_address(address).is_private]
    return private[0] if len(private) == 1 else there


def log_row(kind: str, record: Flat, source: str, received_unix_nano: int) -> LogRow:
    """Any other record as a log record; its attributes are all its fields.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`.
    """
    return LogRow(
        time_unix_nano=moment_of(record.get("timestamp"), received_unix_nano),
        entity=entity_of_sensor(record.get("host"), source),
        severity_number=SEVERITY_WARN if kind in _WARNED_OF else SEVERITY_INFO,
        body=readable(kind, record, _SHOWN.get(kind, ()), _ENDS, _QUIET),
        attributes=attributes_of(record, frozenset({"timestamp"})),
    )
