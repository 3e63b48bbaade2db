"""Whatever is done to the ledger behind the store's back is found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from stormpetrel.adapters.store import control_ledger
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.errors import StoreError
from stormpetrel.model.ledger import EntryKind, LedgerEntry, LedgerHead, LedgerNote
from stormpetrel.model.ledger_chain import GENESIS, chain_faults, chained
from stormpetrel.testing.automation_samples import BUDGET, limit_judge, sample_facts, sample_plan, sample_run
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

_TRIGGERS = ("ledger_no_update", "ledger_no_delete", "ledger_no_replace")
_COLUMNS = (
    "time_unix_nano", "kind", "run_id", "runbook", "incident_id", "actor", "body", "previous", "entry_hash",
)  # fmt: skip


def opened(directory: Path) -> SqlControlStore:
    return open_control_store(f"sqlite:///{directory / 'control.db'}", directory, FakeClock(NOW))


def filled(store: SqlControlStore) -> list[LedgerEntry]:
    store.take_lease("ünï", NOW, 60.0)
    for number in range(3):
        run = sample_run(sample_plan(f"r{number}"))
        store.admit(sample_facts(run), limit_judge(run.plan), run, BUDGET)
    return store.ledger()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LedgerEntry]]:
    """A directory with a ledger, closed, and its entries."""
    directory = tmp_path_factory.mktemp("ledger")
    store = opened(directory)
    entries = filled(store)
    store.close()
    return directory, entries


@pytest.fixture
def copied(original: tuple[Path, list[LedgerEntry]], tmp_path: Path) -> Path:
    """A copy of it to be tampered with, its triggers gone."""
    shutil.copytree(original[0], tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "control.db")) as tables, tables:
        for name in _TRIGGERS:
            tables.execute(f"DROP TRIGGER {name}")
    return tmp_path / "copy"


def tampered(directory: Path, *statements: str) -> list[str]:
    """What is found after these statements."""
    with closing(sqlite3.connect(directory / "control.db")) as tables, tables:
        for one in statements:
            tables.execute(one)
    store = opened(directory)
    found = [fault.text for fault in store.check_ledger()]
    store.close()
    return found


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_of_the_file_changes_an_entry_unseen(
    original: tuple[Path, list[LedgerEntry]], tmp_path: Path, data: st.DataObject
) -> None:
    directory, entries = original
    content = bytearray((directory / "control.db").read_bytes())
    # Most of the file is other tables: half of the flips aim at what entries say.
    said = data.draw(st.sampled_from(entries)).body.encode() if data.draw(st.booleans()) else b""
    start = content.find(said[:40]) if said else 0
    span = len(said) if said and start >= 0 else len(content)
    content[max(0, start) + data.draw(st.integers(0, span - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "control.db").write_bytes(content)
    shutil.copy(directory / "ledger.key", tmp_path / "ledger.key")
    for leftover in ("control.db-wal", "control.db-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    try:
        store = opened(tmp_path)
    except StoreError:
        return
    try:
        if not store.check_ledger():
            assert store.ledger() == entries
    finally:
        store.close()


def test_a_damaged_schema_is_told(copied: Path) -> None:
    """SQLite quotes the damage in its complaint, which then is no text."""
    content = (copied / "control.db").read_bytes()
    at = content.rfind(b"tableledgerledger")
    assert at >= 0
    (copied / "control.db").write_bytes(content[:at] + b"tableledg\xe2rledg\xe2r" + content[at + 17 :])
    with pytest.raises(StoreError, match="damaged"):
        opened(copied).close()


@pytest.mark.parametrize("column", _COLUMNS)
def test_no_column_changes_unseen(
    copied: Path, column: str, original: tuple[Path, list[LedgerEntry]]
) -> None:
    for entry in original[1]:
        was = f"(SELECT {column} FROM ledger WHERE seq = {entry.seq})"
        changed = f"{column} + 1" if column == "time_unix_nano" else f"'x' || {column}"
        with closing(sqlite3.connect(copied / "control.db")) as tables:
            (kept,) = tables.execute(f"SELECT {was}").fetchone()
        assert tampered(copied, f"UPDATE ledger SET {column} = {changed} WHERE seq = {entry.seq}") != []
        with closing(sqlite3.connect(copied / "control.db")) as tables, tables:
            tables.execute(f"UPDATE ledger SET {column} = ? WHERE seq = {entry.seq}", (kept,))
    assert tampered(copied) == []


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("DELETE FROM ledger WHERE seq = 4",), "missing or moved"),
        (("DELETE FROM ledger WHERE seq > 9",), "it was cut"),
        (("DELETE FROM ledger",), "it was cut"),
        (("DELETE FROM ledger", "DELETE FROM ledger_head"), "has seen 13"),
        (("DELETE FROM ledger_head",), "is missing"),
        (("UPDATE ledger_head SET count = count - 1",), "not sealed"),
        (("UPDATE ledger SET seq = 100 WHERE seq = 2", "UPDATE ledger SET seq = 2 WHERE seq = 3",
          "UPDATE ledger SET seq = 3 WHERE seq = 100"), "hang"),
        (("INSERT INTO ledger SELECT 100, time_unix_nano, kind, run_id, runbook, incident_id, actor, body,"
          " previous, entry_hash FROM ledger WHERE seq = 2",), "missing or moved"),
        (("UPDATE ledger SET kind = 'x' WHERE seq = 3",), "cannot be read"),
        (("UPDATE ledger SET seq = 'x' WHERE seq = 3",), "missing or moved"),
    ],
)  # fmt: skip
def test_what_is_cut_moved_or_added_is_found(copied: Path, statements: tuple[str, ...], words: str) -> None:
    found = tampered(copied, *statements)
    assert any(words in one for one in found), found


def test_a_chain_that_was_made_anew_lacks_the_seal(
    copied: Path, original: tuple[Path, list[LedgerEntry]]
) -> None:
    head, statements = LedgerHead(0, GENESIS, ""), ["DELETE FROM ledger"]
    for one in original[1][:-1]:
        note = LedgerNote(one.kind, one.run_id, one.runbook, one.incident_id, "somebody else", one.body)
        entry = chained(head, note, one.time_unix_nano)
        head = LedgerHead(entry.seq, entry.entry_hash, "")
        values = ", ".join(repr(getattr(entry, name)) for name in ("seq", *_COLUMNS) if name != "kind")
        columns = ", ".join(name for name in ("seq", *_COLUMNS) if name != "kind")
        statements.append(f"INSERT INTO ledger ({columns}, kind) VALUES ({values}, '{entry.kind.value}')")
    statements.append(f"UPDATE ledger_head SET count = {head.count}, entry_hash = '{head.entry_hash}'")
    found = tampered(copied, *statements)
    assert len(found) == 1
    assert "not sealed" in found[0]


def test_nothing_is_entered_after_a_broken_end(copied: Path) -> None:
    tampered(copied, "DELETE FROM ledger WHERE seq > 9")
    store = opened(copied)
    with pytest.raises(StoreError, match="petrel ledger verify"):
        store.take_lease("b", NOW + 10**12, 1.0)
    store.close()


def test_the_key_is_private_and_not_made_twice(
    original: tuple[Path, list[LedgerEntry]], tmp_path: Path
) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(original[0], directory)
    assert (directory / "ledger.key").stat().st_mode & 0o777 == 0o600
    (directory / "ledger.key").unlink()
    store = opened(directory)
    with pytest.raises(StoreError, match=r"ledger\.key: the key of the ledger is missing"):
        store.take_lease("b", NOW + 10**12, 1.0)
    assert "ledger.key" in store.check_ledger()[0].text
    assert not (directory / "ledger.key").exists()
    store.close()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger SET actor = 'x'", "DELETE FROM ledger WHERE seq = 1",
     "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 1"],
)  # fmt: skip
def test_sqlite_itself_refuses_to_change_entries(
    original: tuple[Path, list[LedgerEntry]], tmp_path: Path, statement: str
) -> None:
    shutil.copytree(original[0], tmp_path / "copy")
    with (
        closing(sqlite3.connect(tmp_path / "copy" / "control.db")) as tables,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        tables.execute(statement)


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET actor = 'x'", "DELETE FROM ledger", "TRUNCATE ledger"]
)
def test_postgresql_itself_refuses_to_change_entries(
    postgres_url: str, tmp_path: Path, statement: str
) -> None:
    store = open_control_store(postgres_url, tmp_path, FakeClock(NOW))
    filled(store)
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(statement.encode())
        assert store.check_ledger() == []
        connection.execute(b"ALTER TABLE ledger DISABLE TRIGGER ALL")
        connection.execute(statement.encode())
    assert store.check_ledger() != []
    store.close()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
notes = st.builds(LedgerNote, st.sampled_from(EntryKind), texts, texts, texts, texts, texts)


@given(st.lists(notes, min_size=1, max_size=6), st.data())
def test_any_other_text_is_another_hash(entered: list[LedgerNote], data: st.DataObject) -> None:
    head, entries = LedgerHead(0, GENESIS, ""), []
    for note in entered:
        entries.append(chained(head, note, NOW))
        head = LedgerHead(entries[-1].seq, entries[-1].entry_hash, "")
    assert list(chain_faults(entries)) == [head]
    at = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(["run_id", "runbook", "incident_id", "actor", "body", "previous"]))
    was = getattr(entries[at], name)
    other = data.draw(texts.filter(lambda one: one != was))
    # Text that moves from one field to its neighbour is other text, too.
    changes: dict[str, Any] = {name: other}
    broken = [*entries[:at], replace(entries[at], **changes), *entries[at + 1 :]]
    assert len(list(chain_faults(broken))) > 1


def test_checks_can_be_called_without_a_ledger(tmp_path: Path) -> None:
    store = opened(tmp_path)
    checks: list[Callable[[], object]] = [store.check_ledger, store.ledger]
    assert [check() for check in checks] == [[], []]
    assert not (tmp_path / "ledger.key").exists()
    store.close()


def test_an_older_database_is_told_from_the_present_one(tmp_path: Path) -> None:
    store = opened(tmp_path)
    filled(store)
    store.close()
    shutil.copy(tmp_path / "control.db", tmp_path / "older.db")
    store = opened(tmp_path)
    store.take_lease("b", NOW + 10**12, 60.0)
    store.close()
    shutil.copy(tmp_path / "older.db", tmp_path / "control.db")
    store = opened(tmp_path)
    assert "has seen 14" in store.check_ledger()[0].text
    with pytest.raises(StoreError, match="petrel ledger verify"):
        store.take_lease("c", NOW + 10**13, 60.0)
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_others_enter_during_a_check_is_no_fault(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
    store = open_control_store(url, tmp_path, FakeClock(NOW))
    filled(store)
    head_of = control_ledger._head

    def entered_meanwhile(session: Session) -> LedgerHead | None:
        monkeypatch.setattr(control_ledger, "_head", head_of)
        assert store.take_lease("b", NOW + 10**12, 60.0) is not None
        return head_of(session)

    monkeypatch.setattr(control_ledger, "_head", entered_meanwhile)
    assert store.check_ledger() == []
    assert store.ledger_head().count == 14
    store.close()


def test_an_end_that_was_seen_and_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    store = opened(tmp_path)
    filled(store)
    (tmp_path / "ledger.seen").write_text("gibberish")
    assert "ledger.seen" in store.check_ledger()[0].text
    with pytest.raises(StoreError, match=r"ledger\.seen"):
        store.take_lease("b", NOW + 10**12, 1.0)
    (tmp_path / "ledger.seen").write_text("")
    assert store.check_ledger() == []
    assert store.take_lease("b", NOW + 10**12, 1.0) is not None
    store.close()
