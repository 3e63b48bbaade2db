"""Reading network flows, alerts of other systems, and changes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.part import IN_WINDOW, StorePart, bounds, select
from stormpetrel.model.records import (
    ALERT_SCHEMA,
    CHANGE_SCHEMA,
    Alert,
    AlertState,
    Change,
    ChangeKind,
    ChangeState,
    Flow,
)
from stormpetrel.model.time import Window

Word = TypeVar("Word", bound=StrEnum)

_ALERT_COLUMNS = ", ".join(name for name in ALERT_SCHEMA.names if name != "request_token")
_CHANGE_COLUMNS = ", ".join(name for name in CHANGE_SCHEMA.names if name != "request_token")
_FLOW_NUMBERS = (
    "start_unix_nano", "end_unix_nano", "source_port", "destination_port", "protocol",
    "bytes_sent", "bytes_received",
)  # fmt: skip
_FLOW_TEXTS = ("entity", "source", "source_address", "destination_address", "state", "application")


class RecordReader(StorePart):
    """The reads of `TelemetryStore` that are about flows, alerts and changes."""

    def read_alerts(self, window: Window, limit: int = 500) -> list[Alert]:
        """The newest state of each alert, by source and fingerprint, that was told of in the window.

        Newest first. Of two states with the same time, resolved is newer than firing, and then what was
        stored later. O(messages in the window).
        """
        sql = _newest(_ALERT_COLUMNS, "alerts", "fingerprint", ("time_unix_nano", "state = 'resolved'"))
        table = self._connections.query(sql, {**bounds(window), "limit": max(0, limit)})
        return [_alert(row) for row in table.to_pylist()]

    def read_changes(self, window: Window, limit: int = 500) -> list[Change]:
        """The newest message about each change, by source and change id, of the window; newest first.

        Of two messages with the same time, what was stored later is newer. O(messages in the window).
        """
        sql = _newest(_CHANGE_COLUMNS, "changes", "change_id", ("time_unix_nano",))
        table = self._connections.query(sql, {**bounds(window), "limit": max(0, limit)})
        return [_change(row) for row in table.to_pylist()]

    def read_flows(self, window: Window, limit: int = 500, address: str = "") -> list[Flow]:
        """Flows that start in the window, newest first; of one address, as source or destination."""
        where = ["start_unix_nano >= {start:Int64}", "start_unix_nano < {end:Int64}"]
        asked: dict[str, Any] = {**bounds(window), "limit": max(0, limit)}
        if address:
            where.append("(source_address = {address:String} OR destination_address = {address:String})")
            asked["address"] = address
        columns = ", ".join((*_FLOW_NUMBERS, *_FLOW_TEXTS))
        # In the order of the table's key, so that reading stops at the limit.
        then = "ORDER BY start_unix_nano DESC, source_address DESC, destination_address DESC"
        table = self._connections.query(
            select(columns, "flows", where, f"{then} LIMIT {{limit:UInt64}}"), asked
        )
        return [Flow(**row) for row in table.to_pylist()]


def _newest(columns: str, table: str, identity: str, rank: tuple[str, ...]) -> str:
    """The newest row by source and identity, newest first, of the window.

    Which rows those are is told from narrow columns first: memory is taken by identities, not by messages
    with all their texts.
    """
    ranked = (*rank, "arrival")
    newest = select(
        f"{identity}, max(tuple({', '.join(ranked)})) AS newest",
        table,
        IN_WINDOW,
        f"GROUP BY source, {identity} ORDER BY newest DESC LIMIT {{limit:UInt64}}",
    )
    chosen = select(f"{identity}, tupleElement(newest, {len(ranked)})", f"({newest})")
    order = ", ".join(f"{one} DESC" for one in ranked)
    where = (*IN_WINDOW, f"({identity}, arrival) IN ({chosen})")
    return select(columns, table, where, f"ORDER BY {order} LIMIT {{limit:UInt64}}")


def _word(kind: type[Word], text: str, otherwise: Word) -> Word:
    """A word of a fixed set; a decoder that wrote another one does not make the row unreadable."""
    return kind(text) if text in kind.__members__.values() else otherwise


def _alert(row: Mapping[str, Any]) -> Alert:
    return Alert(
        time_unix_nano=row["time_unix_nano"],
        start_unix_nano=row["start_unix_nano"],
        end_unix_nano=row["end_unix_nano"],
        entity=row["entity"],
        source=row["source"],
        fingerprint=row["fingerprint"],
        name=row["name"],
        state=_word(AlertState, row["state"], AlertState.FIRING),
        severity_number=row["severity_number"],
        summary=row["summary"],
        url=row["url"],
        labels=rows.text_map(row["labels"]),
        annotations=rows.text_map(row["annotations"]),
    )


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        time_unix_nano=row["time_unix_nano"],
        entity=row["entity"],
        source=row["source"],
        change_id=row["change_id"],
        kind=_word(ChangeKind, row["kind"], ChangeKind.OTHER),
        state=_word(ChangeState, row["state"], ChangeState.UNKNOWN),
        title=row["title"],
        environment=row["environment"],
        version=row["version"],
        actor=row["actor"],
        url=row["url"],
        attributes=rows.text_map(row["attributes"]),
    )
