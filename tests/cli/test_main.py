from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormpetrel import __version__
from stormpetrel.cli import main
from stormpetrel.cli.console import exit_code, say_error
from stormpetrel.errors import ConfigError, OverloadedError, StoreLockedError, StormPetrelError

RUN = CliRunner()


def test_version() -> None:
    found = RUN.invoke(main.app, ["--version"])
    assert (found.exit_code, found.stdout) == (0, f"petrel {__version__}\n")


@pytest.mark.parametrize("command", [*main.COMMANDS, *main.GROUPS])
def test_help_teaches_by_examples_and_names_the_exit_codes(command: str) -> None:
    found = RUN.invoke(main.app, [command, "--help"], env={"COLUMNS": "200"})
    assert found.exit_code == 0
    assert f"petrel {command}" in found.stdout
    assert "Examples" in found.stdout
    assert "Exit codes" in found.stdout


def test_without_a_command_it_shows_all_commands() -> None:
    found = RUN.invoke(main.app, [])
    assert found.exit_code == 2
    assert all(name in found.output for name in [*main.COMMANDS, *main.GROUPS])


def test_an_unknown_command_is_no_traceback() -> None:
    found = RUN.invoke(main.app, ["upp"])
    assert found.exit_code == 2
    assert "No such command" in found.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (StoreLockedError("x"), 3),
        (OverloadedError("x"), 1),
        (StormPetrelError("x"), 1),
    ],
)
def test_exit_codes(error: StormPetrelError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_one_line_on_stderr_and_its_brackets_are_not_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_error(ConfigError("[bold]server[/bold] " + "long " * 60))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("petrel: [bold]server[/bold] long")
    assert told.err.count("\n") == 1


def test_errors_are_plain_unless_debug_asks_for_the_traceback(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    plain = RUN.invoke(main.app, ["check-config", missing])
    assert plain.exit_code == 2
    assert "Traceback" not in plain.output
    assert "no such file" in plain.stderr
    debug = RUN.invoke(main.app, ["--debug", "check-config", missing])
    assert isinstance(debug.exception, ConfigError)


def test_a_data_directory_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a directory")
    wanted = tmp_path / "file" / "data"
    with pytest.raises(SystemExit) as stopped:
        main.app(["up", "--data-dir", str(wanted), "--port", "0"])
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert str(wanted) in told
    assert "--data-dir" in told
    assert "Traceback" not in told
