"""The telemetry tables go forward from every older version, and follow the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stormpetrel.adapters.store import ClickHouseStore, open_store
from stormpetrel.adapters.store.connections import Connections
from stormpetrel.adapters.store.inprocess import open_inprocess
from stormpetrel.adapters.store.options import TableOptions
from stormpetrel.adapters.store.schema import MIGRATIONS, Migration, migrate, set_options
from stormpetrel.app.config import StoreConfig
from stormpetrel.errors import StoreError
from stormpetrel.model.query import LogQuery
from stormpetrel.testing.check_store_logs import EVER
from stormpetrel.testing.store_records import alert_batch, change_batch, flow_batch
from stormpetrel.testing.store_samples import log_batch


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Connections]:
    connections, lock = open_inprocess(tmp_path / "telemetry", 256 << 20)
    yield connections
    connections.close()
    lock.release()


def _layout(connections: Connections) -> str:
    tables = connections.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    )
    return str(tables.to_pylist())


def _applied(connections: Connections) -> list[int]:
    found: list[int] = connections.query("SELECT number FROM migrations ORDER BY number")[
        "number"
    ].to_pylist()
    return found


def test_numbers_are_in_order_and_never_reused() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_every_older_version_goes_forward(engine: Connections, tmp_path: Path, version: int) -> None:
    migrate(engine, MIGRATIONS[:version])
    assert _applied(engine) == list(range(1, version + 1))
    older = _layout(engine)
    row = log_batch([{"body": "written by the older version"}]).records.to_pylist()[0]
    for younger in ("request_token", "pattern"):
        row.pop(younger)
    names, values = ", ".join(row), ", ".join(repr(value) for value in row.values())
    engine.command(f"INSERT INTO logs ({names}, stored) VALUES ({values}, now())")
    migrate(engine)
    assert _applied(engine) == list(range(1, len(MIGRATIONS) + 1))
    assert _layout(engine) != older
    migrate(engine)
    assert engine.value("SELECT count() FROM logs WHERE lower(body) LIKE '%older version%'") == 1


def test_version_2_gains_flows_alerts_and_changes(engine: Connections) -> None:
    migrate(engine, MIGRATIONS[:2])
    engine.command("INSERT INTO logs (body, request_token, stored) VALUES ('older', 7, now())")
    migrate(engine)
    store = ClickHouseStore(engine, None)
    assert [record.body for record in store.read_logs(LogQuery(EVER))] == ["older"]
    assert (store.read_alerts(EVER), store.read_changes(EVER), store.read_flows(EVER)) == ([], [], [])
    store.insert_records(alert_batch([{"request_token": 8}]), "a")
    store.insert_records(change_batch([{}]), "b")
    store.insert_records(flow_batch([{"request_token": 9}]), "c")
    found = (store.read_alerts(EVER), store.read_changes(EVER), store.read_flows(EVER))
    assert [len(records) for records in found] == [1, 1, 1]
    assert sorted(store.recent_tokens(0).tolist()) == [7, 8, 9]


def test_a_migration_that_broke_off_is_repeated(engine: Connections) -> None:
    broken = Migration(2, "breaks", (*MIGRATIONS[1].statements[:1], "ALTER TABLE nowhere DROP COLUMN x"))
    with pytest.raises(StoreError):
        migrate(engine, (MIGRATIONS[0], broken))
    assert _applied(engine) == [1]
    migrate(engine)
    assert _applied(engine) == [migration.number for migration in MIGRATIONS]


def test_newer_tables_are_refused(engine: Connections) -> None:
    migrate(engine, (*MIGRATIONS, Migration(99, "of the future", ())))
    with pytest.raises(StoreError, match="version 99"):
        migrate(engine)


def test_retention_and_flushing_follow_the_configuration(engine: Connections) -> None:
    migrate(engine)
    set_options(engine, TableOptions.of(StoreConfig()))
    first = _layout(engine)
    assert "toIntervalDay(30)" in first
    assert "fsync_after_insert = 0" in first
    set_options(engine, TableOptions.of(StoreConfig(samples_days=3, fsync=True)))
    second = _layout(engine)
    assert "toIntervalDay(3)" in second
    assert "toIntervalDay(30)" not in second
    assert "fsync_after_insert = 1" in second
    set_options(engine, TableOptions.of(StoreConfig()))
    assert _layout(engine) == first


def test_each_kind_of_record_stays_for_its_own_time(engine: Connections) -> None:
    migrate(engine)
    set_options(engine, TableOptions.of(StoreConfig(flows_days=2, alerts_days=55, fsync=True)))
    tables = engine.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    )
    created = dict(zip(tables["name"].to_pylist(), tables["create_table_query"].to_pylist(), strict=True))
    for table, days in (("flows", 2), ("alerts", 55), ("changes", 55)):
        assert f"toIntervalDay({days})" in created[table]
        assert "fsync_after_insert = 1" in created[table]


def test_rows_leave_when_their_days_are_over(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path)
    store.insert_logs(log_batch([{"body": "fresh"}]), "fresh")
    names = ", ".join(name for name in log_batch([]).records.schema.names)
    for days in (13, 15):
        store._connections.command(
            f"INSERT INTO logs ({names}, stored) SELECT {names}, now() - INTERVAL {days} DAY FROM logs"
            " WHERE body = 'fresh'"
        )
    store._connections.command("OPTIMIZE TABLE logs FINAL")
    assert len(store.read_logs(LogQuery(EVER))) == 2
    store.close()
    store = open_store(StoreConfig(logs_days=5), tmp_path)
    store._connections.command("OPTIMIZE TABLE logs FINAL SETTINGS mutations_sync = 1")
    store._connections.command("OPTIMIZE TABLE logs FINAL")
    assert [record.body for record in store.read_logs(LogQuery(EVER))] == ["fresh"]
    store.close()
