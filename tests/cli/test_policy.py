"""`petrel policy verify`, as a user runs it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.guardrails.leader import Leader
from stormpetrel.act.policy import Policy
from stormpetrel.app import policy as app_policy
from stormpetrel.app import registry
from stormpetrel.app.config import Config, load_config
from stormpetrel.cli import policy as cli_policy
from stormpetrel.cli.main import app
from stormpetrel.errors import ConfigError


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["policy", "verify", *arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "petrel.toml"
    file.write_text(
        f'data_dir = "{tmp_path}/data"\n[automation]\nlibrary = ["restart-failed-service", "scale-out"]\n'
        "[automation.limits]\nruns_per_hour = 2\n"
    )
    return file


def test_the_shipped_numbers_hold(config: Path) -> None:
    done = run("--config", str(config))
    assert done.exit_code == 0, done.output
    assert done.output.count("holds: ") == 5
    assert "All hold, for 2 runbooks and 20 guardrails." in done.output


def test_as_json(config: Path) -> None:
    done = run("--config", str(config), "--json")
    found = json.loads(done.output)
    assert (done.exit_code, found["faults"]) == (0, [])
    assert [one["hole"] for one in found["proofs"]] == [None] * 5


def test_a_hole_is_told_as_a_story(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = app_policy.policy_of

    def broken(given: Config) -> tuple[Policy, list[str]]:
        found, faults = real(given)
        return replace(found, guardrails=GUARDRAILS[:4] + GUARDRAILS[5:]), faults

    monkeypatch.setattr(cli_policy, "policy_of", broken)
    done = run("--config", str(config))
    assert done.exit_code == 1
    assert "DOES NOT HOLD: no destructive action" in done.output
    assert "It runs." in done.output
    assert "All hold" not in done.output


def test_a_runbook_that_cannot_be_read_is_said(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "runbooks"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("name: [")
    done = run("--config", str(config))
    assert done.exit_code == 1
    assert "bad.yaml" in done.output


Points = Callable[..., Iterator[EntryPoint]]


def doors(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """The installed entry points, with some more or others."""
    real = {point.name: point for point in entry_points(group=app_policy.POINTS)}
    real |= {name: EntryPoint(name, value, app_policy.POINTS) for name, value in more.items()}
    use(monkeypatch, list(real.values()))


def use(monkeypatch: pytest.MonkeyPatch, points: list[EntryPoint]) -> None:
    """These are the entry points."""
    for module in (registry, app_policy):
        monkeypatch.setattr(module, "entry_points", lambda **given: EntryPoints(points).select(**given))


def test_one_name_for_two_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = EntryPoint("leader", "tests.act.guardrails.test_contract:Mine", app_policy.POINTS)
    use(monkeypatch, [*entry_points(group=app_policy.POINTS), twin])
    with pytest.raises(ConfigError, match="two guardrails are called leader"):
        app_policy.installed_guardrails()


def test_guardrails_of_others_come_after_the_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    doors(monkeypatch, a_first_by_name="tests.act.guardrails.test_contract:Mine")
    found = app_policy.installed_guardrails()
    assert found[:20] == GUARDRAILS
    assert [one.name for one in found[20:]] == ["not on Fridays"]


@pytest.mark.parametrize("value", ["tests.act.guardrails.test_contract:Mine", "builtins:object"])
def test_none_of_the_twenty_can_be_replaced(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    doors(monkeypatch, leader=value)
    with pytest.raises(ConfigError, match=Leader.__name__):
        app_policy.installed_guardrails()


def test_one_that_cannot_be_made_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    doors(monkeypatch, mine="fractions:gcd_of_nothing")
    with pytest.raises(ConfigError, match="mine"):
        app_policy.installed_guardrails()
    doors(monkeypatch, mine="stormpetrel.act.policy:Policy")
    with pytest.raises(ConfigError, match="cannot be made"):
        app_policy.installed_guardrails()


def test_the_defaults_are_a_policy(tmp_path: Path) -> None:
    found, faults = app_policy.policy_of(load_config(None, {"data_dir": str(tmp_path)}))
    assert (len(found.guardrails), found.rows, faults) == (20, (), [])
