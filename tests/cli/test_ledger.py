from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.cli import main
from stormpetrel.testing.automation_samples import BUDGET, limit_judge, sample_facts, sample_plan, sample_run
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

RUN = CliRunner()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a ledger of seven entries."""
    store = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}", tmp_path, FakeClock(NOW))
    for number in range(2):
        run = sample_run(sample_plan(f"r{number}\x1b[31m", spend=90.0))
        store.admit(sample_facts(run), limit_judge(run.plan), run, BUDGET)
    store.close()
    return tmp_path


def petrel(*words: object, data_dir: Path | None = None) -> Result:
    more = [] if data_dir is None else ["--data-dir", str(data_dir)]
    return RUN.invoke(main.app, [*map(str, words), *more], env={"COLUMNS": "400"})


@pytest.mark.parametrize(("group", "commands"), [
    ("ledger", ("verify", "export", "tail")), ("kill-switch", ("engage", "release", "status")),
])  # fmt: skip
def test_help_teaches_by_examples_and_names_the_exit_codes(group: str, commands: tuple[str, ...]) -> None:
    for command in commands:
        found = petrel(group, command, "--help")
        assert found.exit_code == 0
        assert f"petrel {group} {command}" in found.stdout
        assert "Examples" in found.stdout
        assert "Exit codes" in found.stdout


def test_a_whole_ledger_is_verified_and_shown(data_dir: Path) -> None:
    found = petrel("ledger", "verify", data_dir=data_dir)
    assert (found.exit_code, found.stdout[:18]) == (0, "7 entries, whole. ")
    shown = petrel("ledger", "tail", "-n", 3, data_dir=data_dir).stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["5", "6", "7"]
    assert "\x1b" not in shown
    assert "refused" in shown


def test_an_export_is_verified_without_a_store(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    assert petrel("ledger", "export", "--out", file, data_dir=data_dir).exit_code == 0
    assert petrel("ledger", "export", data_dir=data_dir).stdout == file.read_text(encoding="utf-8")
    assert petrel("ledger", "export", "--out", file, data_dir=data_dir).exit_code == 2
    assert petrel("ledger", "verify", file, "--key", data_dir / "ledger.key").exit_code == 0
    (tmp_path / "other.key").write_text("00" * 32)
    found = petrel("ledger", "verify", file, "--key", tmp_path / "other.key")
    assert (found.exit_code, "not sealed" in found.stderr) == (1, True)


def test_a_file_that_was_changed_is_found(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    petrel("ledger", "export", "--out", file, data_dir=data_dir)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    for words, broken in (
        ("was changed", [*lines[:2], lines[2].replace("petrel", "petrol", 1), *lines[3:]]),
        ("missing or moved", [*lines[:2], *lines[3:]]),
        ("tells of 7 entries", [*lines[:6], lines[7]]),
        ("does not end with its head", lines[:7]),
    ):
        file.write_text("".join(broken), encoding="utf-8")
        found = petrel("ledger", "verify", file)
        assert (found.exit_code, words in found.stderr) == (1, True), (words, found.stderr)
    file.write_text(lines[0] + "{}\n", encoding="utf-8")
    found = petrel("ledger", "verify", file)
    assert (found.exit_code, "line 2 is no entry" in found.stderr) == (2, True)


def test_one_run_is_exported(data_dir: Path) -> None:
    lines = petrel("ledger", "export", "--run", "r1\x1b[31m", data_dir=data_dir).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["proposed", "judged", "state"]


def test_the_kill_switch_takes_two_to_release(data_dir: Path) -> None:
    assert petrel("kill-switch", "status", data_dir=data_dir).exit_code == 0
    found = petrel("kill-switch", "engage", "--by", "ann", "-r", "smoke [/b]", data_dir=data_dir)
    assert found.exit_code == 0
    found = petrel("kill-switch", "status", data_dir=data_dir)
    assert (found.exit_code, "global: engaged by ann" in found.stdout, "smoke [/b]" in found.stdout) == (
        1,
        True,
        True,
    )
    assert petrel("kill-switch", "release", "--by", "ann", data_dir=data_dir).exit_code == 1
    assert petrel("kill-switch", "release", "--by", "bo", data_dir=data_dir).exit_code == 0
    assert petrel("kill-switch", "status", data_dir=data_dir).exit_code == 0
    assert petrel("kill-switch", "release", "--by", "bo", data_dir=data_dir).exit_code == 1
    assert petrel("kill-switch", "engage", "--scope", "everything", data_dir=data_dir).exit_code == 2


def test_a_store_that_is_elsewhere_is_not_made_here_and_the_file_engages_it(tmp_path: Path) -> None:
    found = petrel("kill-switch", "engage", "--by", "ann", data_dir=tmp_path)
    assert (found.exit_code, "then give --config" in found.stderr) == (0, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kill-switch"], (
        "a switch that nobody would read"
    )
    assert petrel("kill-switch", "engage", "-s", "service:x", data_dir=tmp_path).exit_code == 1
    assert petrel("ledger", "verify", data_dir=tmp_path).exit_code == 1


def test_without_a_store_the_file_engages_it(tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").write_text("no database" * 99)
    found = petrel("kill-switch", "engage", "--by", "ann", "-r", "now", data_dir=tmp_path)
    assert (found.exit_code, "engages it instead" in found.stderr) == (0, True)
    assert (tmp_path / "kill-switch").read_text() == "ann: now\n"
    assert petrel("kill-switch", "engage", "-s", "runbook:x", data_dir=tmp_path).exit_code == 1
    found = petrel("kill-switch", "release", "--by", "ann", data_dir=tmp_path)
    assert (found.exit_code, "remove the file first" in found.stderr) == (2, True)
