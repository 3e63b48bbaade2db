"""Network flows, alerts of other systems, and changes: records as columns, like log records and spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

FLOW_SCHEMA = pa.schema(
    [
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),
        ("entity", pa.string()),  # who saw the flow
        ("source", pa.string()),
        ("source_address", pa.string()),  # who began, where the sender knows it
        ("source_port", pa.uint16()),
        ("destination_address", pa.string()),
        ("destination_port", pa.uint16()),
        ("protocol", pa.uint8()),  # IANA protocol number
        ("bytes_sent", pa.uint64()),  # from source to destination
        ("bytes_received", pa.uint64()),
        ("packets_sent", pa.uint64()),
        ("packets_received", pa.uint64()),
        ("state", pa.string()),  # as the sender calls it, "" where it does not
        ("application", pa.string()),  # as the sender recognised it
        ("attributes", pa.string()),  # a JSON object
        ("request_token", pa.uint64()),
    ]
)

ALERT_SCHEMA = pa.schema(
    [
        ("time_unix_nano", pa.int64()),  # of this state: start when firing, end when resolved
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),  # 0 while it fires
        ("entity", pa.string()),
        ("source", pa.string()),
        ("fingerprint", pa.string()),  # the same for all notifications of one alert
        ("name", pa.string()),
        ("state", pa.string()),  # an `AlertState`
        ("severity_number", pa.uint8()),
        ("summary", pa.string()),
        ("url", pa.string()),  # of the sender's page; hostile input
        ("labels", pa.string()),  # a JSON object
        ("annotations", pa.string()),  # a JSON object
        ("request_token", pa.uint64()),
    ]
)

CHANGE_SCHEMA = pa.schema(
    [
        ("time_unix_nano", pa.int64()),
        ("entity", pa.string()),
        ("source", pa.string()),
        ("change_id", pa.string()),  # the same for all messages about one change
        ("kind", pa.string()),  # a `ChangeKind`
        ("state", pa.string()),  # a `ChangeState`
        ("title", pa.string()),
        ("environment", pa.string()),
        ("version", pa.string()),
        ("actor", pa.string()),  # who caused it, as the sender calls them
        ("url", pa.string()),  # of the sender's page; hostile input
        ("attributes", pa.string()),  # a JSON object
        ("request_token", pa.uint64()),
    ]
)


class AlertState(StrEnum):
    """What the other system says of its alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class ChangeKind(StrEnum):
    """What was changed."""

    DEPLOY = "deploy"
    CONFIG = "config"
    FLAG = "flag"
    SCALING = "scaling"
    CERTIFICATE = "certificate"
    JOB = "job"
    OTHER = "other"


class ChangeState(StrEnum):
    """How far the change is."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """Network flows as an Arrow record batch of `FLOW_SCHEMA`."""

    records: pa.RecordBatch

    def __post_init__(self) -> None:
        if not self.records.schema.equals(FLOW_SCHEMA):
            raise ValueError("a flow batch needs FLOW_SCHEMA")

    def __len__(self) -> int:
        return int(self.records.num_rows)


@dataclass(frozen=True, slots=True)
class AlertBatch:
    """Alerts of other systems as an Arrow record batch of `ALERT_SCHEMA`."""

    records: pa.RecordBatch

    def __post_init__(self) -> None:
        if not self.records.schema.equals(ALERT_SCHEMA):
            raise ValueError("an alert batch needs ALERT_SCHEMA")

    def __len__(self) -> int:
        return int(self.records.num_rows)


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Changes as an Arrow record batch of `CHANGE_SCHEMA`."""

    records: pa.RecordBatch

    def __post_init__(self) -> None:
        if not self.records.schema.equals(CHANGE_SCHEMA):
            raise ValueError("a change batch needs CHANGE_SCHEMA")

    def __len__(self) -> int:
        return int(self.records.num_rows)


@dataclass(frozen=True, slots=True)
class Alert:
    """One stored alert, for showing and for correlating; the pipeline moves `AlertBatch`."""

    time_unix_nano: int
    start_unix_nano: int
    end_unix_nano: int
    entity: str
    source: str
    fingerprint: str
    name: str
    state: AlertState
    severity_number: int
    summary: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One stored change, for showing and for ranking causes; the pipeline moves `ChangeBatch`."""

    time_unix_nano: int
    entity: str
    source: str
    change_id: str
    kind: ChangeKind
    state: ChangeState
    title: str
    environment: str
    version: str
    actor: str
    url: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flow:
    """One stored network flow, for showing; the pipeline moves `FlowBatch`."""

    start_unix_nano: int
    end_unix_nano: int
    entity: str
    source: str
    source_address: str
    source_port: int
    destination_address: str
    destination_port: int
    protocol: int
    bytes_sent: int
    bytes_received: int
    state: str
    application: str
