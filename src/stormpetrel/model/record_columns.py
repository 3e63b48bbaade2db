"""Builders of flow, alert and change batches from plain columns: lists, arrays, or one value for all rows."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from stormpetrel.model.columns import NumberColumn, TextColumn, record_batch
from stormpetrel.model.records import (
    ALERT_SCHEMA,
    CHANGE_SCHEMA,
    FLOW_SCHEMA,
    AlertBatch,
    AlertState,
    ChangeBatch,
    ChangeKind,
    ChangeState,
    FlowBatch,
)


class FlowRest(TypedDict, total=False):
    """The columns of `build_flows` that may be left out."""

    entity: TextColumn  # ""; who saw the flow
    source_port: NumberColumn  # 0
    destination_port: NumberColumn  # 0
    protocol: NumberColumn  # 0; IANA protocol number, uint8
    bytes_sent: NumberColumn  # 0; from source to destination
    bytes_received: NumberColumn  # 0
    packets_sent: NumberColumn  # 0
    packets_received: NumberColumn  # 0
    state: TextColumn  # ""
    application: TextColumn  # ""
    attributes: TextColumn  # "{}"; JSON objects as text
    request_token: NumberColumn  # 0, none


class AlertRest(TypedDict, total=False):
    """The columns of `build_alerts` that may be left out."""

    start_unix_nano: NumberColumn  # the time of the state
    end_unix_nano: NumberColumn  # 0, it fires
    entity: TextColumn  # ""
    name: TextColumn  # ""
    state: TextColumn  # "firing"; an `AlertState`
    severity_number: NumberColumn  # 0, unset
    summary: TextColumn  # ""
    url: TextColumn  # ""
    labels: TextColumn  # "{}"; JSON objects as text
    annotations: TextColumn  # "{}"; JSON objects as text
    request_token: NumberColumn  # 0, none


class ChangeRest(TypedDict, total=False):
    """The columns of `build_changes` that may be left out."""

    entity: TextColumn  # ""
    kind: TextColumn  # "other"; a `ChangeKind`
    state: TextColumn  # "unknown"; a `ChangeState`
    environment: TextColumn  # ""
    version: TextColumn  # ""
    actor: TextColumn  # ""
    url: TextColumn  # ""
    attributes: TextColumn  # "{}"; JSON objects as text
    request_token: NumberColumn  # 0, none


def build_flows(
    start_unix_nano: NumberColumn,
    end_unix_nano: NumberColumn,
    source_address: TextColumn,
    destination_address: TextColumn,
    *,
    source: TextColumn,
    **rest: Unpack[FlowRest],
) -> FlowBatch:
    """A flow batch from columns; a column given as one `str` or `int` holds for every row.

    The columns that are not single values give the number of rows (all single: one row).

    Args:
        start_unix_nano: first packet, int64[n], UTC nanoseconds.
        end_unix_nano: last packet, int64[n], UTC nanoseconds.
        source_address: who began, as far as the sender knows it, text[n].
        destination_address: text[n].
        source: who sent the record, text or text[n].
        rest: see `FlowRest`; what is left out takes the default named there.

    Raises:
        ValueError: columns differ in length, a text is not valid Unicode (a lone surrogate), or a number
            does not fit its type (`pyarrow.ArrowInvalid` is a ValueError).
        OverflowError: an unsigned column holds a negative Python `int`.

    >>> flows = build_flows([1, 2], [3, 4], "10.0.0.1", "10.0.0.2", source="netflow", protocol=6)
    >>> flows.records.column("protocol").to_pylist()
    [6, 6]
    """
    columns: dict[str, Any] = {
        "entity": "",
        "source_port": 0,
        "destination_port": 0,
        "protocol": 0,
        "bytes_sent": 0,
        "bytes_received": 0,
        "packets_sent": 0,
        "packets_received": 0,
        "state": "",
        "application": "",
        "attributes": "{}",
        "request_token": 0,
        **rest,
        "start_unix_nano": start_unix_nano,
        "end_unix_nano": end_unix_nano,
        "source": source,
        "source_address": source_address,
        "destination_address": destination_address,
    }
    return FlowBatch(record_batch(columns, FLOW_SCHEMA))


def build_alerts(
    time_unix_nano: NumberColumn, fingerprint: TextColumn, *, source: TextColumn, **rest: Unpack[AlertRest]
) -> AlertBatch:
    """An alert batch from columns; a column given as one `str` or `int` holds for every row.

    Args:
        time_unix_nano: of the state told of (start when firing, end when resolved), int64[n].
        fingerprint: the same for all notifications of one alert, text[n].
        source: who sent the notification, text or text[n].
        rest: see `AlertRest`; what is left out takes the default named there.

    Raises:
        ValueError: columns differ in length, a text is not valid Unicode, or a number does not fit.
        OverflowError: an unsigned column holds a negative Python `int`.

    >>> len(build_alerts([1, 2], ["a", "b"], source="alertmanager", state="resolved"))
    2
    """
    columns: dict[str, Any] = {
        "start_unix_nano": time_unix_nano,
        "end_unix_nano": 0,
        "entity": "",
        "name": "",
        "state": AlertState.FIRING.value,
        "severity_number": 0,
        "summary": "",
        "url": "",
        "labels": "{}",
        "annotations": "{}",
        "request_token": 0,
        **rest,
        "time_unix_nano": time_unix_nano,
        "source": source,
        "fingerprint": fingerprint,
    }
    return AlertBatch(record_batch(columns, ALERT_SCHEMA))


def build_changes(
    time_unix_nano: NumberColumn,
    change_id: TextColumn,
    title: TextColumn,
    *,
    source: TextColumn,
    **rest: Unpack[ChangeRest],
) -> ChangeBatch:
    """A change batch from columns; a column given as one `str` or `int` holds for every row.

    Args:
        time_unix_nano: of the message's state, int64[n], UTC nanoseconds.
        change_id: the same for all messages about one change, text[n].
        title: one line for people, text[n].
        source: who sent the message, text or text[n].
        rest: see `ChangeRest`; what is left out takes the default named there.

    Raises:
        ValueError: columns differ in length, a text is not valid Unicode, or a number does not fit.
        OverflowError: an unsigned column holds a negative Python `int`.

    >>> build_changes(1, "42", "shop 2.1", source="github", kind="deploy").records.column("state")[0].as_py()
    'unknown'
    """
    columns: dict[str, Any] = {
        "entity": "",
        "kind": ChangeKind.OTHER.value,
        "state": ChangeState.UNKNOWN.value,
        "environment": "",
        "version": "",
        "actor": "",
        "url": "",
        "attributes": "{}",
        "request_token": 0,
        **rest,
        "time_unix_nano": time_unix_nano,
        "source": source,
        "change_id": change_id,
        "title": title,
    }
    return ChangeBatch(record_batch(columns, CHANGE_SCHEMA))
