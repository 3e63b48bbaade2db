"""Repeats of inserts that failed, order of changes, and the search for text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormpetrel.adapters.store import ClickHouseStore, clickhouse, open_store
from stormpetrel.adapters.store.connections import Connections, explain
from stormpetrel.app.config import StoreConfig
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.model.query import LogQuery
from stormpetrel.testing.check_store_metrics import EVER
from stormpetrel.testing.store_records import alert_batch, change_batch
from stormpetrel.testing.store_samples import finding, log_batch, numbered_samples, same_finding, series_info

WEEK = 7 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouseStore]:
    opened = open_store(StoreConfig(), tmp_path)
    yield opened
    opened.close()


class Clock:
    """The store's wall clock, to be set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds

    def time_ns(self) -> int:
        return int(self.seconds * 1e9)


def test_a_repeat_in_the_next_week_is_still_a_repeat(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to an insert is lost on a Sunday night; it is sent again on Monday."""
    clock = Clock(time.time())
    monkeypatch.setattr(clickhouse, "time", clock)
    insert = Connections.insert

    def lose_the_answer(self: Connections, table: str, filled: pa.Table, token: str = "") -> None:
        insert(self, table, filled, token)
        raise StoreError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(Connections, "insert", lose_the_answer)
        with pytest.raises(StoreError):
            store.insert_samples(numbered_samples(1), "sunday")
    clock.seconds += WEEK
    store.insert_samples(numbered_samples(1), "sunday")
    store.insert_samples(numbered_samples(2), "monday")
    assert len(store.scan_series([3], EVER)) == 2
    parts = "SELECT count(DISTINCT partition) FROM system.parts WHERE active AND table = 'samples'"
    assert store._connections.value(parts) == 2


def test_changes_stay_in_order_when_the_clock_goes_back(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = Clock(time.time() + WEEK)
    monkeypatch.setattr(clickhouse, "time", clock)
    older, newer = finding(1, end=5_000_000_000_000_000_000), finding(1, end=6_000_000_000_000_000_000)
    store.insert_findings([older])
    store.close()
    clock.seconds -= WEEK
    again = open_store(StoreConfig(), tmp_path)
    again.insert_findings([newer])
    assert [same_finding(one, newer) for one in again.read_findings(EVER)] == [True]
    again.close()


def test_of_one_time_what_came_later_is_newer_when_the_clock_goes_back(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = Clock(time.time() + WEEK)
    monkeypatch.setattr(clickhouse, "time", clock)
    store.insert_records(alert_batch([{"summary": "first"}]), "a")
    store.insert_records(change_batch([{"title": "first"}]), "b")
    store.close()
    clock.seconds -= WEEK
    again = open_store(StoreConfig(), tmp_path)
    again.insert_records(alert_batch([{"summary": "second"}]), "c")
    again.insert_records(change_batch([{"title": "second"}]), "d")
    assert [alert.summary for alert in again.read_alerts(EVER)] == ["second"]
    assert [change.title for change in again.read_changes(EVER)] == ["second"]
    again.close()


def test_series_come_in_pages(store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormpetrel.adapters.store.read_samples._SERIES_PAGE", 3)
    store.insert_series([series_info(number) for number in range(9)])
    assert [one.series for one in store.all_series()] == list(range(9))


bodies = st.lists(st.text("aAbB%_\\ é'", max_size=12), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies, st.data())
def test_text_is_found_exactly_where_it_is(
    store: ClickHouseStore, texts: list[str], data: st.DataObject
) -> None:
    body = data.draw(st.sampled_from(texts))
    first = data.draw(st.integers(0, len(body)))
    sought = body[first : first + 5]
    sought = data.draw(st.sampled_from([sought, sought.upper(), sought.lower()]))
    store._connections.command("TRUNCATE TABLE logs")
    store.insert_logs(log_batch([{"body": text} for text in texts]), "")
    found = store.read_logs(LogQuery(EVER, text=sought))
    assert sorted(one.body for one in found) == sorted(t for t in texts if sought.lower() in t.lower())


words = st.sampled_from(["", "pod:a", "größe", "{}", '{"pod":"a","n":1}', "x" * 300])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=8), st.integers(1, 40), st.booleans())
def test_texts_that_repeat_are_stored_as_they_are(
    store: ClickHouseStore, said: list[tuple[str, str, str]], times: int, varied: bool
) -> None:
    rows: list[dict[str, object]] = [
        {"time_unix_nano": k, "body": str(k), "entity": one, "source": two, "attributes": three}
        for k, (one, two, three) in enumerate(said * times)
    ]
    if varied:  # too many to be written once each
        rows = [{**row, "attributes": f'{{"n":{k}}}'} for k, row in enumerate(rows)]
    batch = log_batch(rows)
    store._connections.command("TRUNCATE TABLE logs")
    store.insert_logs(batch, "")
    (found,) = store.scan_logs(EVER)
    assert found.records.equals(batch.records)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), StoreFullError),
        (OSError(122, "Disk quota exceeded"), StoreFullError),
        (RuntimeError("Code: 243. DB::Exception: (NOT_ENOUGH_SPACE)"), StoreFullError),
        (
            RuntimeError("Code: 75. Cannot write: errno: 28, strerror: No space left on device"),
            StoreFullError,
        ),
        (RuntimeError("Code: 241. DB::Exception: memory limit"), StoreError),
    ],
)
def test_errors_are_told_apart(error: Exception, kind: type[StoreError]) -> None:
    explained = explain(error, "store")
    assert type(explained) is kind
    assert str(explained).startswith("store: ")
