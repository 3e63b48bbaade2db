"""The tables, as numbered migrations that only ever go forward.

To change a table, append a `Migration`; never edit one that was released. Every statement can be run
twice: a process that died half-way, or two that start at once, do no harm.

All tables are cut into partitions by the week in which rows were *stored*, so that an insert, whatever
times its rows carry, becomes exactly one part: all of it is there or nothing. Rows leave by the same
clock: a replay of old recordings is not deleted while one looks at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from stormpetrel.adapters.store.connections import Connections
from stormpetrel.adapters.store.options import TableOptions
from stormpetrel.errors import StoreError

# Inserts remembered per table for the sake of repeated tokens: at five inserts a second, half an hour.
_DEDUPLICATION = "non_replicated_deduplication_window = 10000"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `number` is stored and never given again."""

    number: int
    name: str
    statements: tuple[str, ...]


_SERIES = """
CREATE TABLE IF NOT EXISTS series (
    series UInt32, metric LowCardinality(String), labels Map(LowCardinality(String), String),
    entity String, source LowCardinality(String), kind LowCardinality(String),
    unit LowCardinality(String), change UInt64
) ENGINE = ReplacingMergeTree(change) ORDER BY series"""

_SAMPLES = f"""
CREATE TABLE IF NOT EXISTS samples (
    series UInt32 CODEC(Delta(4), ZSTD(1)),
    time_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    stored Date CODEC(ZSTD(1)),
    INDEX time_range time_unix_nano TYPE minmax GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (series, time_unix_nano)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

_QUARANTINE = f"""
CREATE TABLE IF NOT EXISTS quarantine (
    series UInt32, time_unix_nano Int64 CODEC(Delta(8), ZSTD(1)), value Float64, verdict UInt8, stored Date
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (time_unix_nano, series)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

_LOGS = f"""
CREATE TABLE IF NOT EXISTS logs (
    time_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    observed_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    entity LowCardinality(String), source LowCardinality(String), severity_number UInt8,
    body String CODEC(ZSTD(1)), attributes String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)), span_id String CODEC(ZSTD(1)),
    request_token UInt64 CODEC(ZSTD(1)),
    stored DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (time_unix_nano, entity, source)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

_SPANS = f"""
CREATE TABLE IF NOT EXISTS spans (
    start_unix_nano Int64 CODEC(Delta(8), ZSTD(1)), end_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    entity LowCardinality(String), source LowCardinality(String),
    trace_id String CODEC(ZSTD(1)), span_id String CODEC(ZSTD(1)), parent_span_id String CODEC(ZSTD(1)),
    name LowCardinality(String), kind UInt8, status_code UInt8, attributes String CODEC(ZSTD(1)),
    request_token UInt64 CODEC(ZSTD(1)),
    stored DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (start_unix_nano, trace_id, span_id)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

# Changes of one finding replace each other, so this table is not cut by time.
_FINDINGS = """
CREATE TABLE IF NOT EXISTS findings (
    finding_id String, detector LowCardinality(String), model_version Int64, head LowCardinality(String),
    entity String, title String, why String, severity UInt8, state LowCardinality(String),
    start_unix_nano Int64, end_unix_nano Int64,
    evidence_signal LowCardinality(String), evidence_query String, evidence_series Int64,
    evidence_start_unix_nano Int64, evidence_end_unix_nano Int64,
    observed Float64, expected Float64, low Float64, high Float64, p_value Float64, unit String,
    attributes String, change UInt64, stored Date
) ENGINE = ReplacingMergeTree(change) ORDER BY finding_id"""

_FLOWS = f"""
CREATE TABLE IF NOT EXISTS flows (
    start_unix_nano Int64 CODEC(Delta(8), ZSTD(1)), end_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    entity LowCardinality(String), source LowCardinality(String),
    source_address String CODEC(ZSTD(1)), source_port UInt16 CODEC(ZSTD(1)),
    destination_address String CODEC(ZSTD(1)), destination_port UInt16 CODEC(ZSTD(1)), protocol UInt8,
    bytes_sent UInt64 CODEC(ZSTD(1)), bytes_received UInt64 CODEC(ZSTD(1)),
    packets_sent UInt64 CODEC(ZSTD(1)), packets_received UInt64 CODEC(ZSTD(1)),
    state LowCardinality(String), application LowCardinality(String), attributes String CODEC(ZSTD(1)),
    request_token UInt64 CODEC(ZSTD(1)),
    stored DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    INDEX source_lookup source_address TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX destination_lookup destination_address TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toMonday(stored)
ORDER BY (start_unix_nano, source_address, destination_address)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

# Every message about an alert or a change stays; `arrival` says which of two with the same time came later.
_ALERTS = f"""
CREATE TABLE IF NOT EXISTS alerts (
    time_unix_nano Int64 CODEC(Delta(8), ZSTD(1)), start_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    end_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    entity LowCardinality(String), source LowCardinality(String), fingerprint String CODEC(ZSTD(1)),
    name LowCardinality(String), state LowCardinality(String), severity_number UInt8,
    summary String CODEC(ZSTD(1)), url String CODEC(ZSTD(1)),
    labels String CODEC(ZSTD(1)), annotations String CODEC(ZSTD(1)),
    request_token UInt64 CODEC(ZSTD(1)), arrival UInt64 CODEC(Delta(8), ZSTD(1)),
    stored DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (time_unix_nano, source, fingerprint)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

_CHANGES = f"""
CREATE TABLE IF NOT EXISTS changes (
    time_unix_nano Int64 CODEC(Delta(8), ZSTD(1)),
    entity LowCardinality(String), source LowCardinality(String), change_id String CODEC(ZSTD(1)),
    kind LowCardinality(String), state LowCardinality(String), title String CODEC(ZSTD(1)),
    environment LowCardinality(String), version String CODEC(ZSTD(1)), actor String CODEC(ZSTD(1)),
    url String CODEC(ZSTD(1)), attributes String CODEC(ZSTD(1)),
    request_token UInt64 CODEC(ZSTD(1)), arrival UInt64 CODEC(Delta(8), ZSTD(1)),
    stored DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = MergeTree PARTITION BY toMonday(stored) ORDER BY (time_unix_nano, source, change_id)
SETTINGS {_DEDUPLICATION}, ttl_only_drop_parts = 1"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "tables", (_SERIES, _SAMPLES, _QUARANTINE, _LOGS, _SPANS, _FINDINGS)),
    Migration(
        2,
        "find text and traces",
        (
            "ALTER TABLE logs ADD INDEX IF NOT EXISTS body_text lower(body)"
            " TYPE ngrambf_v1(3, 16384, 2, 0) GRANULARITY 1",
            "ALTER TABLE logs ADD INDEX IF NOT EXISTS trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1",
            "ALTER TABLE spans ADD INDEX IF NOT EXISTS trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1",
        ),
    ),
    Migration(3, "flows, alerts and changes", (_FLOWS, _ALERTS, _CHANGES)),
    Migration(
        4,
        "patterns of log records",
        (
            "ALTER TABLE logs ADD COLUMN IF NOT EXISTS pattern Int64 DEFAULT 0 CODEC(ZSTD(1))",
            "ALTER TABLE logs ADD INDEX IF NOT EXISTS pattern pattern TYPE bloom_filter(0.01) GRANULARITY 1",
        ),
    ),
)

_MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, applied DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY number"""


def migrate(connections: Connections, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the tables up to the newest migration; a no-op when they are.

    Raises:
        StoreError: a statement failed, or the tables are newer than this program.
    """
    connections.command(_MIGRATIONS_TABLE)
    reached = int(connections.value("SELECT max(number) FROM migrations"))
    if reached > migrations[-1].number:
        raise StoreError(
            f"{connections.name}: its tables are at version {reached}, this program knows"
            f" {migrations[-1].number}; start the newer program that wrote them"
        )
    for migration in migrations:
        if migration.number <= reached:
            continue
        for statement in migration.statements:
            connections.command(statement)
        done = {"number": pa.array([migration.number], pa.uint32()), "name": [migration.name]}
        connections.insert("migrations", pa.table(done))


def set_options(connections: Connections, options: TableOptions) -> None:
    """Make the tables keep rows for as long, and flush inserts as, the configuration says now.

    Only what differs is altered. Shortened times apply to what is stored already, in the background.
    """
    tables = connections.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    )
    created = dict(zip(tables["name"].to_pylist(), tables["create_table_query"].to_pylist(), strict=True))
    flush = int(options.fsync)
    for table, days in options.days.items():
        if not re.search(rf"toIntervalDay\({days}\)", created[table]):
            connections.command(f"ALTER TABLE {table} MODIFY TTL toDate(stored) + toIntervalDay({days})")
        if f"fsync_after_insert = {flush}" not in created[table]:
            connections.command(
                f"ALTER TABLE {table} MODIFY SETTING materialize_ttl_recalculate_only = 1,"
                f" fsync_after_insert = {flush}, fsync_part_directory = {flush}"
            )
