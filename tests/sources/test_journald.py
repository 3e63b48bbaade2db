"""Following a journal, with a program that speaks as `journalctl -o json --follow` does."""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stormpetrel.adapters.sources import journald
from stormpetrel.adapters.sources.journald import POSITION_KEY, JournaldSource
from stormpetrel.app.config_sources import LogSourceConfig
from stormpetrel.errors import StoreError
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake, MemoryPositions

NOW = 1_700_000_000

# Prints the journal's records after the cursor asked for, then waits for more; ends when `end` exists. As
# journalctl(1) says, a field of more than 4096 bytes is null without --all.
PROGRAM = """#!{python}
import sys, time, pathlib, json
folder = pathlib.Path({folder!r})
journal = folder / "journal"
after = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--after-cursor=")]
sent = 0 if after or {from_start} else len(journal.read_bytes().splitlines())
seen = not after
def shown(line):
    if "--all" in sys.argv or len(line) <= 4096:
        return line
    told = json.loads(line)
    short = {{k: None if len(str(v)) > 4096 else v for k, v in told.items()}}
    return json.dumps(short).encode() + b"\\n"
while not (folder / "end").exists():
    lines = journal.read_bytes().splitlines(keepends=True)
    for line in lines[sent:]:
        if seen:
            sys.stdout.buffer.write(shown(line))
        elif json.loads(line)["__CURSOR"] == after[0]:
            seen = True
    sys.stdout.flush()
    sent = len(lines)
    time.sleep(0.01)
(folder / "end").unlink()
sys.exit("the journal was rotated away")
"""


def write_program(folder: Path, from_start: bool = False) -> str:
    program = folder / "journalctl"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), from_start=from_start))
    program.chmod(0o755)
    return str(program)


def record(number: int, **fields: object) -> bytes:
    told = {"__CURSOR": f"s=1;i={number}", "MESSAGE": f"message {number}", "PRIORITY": "6"}
    told["__REALTIME_TIMESTAMP"] = str((NOW - 100 + number) * 1_000_000)
    return json.dumps({**told, **fields}).encode() + b"\n"


def add(folder: Path, *records: bytes) -> None:
    with (folder / "journal").open("ab") as out:
        out.writelines(records)


@pytest.fixture
def intake() -> Any:
    return MemoryIntake()


@pytest.fixture
def positions() -> Any:
    return MemoryPositions()


@pytest.fixture
def make(tmp_path: Path, positions: MemoryPositions) -> Any:
    (tmp_path / "journal").touch()
    program = write_program(tmp_path)

    def source(**limits: Any) -> Any:
        return JournaldSource(
            LogSourceConfig(**limits), positions, FakeClock(from_seconds(NOW)), "box", program
        )

    return source


def test_new_records_are_read_with_what_they_say(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    add(tmp_path, record(0), record(1, PRIORITY="3", SYSLOG_IDENTIFIER="sshd", _PID="12"))
    add(tmp_path, record(2, MESSAGE=[104, 105, 255]), record(3, MESSAGE=None), record(4, MESSAGE="x" * 999))
    with running(make(max_line_bytes=256), intake):
        until(lambda: len(intake.bodies()) == 4)
    assert intake.bodies() == ["message 1", "hi\ufffd", "", "x" * 256]
    first = intake.log_rows()[0]
    assert (first["severity_number"], first["entity"]) == (17, "host:box")
    assert first["time_unix_nano"] == from_seconds(NOW - 99)
    assert json.loads(str(first["attributes"])) == {"process": "sshd", "process.pid": "12"}


def test_a_long_message_is_not_lost(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    add(tmp_path, record(0), record(1, MESSAGE="trace " + "x" * 5000))
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 1)
    assert intake.bodies() == ["trace " + "x" * 5000]


def test_the_cursor_moves_with_the_acknowledgement_and_is_gone_on_from(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    numbers = itertools.count(1)
    with running(make(), intake):  # from the present end: what is added once it looks
        while not intake.bodies():
            add(tmp_path, record(next(numbers)))
            time.sleep(0.05)
    seen, end = set(intake.bodies()), next(numbers)
    add(tmp_path, record(end), record(end + 1))
    with running(make(), intake):
        until(lambda: f"message {end + 1}" in intake.bodies())
    assert len(intake.bodies()) == len(set(intake.bodies()))
    assert {f"message {end}", f"message {end + 1}"} <= set(intake.bodies()) - seen


def test_a_batch_under_way_is_sent_again_with_the_same_token(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    add(tmp_path, record(0), record(1), record(2))
    intake.hold()
    with running(make(), intake):
        until(lambda: intake.held == 1)
    add(tmp_path, record(3))  # must not join the batch that is sent again
    intake.release()  # stored, but the answer came too late
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 3)
    assert intake.bodies() == ["message 1", "message 2", "message 3"]
    assert intake.repeated == 1


@pytest.mark.usefixtures("quick")
def test_a_pending_batch_that_is_gone_is_not_waited_for_long(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "s=1;i=99", "token": 5}')
    add(tmp_path, record(0), record(1))
    with running(make(), intake):
        until(lambda: intake.bodies() == ["message 1"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journald, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(journald, "PENDING_SECONDS", 0.3)


@pytest.mark.usefixtures("quick")
def test_the_program_is_started_again(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    add(tmp_path, record(0), record(1))
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 1)
        (tmp_path / "end").touch()
        until(intake.refusals)
        add(tmp_path, record(2))
        until(lambda: len(intake.bodies()) == 2)
    refusal = intake.refusals()[0]
    assert (refusal.reason, refusal.example) == ("journal_ended", "the journal was rotated away")


@pytest.mark.usefixtures("quick")
def test_refusals_are_waited_out(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    add(tmp_path, record(0), record(1))
    intake.overload(1)
    intake.fail(StoreError("the disk is away"))
    with running(make(), intake):
        until(lambda: intake.bodies() == ["message 1"])
    assert [refusal.reason for refusal in intake.refusals()] == ["overloaded", "store"]


def test_what_is_no_record_is_refused(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    positions.put(POSITION_KEY, '{"after": "s=1;i=0", "until": "", "token": 0}')
    bad = [b"[]\n", b'{"MESSAGE": "no cursor"}\n', b"garbage\n", b'{"__CURSOR": 5}\n', b"\n"]
    odd = record(9, PRIORITY="nine", __REALTIME_TIMESTAMP="never")
    add(tmp_path, record(0), *bad, odd)
    with running(make(), intake):
        until(intake.bodies)
    assert [(r.reason, r.rows) for r in intake.refusals()] == [("malformed", 1)] * 4
    row = intake.log_rows()[0]
    assert (row["severity_number"], row["time_unix_nano"]) == (0, from_seconds(NOW))


@pytest.mark.parametrize("text", ["garbage", "[]", '{"token": "x"}'])
def test_a_damaged_position_counts_as_none(make: Any, positions: MemoryPositions, text: str) -> None:
    positions.put(POSITION_KEY, text)
    assert make()._position == ("", "", 0)


def test_without_the_program_it_says_so_and_stops(
    intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    source = JournaldSource(LogSourceConfig(), positions, FakeClock(), "box", "no-such-journalctl")
    with running(source, intake):
        until(intake.refusals)
    assert [refusal.reason for refusal in intake.refusals()] == ["absent"]
    assert not JournaldSource.available("no-such-journalctl")


def test_contract(tmp_path: Path) -> None:
    program = write_program(tmp_path, from_start=True)
    add(tmp_path, record(1))
    clock = FakeClock(from_seconds(NOW))
    check_source(lambda: JournaldSource(LogSourceConfig(), MemoryPositions(), clock, "box", program))


def test_contract_where_there_is_nothing() -> None:
    check_source(
        lambda: JournaldSource(
            LogSourceConfig(), MemoryPositions(), FakeClock(), "box", "no-such-journalctl"
        ),
        produces=False,
    )
