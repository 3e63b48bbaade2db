"""Following log files: rotation, truncation, restarts, refusals, odd bytes; always with exact counts."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.sources.times import find_time

from stormpetrel.adapters.sources.files import FileSource, Pace
from stormpetrel.app.config_sources import LogSourceConfig
from stormpetrel.errors import StoreError, UnstorableError
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake, MemoryPositions

QUICK = Pace(poll_seconds=0.02, rescan_seconds=0.05, linger_seconds=0.3)


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def positions() -> MemoryPositions:
    return MemoryPositions()


@pytest.fixture
def make(tmp_path: Path, positions: MemoryPositions) -> Any:
    def source(from_start: bool = True, pattern: str = "*.log", **limits: int) -> FileSource:
        config = LogSourceConfig(
            files=[str(tmp_path / pattern)], from_start=from_start, **{"first_bytes": 0, **limits}
        )
        return FileSource(config, positions, FakeClock(), "box", find_time, QUICK)

    return source


def lines(start: int, stop: int) -> list[str]:
    return [f"line number {k} of the log" for k in range(start, stop)]


def append(path: Path, texts: list[str]) -> None:
    with path.open("a") as out:
        out.writelines(f"{text}\n" for text in texts)


def test_reads_on_as_the_file_grows(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    log = tmp_path / "a.log"
    append(log, lines(0, 10))
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 10)
        append(log, lines(10, 30))
        until(lambda: len(intake.bodies()) == 30)
    assert intake.bodies() == lines(0, 30)
    row = intake.log_rows()[0]
    assert (row["entity"], row["source"]) == ("host:box", "files")
    assert row["attributes"] == f'{{"log.file.path": "{log}"}}'


def test_starts_at_the_end_of_old_files_and_the_start_of_new_ones(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    append(tmp_path / "old.log", lines(0, 10))
    with (tmp_path / "old.log").open("a") as out:
        out.write("half a li")
    with running(make(from_start=False), intake):
        time.sleep(0.2)
        with (tmp_path / "old.log").open("a") as out:
            out.write("ne\n")
        append(tmp_path / "old.log", ["fresh"])
        append(tmp_path / "new.log", ["first"])
        until(lambda: len(intake.bodies()) == 2)
    assert sorted(intake.bodies()) == ["first", "fresh"]


def test_a_partial_line_waits_for_its_end(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntw")
    with running(make(), intake):
        until(lambda: intake.bodies() == ["one"])
        time.sleep(0.1)
        with log.open("a") as out:
            out.write("o\nthree\n")
        until(lambda: len(intake.bodies()) == 3)
    assert intake.bodies() == ["one", "two", "three"]


def test_long_lines_are_cut_and_marked(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"short\n" + b"x" * 1000 + b"\nnext\n" + b"y" * 3_000_000 + b"\nlast\n")
    with running(make(max_line_bytes=256), intake):
        until(lambda: "last" in intake.bodies())
    assert intake.bodies() == ["short", "x" * 256, "next", "y" * 256, "last"]
    cut = ["log.truncated" in str(row["attributes"]) for row in intake.log_rows()]
    assert cut == [False, True, False, True, False]


def test_odd_bytes_are_replaced(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    (tmp_path / "a.log").write_bytes(
        b"\xff\xfe ok\r\n\n   \n\0\0\0\0sparse\n" + bytes(range(256)) + b"\nend\n"
    )
    with running(make(), intake):
        until(lambda: "end" in intake.bodies())
    assert intake.bodies()[:2] == ["\ufffd\ufffd ok", "sparse"]


def rename_rotation(log: Path) -> None:
    log.rename(log.with_name(log.name + ".1"))
    log.touch()


def dated_rename_rotation(log: Path) -> None:
    log.rename(log.with_name(f"{log.stem}-{time.monotonic_ns()}.log"))  # matches the pattern itself
    log.touch()


def copy_and_truncate(log: Path) -> None:
    shutil.copyfile(log, log.with_name(f"{log.name}.{time.monotonic_ns()}"))
    with log.open("r+") as out:
        out.truncate(0)


def dated_copy_and_truncate(log: Path) -> None:
    shutil.copyfile(log, log.with_name(f"{log.stem}-{time.monotonic_ns()}.log"))
    time.sleep(0.1)  # long enough for the copy to be found as a file of its own
    with log.open("r+") as out:
        out.truncate(0)


ROTATIONS = [rename_rotation, dated_rename_rotation, copy_and_truncate, dated_copy_and_truncate]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_every_line_once_over_rotation_while_writing(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any, rotate: Any
) -> None:
    log = tmp_path / "app.log"
    log.touch()
    total = 6000

    def write() -> None:
        for k in range(0, total, 100):
            append(log, lines(k, k + 100))
            time.sleep(0.01)
            if k % 1500 == 1400:
                rotate(log)

    with running(make(), intake):
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        until(lambda: len(intake.bodies()) >= total)
        time.sleep(0.6)  # beyond the linger: nothing is read twice under its new name
    assert sorted(intake.bodies()) == sorted(lines(0, total))


def test_a_writer_that_has_not_let_go_is_still_read(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    log = tmp_path / "app.log"
    with log.open("a") as held, running(make(), intake):
        held.write("before\n")
        held.flush()
        until(lambda: intake.bodies() == ["before"])
        log.rename(tmp_path / "app.log.1")
        append(log, ["new file"])
        held.write("late\nunfinished")
        held.flush()
        until(lambda: len(intake.bodies()) == 4)
    assert sorted(intake.bodies()) == ["before", "late", "new file", "unfinished"]


@pytest.mark.parametrize("rotate", [*ROTATIONS, None])
def test_a_restart_goes_on_where_it_was(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any, rotate: Any
) -> None:
    log = tmp_path / "app.log"
    append(log, lines(0, 100))
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 100)
    append(log, lines(100, 150))
    if rotate is not None:
        rotate(log)
    append(log, lines(150, 200))
    with running(make(from_start=False), intake):
        until(lambda: len(intake.bodies()) >= 200)
        time.sleep(0.6)
    assert sorted(intake.bodies()) == sorted(lines(0, 200))
    assert intake.repeated == 0


def test_what_was_under_way_is_sent_again_with_the_same_token(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    append(tmp_path / "app.log", lines(0, 50))
    intake.hold()
    with running(make(), intake):
        until(lambda: intake.held == 1)
    append(tmp_path / "app.log", lines(50, 60))  # must not join the range that is sent again
    intake.release()  # stored, but the answer came too late
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 60)
    assert intake.repeated == 1
    assert intake.bodies() == lines(0, 60)


def test_positions_move_only_when_acknowledged(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    append(tmp_path / "app.log", lines(0, 50))
    key = f"files:{tmp_path / 'app.log'}"
    intake.hold()
    with running(make(), intake):
        until(lambda: intake.held == 1)
        assert '"start": 0,' in str(positions.get(key))
        intake.release()
        until(lambda: '"start": 0,' not in str(positions.get(key)))


def test_refusals_are_waited_out(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    append(tmp_path / "app.log", lines(0, 50))
    intake.overload(2)
    intake.fail(StoreError("the disk is away"), 1)
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 50)
    assert [refusal.reason for refusal in intake.refusals()] == ["overloaded", "overloaded", "store"]


def test_what_can_never_be_stored_is_passed_over_and_counted(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    append(tmp_path / "app.log", lines(0, 50))
    intake.fail(UnstorableError("its client does not digest this"), 1)
    with running(make(), intake):
        until(lambda: len(intake.refusals()) == 1)
        append(tmp_path / "app.log", lines(50, 60))
        until(lambda: len(intake.bodies()) > 0)
        until(lambda: intake.bodies()[-1:] == lines(59, 60))
    (refusal,) = intake.refusals()
    assert refusal.reason == "unstorable"
    assert refusal.rows + len(intake.bodies()) == 60


def test_one_chunk_a_file_is_under_way(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    for name in ("a.log", "b.log"):
        append(tmp_path / name, ["x" * 1000] * 3000)
    intake.hold()
    with running(make(), intake):
        until(lambda: intake.held == 2)
        time.sleep(0.2)
        assert intake.held == 2
        intake.release()
        until(lambda: len(intake.bodies()) == 6000)


def test_a_truncated_file_begins_anew_though_its_bytes_repeat(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    log = tmp_path / "app.log"
    append(log, ["tick"] * 100)
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 100)
        log.write_text("")
        time.sleep(0.2)
        append(log, ["tick"] * 100)
        until(lambda: len(intake.bodies()) == 200)
    assert intake.repeated == 0


def test_a_damaged_position_is_reported(
    tmp_path: Path, make: Any, intake: MemoryIntake, positions: MemoryPositions, running: Any, until: Any
) -> None:
    append(tmp_path / "app.log", lines(0, 5))
    positions.put(f"files:{tmp_path / 'app.log'}", '{"open": [{"inode": "x"}], "left": []}')
    with running(make(), intake):
        until(lambda: len(intake.bodies()) == 5)
    assert [refusal.reason for refusal in intake.refusals()] == ["position_damaged"]


def test_too_many_files_are_reported(
    tmp_path: Path, make: Any, intake: MemoryIntake, running: Any, until: Any
) -> None:
    for k in range(510):
        (tmp_path / f"{k}.log").touch()
    with running(make(), intake):
        until(lambda: [(r.reason, r.rows) for r in intake.refusals()] == [("too_many_files", 10)])


def test_contract(tmp_path: Path) -> None:
    append(tmp_path / "app.log", lines(0, 5))
    config = LogSourceConfig(files=[str(tmp_path / "*.log")], from_start=True)
    check_source(lambda: FileSource(config, MemoryPositions(), FakeClock(), "box", find_time, QUICK))


@pytest.mark.parametrize(("first_bytes", "wanted"), [(0, 0), (60, 2), (100_000, 10)])
def test_of_a_file_that_was_there_the_end_is_read_first(
    tmp_path: Path, make: Any, running: Any, until: Any, first_bytes: int, wanted: int
) -> None:
    intake = MemoryIntake()
    append(tmp_path / "old.log", lines(0, 10))
    with running(make(from_start=False, first_bytes=first_bytes), intake):
        until(lambda: len(intake.bodies()) == wanted)
        time.sleep(0.1)
        append(tmp_path / "old.log", ["fresh"])
        until(lambda: "fresh" in intake.bodies())
    assert intake.bodies() == [*lines(10 - wanted, 10), "fresh"]
