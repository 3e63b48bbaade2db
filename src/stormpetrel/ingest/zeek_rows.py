"""Zeek's records as flows and log records.

Source: Zeek's documentation, *Zeek Logs* (conn.log and the others) and the scripts that define them.
"""

from __future__ import annotations

from stormpetrel.ingest.flow_rows import (
    FlowRow,
    address_of,
    count_of,
    moment_of,
    nanos_of,
    port_of,
    protocol_of,
)
from stormpetrel.ingest.sensor_rows import Flat, LogRow, attributes_of, entity_of_sensor, readable
from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.webhook_values import text_of
from stormpetrel.model.signal import SEVERITY_ERROR, SEVERITY_INFO, SEVERITY_WARN

CONN = "conn"
_SEVERITY_NOTICE = SEVERITY_INFO + 1  # what syslog calls notice

# Fields with a column of their own. Payload bytes stay attributes: the columns count whole IP packets.
_IN_FLOW = frozenset(
    {"ts", "_path", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration"}
    | {"conn_state", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes"}
)
_IN_LOG = frozenset({"ts", "_path"})
_ENDS = ("id.orig_h", "id.resp_h")
_QUIET = frozenset({"ts", "uid", "id.orig_p", "id.resp_p", "_path", "_write_ts", "_system_name", "fuid"})
# The fields of a log that its line for people shows.
_SHOWN: dict[str, tuple[str, ...]] = {
    "dns": ("qtype_name", "query", "answers", "rcode_name"),
    "http": ("method", "host", "uri", "status_code", "status_msg", "user_agent"),
    "ssl": ("version", "server_name", "subject", "validation_status"),
    "files": ("source", "mime_type", "filename", "total_bytes"),
    "notice": ("note", "msg", "sub"),
    "weird": ("name", "addl"),
    "ssh": ("auth_success", "client", "server"),
    "reporter": ("message", "location"),
    "dhcp": ("host_name", "mac", "assigned_addr", "msg_types"),
    "software": ("host", "name", "unparsed_version"),
}
# A log's name by fields that no other log has, for JSON lines that do not say which log they are of.
_SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (CONN, ("conn_state",)),
    ("dns", ("query", "qclass")),
    ("dns", ("trans_id", "rtt")),
    ("dns", ("trans_id", "rejected")),
    ("http", ("trans_depth", "method")),
    ("ssl", ("cert_chain_fps",)),
    ("ssl", ("established", "resumed")),
    ("notice", ("note", "actions")),
    ("files", ("fuid", "seen_bytes")),
    ("weird", ("name", "notice")),
    ("ssh", ("auth_attempts", "direction")),
    ("reporter", ("level", "message")),
)


def path_of(record: Flat, said: str) -> str:
    """Which log a record is of: as it says itself, as the sender says, else by its fields, else `zeek`."""
    own = record.get("_path")
    if isinstance(own, str) and own:
        return own[:64]
    if said:
        return said
    return next((path for path, signs in _SIGNS if all(sign in record for sign in signs)), "zeek")


def conn_row(record: Flat, source: str, received_unix_nano: int) -> FlowRow:
    """A connection as a flow.

    Bytes are those of whole IP packets where Zeek counted them, as NetFlow counts, else of the payload.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`, `bad_address`.
    """
    start = moment_of(record.get("ts"), received_unix_nano)
    return FlowRow(
        start_unix_nano=start,
        end_unix_nano=start + min(nanos_of(record.get("duration")), (1 << 63) - 1 - start),
        entity=entity_of_sensor(record.get("_system_name"), source),
        source_address=address_of(record.get("id.orig_h")),
        source_port=port_of(record.get("id.orig_p")),
        destination_address=address_of(record.get("id.resp_h")),
        destination_port=port_of(record.get("id.resp_p")),
        protocol=_protocol(record),
        bytes_sent=count_of(record.get("orig_ip_bytes", record.get("orig_bytes"))),
        bytes_received=count_of(record.get("resp_ip_bytes", record.get("resp_bytes"))),
        packets_sent=count_of(record.get("orig_pkts")),
        packets_received=count_of(record.get("resp_pkts")),
        state=text_of(record.get("conn_state"), 64),
        application=text_of(record.get("service"), 256),
        attributes=attributes_of(record, _IN_FLOW),
    )


def _protocol(record: Flat) -> int:
    """Zeek calls both families' ICMP icmp."""
    number = protocol_of(record.get("proto"))
    return 58 if number == 1 and ":" in text_of(record.get("id.orig_h")) else number


def log_row(path: str, record: Flat, source: str, received_unix_nano: int) -> LogRow:
    """A record of another log as a log record; its attributes are all its fields, and `zeek.log`.

    Raises:
        RowRefusedError: `bad_time`, `time_in_future`.
    """
    time = moment_of(record.get("ts"), received_unix_nano)
    body = readable(path, record, _SHOWN.get(path, ()), _ENDS, _QUIET)
    entity = entity_of_sensor(record.get("_system_name"), source)
    return LogRow(
        time, entity, _severity(path, record), body, attributes_of({"zeek.log": path, **record}, _IN_LOG)
    )


def _severity(path: str, record: Flat) -> int:
    """A notice is a warning, an error where Zeek was told to alarm, page or mail; `weird` mostly a notice."""
    if path.startswith("notice"):
        actions = text_of(record.get("actions"))
        loud = any(action in actions for action in ("ACTION_ALARM", "ACTION_PAGE", "ACTION_EMAIL"))
        return SEVERITY_ERROR if loud else SEVERITY_WARN
    if path == "weird":
        return SEVERITY_WARN if record.get("notice") is True else _SEVERITY_NOTICE
    if path == "reporter":
        return severity_of(text_of(record.get("level")).rpartition("::")[2]) or SEVERITY_WARN
    return SEVERITY_INFO
