"""The control store keeps its contract, survives `kill -9`, and goes forward from older tables."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.adapters.store import open_control_store
from stormpetrel.adapters.store.control_rows import finding_json, finding_of, json_text, json_value
from stormpetrel.errors import ConfigError, StoreError
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.check_backup_store import BACKUP_CHECKS
from stormpetrel.testing.check_calendar_store import CALENDAR_CHECKS
from stormpetrel.testing.check_control_store import CONTROL_CHECKS, check_after_kill, sample_incident
from stormpetrel.testing.check_knowledge_store import KNOWLEDGE_CHECKS
from stormpetrel.testing.check_notice_store import NOTICE_CHECKS
from stormpetrel.testing.check_people_store import PEOPLE_CHECKS
from stormpetrel.testing.check_share_store import SHARE_CHECKS
from stormpetrel.testing.store_samples import same_finding

_WRITER = """
import sys
from stormpetrel.adapters.store import open_control_store
from stormpetrel.testing.check_control_store import put_forever
put_forever(open_control_store(sys.argv[1]), int(sys.argv[2]))
"""

times = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
evidences = st.builds(
    Evidence,
    st.text(),
    st.text(),
    st.integers(-1, 2**32),
    times,
    times,
    floats,
    floats,
    floats,
    floats,
    floats,
)
findings = st.builds(
    Finding, st.text(), st.text(), st.integers(0, 9), st.text(), st.text(), st.text(), st.text(),
    st.sampled_from(Severity), st.sampled_from(FindingState), times, times, evidences,
    st.none() | st.dictionaries(st.text(), st.text()),
)  # fmt: skip


def _url(directory: Path) -> str:
    return f"sqlite:///{directory / 'deep' / 'control.db'}"


CHECKS = [
    *CONTROL_CHECKS, *CALENDAR_CHECKS, *KNOWLEDGE_CHECKS, *SHARE_CHECKS, *BACKUP_CHECKS, *NOTICE_CHECKS,
    *PEOPLE_CHECKS,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_sqlite(check: Callable[[Callable[[], ControlStore]], None], tmp_path: Path) -> None:
    check(lambda: open_control_store(_url(tmp_path)))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_postgresql(
    check: Callable[[Callable[[], ControlStore]], None], postgres_url: str, tmp_path: Path
) -> None:
    check(lambda: open_control_store(postgres_url, tmp_path))


def test_survives_kill(tmp_path: Path) -> None:
    acknowledged = -1
    for kill in range(3):
        command = [sys.executable, "-c", _WRITER, _url(tmp_path), str(acknowledged + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for line in writer.stdout or ():
                acknowledged = int(line)
                if acknowledged >= 15 * (kill + 1):
                    writer.send_signal(signal.SIGKILL)
        store = open_control_store(_url(tmp_path))
        check_after_kill(store, acknowledged)
        store.close()


@given(findings)
def test_findings_as_json_are_exact(one: Finding) -> None:
    back = finding_of(finding_json(one))
    assert same_finding(back, one)
    assert math.copysign(1, back.evidence.low) == math.copysign(1, one.evidence.low)


def test_sqlite_is_set_up_for_safety(tmp_path: Path) -> None:
    store = open_control_store(_url(tmp_path))
    with store._engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        ]
    assert found == ["wal", 1, 2, 15000]
    store.close()


def test_tables_of_a_newer_program_are_refused(tmp_path: Path) -> None:
    open_control_store(_url(tmp_path)).close()
    with sqlite3.connect(tmp_path / "deep" / "control.db") as tables:
        tables.execute("UPDATE alembic_version SET version_num = '0099'")
    tables.close()
    with pytest.raises(StoreError, match="0099"):
        open_control_store(_url(tmp_path))


def test_a_migration_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    with sqlite3.connect(tmp_path / "deep" / "control.db") as tables:
        tables.execute("CREATE TABLE settings (in_the_way INTEGER)")
    with pytest.raises(StoreError, match="settings"):
        open_control_store(_url(tmp_path))
    assert tables.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("settings",)]
    tables.execute("DROP TABLE settings")
    tables.close()
    store = open_control_store(_url(tmp_path))
    store.save_incidents([sample_incident(1)])
    store.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/x", "postgresql+nodriver://host/x"]
)
def test_unusable_urls_are_configuration_errors(url: str) -> None:
    with pytest.raises(ConfigError, match="control_url"):
        open_control_store(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "control.db").write_text(
        "this is a text, not a database, and longer than a header" * 9
    )
    with pytest.raises(StoreError, match="not a database"):
        open_control_store(_url(tmp_path))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**63), 2**63),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
        max_leaves=10,
    )
)
def test_what_a_row_holds_as_json_comes_back(held: object) -> None:
    assert json_value(json_text(held)) == held


def test_half_a_surrogate_pair_comes_back() -> None:
    assert json_value(json_text(["\ud800", 2**70])) == ["\ud800", 2**70]
