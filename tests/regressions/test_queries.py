"""Text of strangers in queries: found as it is, and never more than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.model.columns import build_logs
from stormpetrel.model.query import LogQuery
from stormpetrel.model.time import Window

HOSTILE = [
    "100% done",
    "under_score",
    "back\\slash",
    "quote's",
    'double"quote',
    "tab\tand\nline",
    "{text:String}",
    "%s ? :x {0}",
    "nul\0byte",
    "'); DROP TABLE logs; --",
    "\\%",
    "\\",
    "ünïcode_%",
    "\\N",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    one = open_store(Config().store, tmp_path_factory.mktemp("store"))
    times = list(range(1, len(HOSTILE) + 1))
    one.insert_logs(build_logs(times, HOSTILE, source="s", entity=HOSTILE), "t")
    yield one
    one.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_finds_what_holds_it_and_nothing_else(store: ClickHouseStore, text: str) -> None:
    window = Window(0, 1000)
    found = {record.body for record in store.read_logs(LogQuery(window, text=text))}
    assert found == {body for body in HOSTILE if text.lower() in body.lower()}
    of = store.read_logs(LogQuery(window, entity=text))
    assert [record.entity for record in of] == [text]


@pytest.mark.parametrize("text", HOSTILE)
def test_incidents_and_users_are_looked_up_safely(tmp_path: Path, text: str) -> None:
    control = open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}")
    assert control.list_incidents(text=text) == []
    assert control.user(text) is None
    control.close()
