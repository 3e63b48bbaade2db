"""Fifty plans at once from eight processes: no limit is ever exceeded, as the ledger alone shows."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy.engine import URL, make_url
from tests.store.automation_crowd import (
    BOOKS,
    BUDGET,
    FIRST,
    GROUPS,
    LIMITS,
    PLANS,
    WORKERS,
    settle,
    take_lease,
)

from stormpetrel.adapters.store import open_control_store
from stormpetrel.adapters.store.control_engine import engine_of
from stormpetrel.model.action import Autonomy
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.testing.automation_samples import VERSION, sample_runbook
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.ledger_limits import LedgerBalance, exceeded
from stormpetrel.testing.store_samples import NOW

pytestmark = pytest.mark.slow


def together(commands: list[list[str]]) -> None:
    """Run programs that say that they are ready, and wait for a line; all must end well."""
    workers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for command in commands
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        ends = [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert [said for said, code in ends if code != 0] == []


def crowd(url: str, directory: Path, judge: str) -> list[LedgerEntry]:
    """The ledger after all have taken part; they begin together."""
    store = open_control_store(url, directory, FakeClock(NOW))
    for name in BOOKS:
        store.save_runbook(sample_runbook(name), "ann", NOW)
        store.sign_runbook(name, VERSION, "ann", NOW)
        store.set_replay_days(name, VERSION, 30.0)
        store.set_autonomy(name, Autonomy.AUTO, "ann", NOW, "we know it")
    token = take_lease(store)
    for number in FIRST:
        settle(store, number, token, judge == "guardrails")
    program = Path(__file__).with_name("automation_crowd.py")
    together(
        [[sys.executable, str(program), url, str(directory), str(number), judge] for number in range(WORKERS)]
    )
    assert store.check_ledger() == []
    found = store.ledger(limit=100_000)
    store.close()
    return found


def check(entries: list[LedgerEntry]) -> None:
    judged = [entry for entry in entries if entry.kind is EntryKind.JUDGED]
    assert {entry.run_id for entry in judged} == {f"p{number}" for number in range(PLANS)}
    assert exceeded(LedgerBalance(BUDGET, LIMITS, GROUPS), entries) == []
    assert len([entry for entry in entries if entry.kind is EntryKind.RESERVED]) >= 5


def reasons(entries: list[LedgerEntry], what: str) -> set[str]:
    """What stood in somebody's way: nothing was shown of a limit that nobody met."""
    judged = [json.loads(entry.body) for entry in entries if entry.kind is EntryKind.JUDGED]
    return {str(one[what]) for body in judged for one in body["judgement"]["verdicts"] if one["outcome"] > 0}


LIMITED = {
    "the hour's budget", "the hour's churn", "the runbook's rate", "the rate of all", "a target is busy",
    "too much of a group",
}  # fmt: skip
GUARDED = {"blast radius", "budget", "rate", "exclusion"}


def test_limits_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    entries = crowd(postgres_url, tmp_path, "limits")
    check(entries)
    assert reasons(entries, "reason") >= LIMITED


@pytest.mark.long
def test_limits_on_sqlite(tmp_path: Path) -> None:
    entries = crowd(f"sqlite:///{tmp_path / 'control.db'}", tmp_path, "limits")
    check(entries)
    assert reasons(entries, "reason") >= LIMITED


@pytest.mark.long
def test_guardrails_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    entries = crowd(postgres_url, tmp_path, "guardrails")
    check(entries)
    assert reasons(entries, "guardrail") >= GUARDED


@pytest.mark.long
def test_guardrails_on_sqlite(tmp_path: Path) -> None:
    entries = crowd(f"sqlite:///{tmp_path / 'control.db'}", tmp_path, "guardrails")
    check(entries)
    assert reasons(entries, "guardrail") >= GUARDED


_OPEN = """
import sys
from pathlib import Path
from stormpetrel.adapters.store.control import open_control_store
print("ready", flush=True)
sys.stdin.readline()
store = open_control_store(sys.argv[1], Path(sys.argv[2]))
store.take_lease(sys.argv[3], 1, 60.0)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_that_open_a_new_store_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
    together([[sys.executable, "-c", _OPEN, url, str(tmp_path), str(number)] for number in range(4)])
    store = open_control_store(url, tmp_path, FakeClock(NOW))
    assert store.check_ledger() == []
    assert [one.kind for one in store.ledger()] == [EntryKind.LEASE]
    store.close()


def test_the_journal_of_a_new_file_is_set_by_several_at_once(tmp_path: Path) -> None:
    """SQLite lets one of them set it and refuses the others without waiting: about one file in twelve."""

    def begin(url: URL, start: Barrier) -> str:
        engine = engine_of(url)
        try:
            start.wait()
            with engine.begin() as connection:
                return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            url, start = make_url(f"sqlite:///{tmp_path / str(number)}.db"), Barrier(8)
            assert set(pool.map(begin, [url] * 8, [start] * 8)) == {"wal"}
