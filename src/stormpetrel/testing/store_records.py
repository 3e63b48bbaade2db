"""Flows, alerts and changes to try a telemetry store with; what is left out of a row is plain."""

from __future__ import annotations

import pyarrow as pa

from stormpetrel.model.records import (
    ALERT_SCHEMA,
    CHANGE_SCHEMA,
    FLOW_SCHEMA,
    AlertBatch,
    ChangeBatch,
    FlowBatch,
)
from stormpetrel.testing.store_samples import NOW


def flow_batch(rows: list[dict[str, object]]) -> FlowBatch:
    """Network flows."""
    plain: dict[str, object] = {
        "start_unix_nano": NOW,
        "end_unix_nano": NOW + 5,
        "entity": "host:a",
        "source": "test",
        "source_address": "10.0.0.1",
        "source_port": 40_000,
        "destination_address": "10.0.0.2",
        "destination_port": 443,
        "protocol": 6,
        "bytes_sent": 100,
        "bytes_received": 200,
        "packets_sent": 1,
        "packets_received": 2,
        "state": "",
        "application": "",
        "attributes": "{}",
        "request_token": 0,
    }
    return FlowBatch(pa.RecordBatch.from_pylist([{**plain, **row} for row in rows], schema=FLOW_SCHEMA))


def alert_batch(rows: list[dict[str, object]]) -> AlertBatch:
    """Alerts of another system, firing."""
    plain: dict[str, object] = {
        "time_unix_nano": NOW,
        "start_unix_nano": NOW,
        "end_unix_nano": 0,
        "entity": "host:a",
        "source": "test",
        "fingerprint": "f1",
        "name": "DiskFull",
        "state": "firing",
        "severity_number": 13,
        "summary": "the disk is full",
        "url": "http://localhost/graph",
        "labels": '{"alertname":"DiskFull"}',
        "annotations": "{}",
        "request_token": 0,
    }
    return AlertBatch(pa.RecordBatch.from_pylist([{**plain, **row} for row in rows], schema=ALERT_SCHEMA))


def change_batch(rows: list[dict[str, object]]) -> ChangeBatch:
    """Changes, deploys that have started."""
    plain: dict[str, object] = {
        "time_unix_nano": NOW,
        "entity": "service:shop",
        "source": "test",
        "change_id": "c1",
        "kind": "deploy",
        "state": "started",
        "title": "shop 2.1",
        "environment": "production",
        "version": "2.1",
        "actor": "ann",
        "url": "http://localhost/deploys/1",
        "attributes": "{}",
        "request_token": 0,
    }
    return ChangeBatch(pa.RecordBatch.from_pylist([{**plain, **row} for row in rows], schema=CHANGE_SCHEMA))
