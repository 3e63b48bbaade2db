"""The journal of keys: what is on record survives, and one key is held by one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stormpetrel.adapters.actuate import journal as module
from stormpetrel.adapters.actuate.journal import DONE, INTENDED, KeyJournal

KILLED = """
import os, signal, sys
from pathlib import Path
from stormpetrel.adapters.actuate.journal import KeyJournal
journal = KeyJournal(Path(sys.argv[1]))
with journal.alone("k", 5) as alone:
    assert alone
    journal.intend("k", "digest", "before")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_intention_survives_kill_and_its_lock_does_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        journal = KeyJournal(tmp_path)
        with journal.alone("k", 0.05) as alone:
            assert not alone  # another process holds it
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with journal.alone("k", 5) as alone:
        assert alone
        record = journal.look("k")
    assert record is not None
    assert (record.state, record.digest, record.before) == (INTENDED, "digest", "before")


def test_a_key_is_held_by_one_thread(tmp_path: Path) -> None:
    journal = KeyJournal(tmp_path)
    found: list[bool] = []

    def other() -> None:
        with journal.alone("k", 0.05) as alone:
            found.append(alone)

    with journal.alone("k", 5) as alone:
        assert alone
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert found == [False, True]


def test_tokens_only_rise(tmp_path: Path) -> None:
    journal = KeyJournal(tmp_path)
    assert journal.raise_token(3)
    assert journal.raise_token(3)
    assert not journal.raise_token(2)
    assert not KeyJournal(tmp_path).raise_token(2)
    assert journal.raise_token(4)


def test_it_is_bounded_and_forgets_nothing_that_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 5)
    journal = KeyJournal(tmp_path)
    journal.intend("in doubt", "d", "b")
    for number in range(12):
        journal.intend(f"k{number}", "d", "b")
        journal.settle(f"k{number}", DONE, "a")
    kept = [number for number in range(12) if journal.look(f"k{number}") is not None]
    assert kept == [7, 8, 9, 10, 11]
    record = journal.look("in doubt")
    assert record is not None
    assert record.state == INTENDED


def test_others_cannot_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    KeyJournal(folder).intend("k", "d", "b")
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "keys.sqlite").stat().st_mode & 0o077 == 0


def test_changes_of_ours_lead_from_one_generation_to_another(tmp_path: Path) -> None:
    journal = KeyJournal(tmp_path)
    journal.add_change("service:a", "1", "2")
    journal.add_change("service:b", "2", "9")
    journal.add_change("service:a", "2", "3")
    assert journal.leads("service:a", "1", "3")
    assert journal.leads("service:a", "2", "3")
    assert not journal.leads("service:a", "3", "1")
    assert not journal.leads("service:a", "1", "4")
    assert not journal.leads("service:a", "2", "9")
