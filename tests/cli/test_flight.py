"""`petrel flight`: by itself over a data directory, and by asking the server that runs on one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.app.flights.past import DAY, START, write_past
from tests.web.estate import Estate
from tests.web.estate_flights import NAME, REPORT, flight
from tests.web.serve import server
from typer.testing import CliRunner

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.backup.snapshot import ADDRESS
from stormpetrel.app.config import Config
from stormpetrel.cli import main
from stormpetrel.cli.flight_ask import ask_server, server_of
from stormpetrel.cli.flight_show import show
from stormpetrel.cli.remote import ServerError
from stormpetrel.errors import AuthError, ConfigError, StateError, StoreLockedError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.access import Scope
from stormpetrel.model.flight import Flight
from stormpetrel.model.job import JobState
from stormpetrel.model.time import Window

RUN = CliRunner()
WINDOW = Window(START, START + 8 * DAY)
CONFIG = """
[automation]
library = ["restart-failed-service", "scale-out"]

[actuators.here]
type = "collect"
targets = {"service:shop" = {}}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with half a day of telemetry, and a configuration beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    store = open_store(Config().store, folder)
    write_past(store, SeriesRegistry(), 0.5)
    store.close()
    (tmp_path / "petrel.toml").write_text(CONFIG)
    return folder


def fly(data: Path, *more: str) -> tuple[int, str, str]:
    arguments = ["flight", "--data-dir", str(data), "--config", str(data.parent / "petrel.toml")]
    times = ["--from", "2026-01-01", "--to", "2026-01-01T12:00:00Z"]
    found = RUN.invoke(main.app, [*arguments, *times, *more], env={"COLUMNS": "200", "STORMPETREL_TOKEN": ""})
    return found.exit_code, found.stdout, found.stderr


def test_it_flies_over_a_data_directory_and_the_days_count(data: Path) -> None:
    code, text, told = fly(data, "--json")
    assert code == 0, told
    report = json.loads(text)
    assert report["covered_days"] == 0.5
    names = [(one["name"], one["level"]) for one in report["runbooks"]]
    assert names == [("restart-failed-service", "auto"), ("scale-out", "auto")]
    assert report["notes"][0].startswith("Every runbook was flown as if signed")
    control = open_control_store(f"sqlite:///{data / 'control.sqlite'}", data)
    assert {row.runbook.name: row.track.replay_days for row in control.runbooks()} == {
        "restart-failed-service": 0.5,
        "scale-out": 0.5,
    }
    control.close()


def test_without_anything_to_fly_it_says_what_is_missing(data: Path) -> None:
    (data.parent / "petrel.toml").write_text('[automation]\nlibrary = ["scale-out"]\n')
    code, _, told = fly(data)
    assert (code, "no actuator is configured" in told) == (2, True)


class Landing(Estate):
    """A server whose flights end at once."""

    ends = JobState.DONE

    def flight(self, flight_id: str) -> Flight:
        return flight(self.ends)


def test_a_running_one_is_asked_and_waited_for() -> None:
    estate = Landing()
    estate._token("both", "agent-both", frozenset({Scope.READ, Scope.RESPOND}), "ada")
    with server(estate) as base:
        assert ask_server(base, "both", WINDOW, lambda _share: None) == REPORT
        assert estate.flown == [(WINDOW, "agent-both")]
        with pytest.raises(ServerError, match="needs a token with scope read and respond"):
            ask_server(base, "read-token", WINDOW, lambda _share: None)
        with pytest.raises(ServerError, match="the token is not known there"):
            ask_server(base, "unknown", WINDOW, lambda _share: None)
        with pytest.raises(AuthError, match="give a token with the scopes read and respond"):
            ask_server(base, "", WINDOW, lambda _share: None)
        with pytest.raises(ConfigError, match="longer than 31 days"):
            ask_server(base, "both", Window(START, START + 40 * DAY), lambda _share: None)
        estate.ends = JobState.FAILED
        with pytest.raises(StateError, match="is failed"):
            ask_server(base, "both", WINDOW, lambda _share: None)
    with pytest.raises(ServerError, match="gives no answer"):
        ask_server(base, "both", WINDOW, lambda _share: None)


def test_the_server_is_the_one_on_the_data_directory(tmp_path: Path) -> None:
    config, locked = Config(data_dir=tmp_path), StoreLockedError("in use")
    with pytest.raises(StoreLockedError):
        server_of(config, locked)
    (tmp_path / ADDRESS).write_text("http://127.0.0.1:7780\n")
    assert server_of(config, locked) == "http://127.0.0.1:7780"


def test_a_report_is_shown_with_its_reasons_and_its_plans(capsys: pytest.CaptureFixture[str]) -> None:
    show(REPORT, NAME)
    text = capsys.readouterr().out
    for words in (
        "refused by 15 budget: 1 plan of 1 incident; 9 of 10 are spent",
        "asked people for 8 context",
        "during a deploy: 1 plan, 0 of them acted",
        "people said: the cause was another",
        "afterwards, without it: well",
        f"digest {'d' * 64}",
    ):
        assert words in text, words
    assert "\x1b[31m" not in text, "strangers' text does not steer the terminal"
