"""Reading findings, and how much there is."""

from __future__ import annotations

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.part import StorePart, bounds, select
from stormpetrel.model.finding import Finding
from stormpetrel.model.query import TableSize
from stormpetrel.model.time import Window


class FindingReader(StorePart):
    """The reads of `TelemetryStore` that are about findings and about the store itself."""

    def read_findings(self, window: Window, limit: int = 500) -> list[Finding]:
        """The newest state of findings that overlap the window, newest start first, ties by id.

        A finding overlaps when it started before the window's end and its condition last held at or
        after the window's start.
        """
        sql = select(
            "*",
            "findings FINAL",
            ["start_unix_nano < {end:Int64}", "end_unix_nano >= {start:Int64}"],
            "ORDER BY start_unix_nano DESC, finding_id LIMIT {limit:UInt64}",
        )
        table = self._connections.query(sql, {**bounds(window), "limit": max(0, limit)})
        return [rows.finding(row) for row in table.to_pylist()]

    def table_sizes(self) -> list[TableSize]:
        """Rows and bytes per table, by name; rows that await their merge are counted each."""
        tables = self._connections.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name != 'migrations'"
            " ORDER BY name"
        )
        parts = self._connections.query(
            "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts"
            " WHERE active AND database = currentDatabase() GROUP BY table"
        )
        held = {row["table"]: (row["rows"], row["bytes"]) for row in parts.to_pylist()}
        return [TableSize(name, *held.get(name, (0, 0))) for name in tables["name"].to_pylist()]
