from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormpetrel.cli import evaluate
from stormpetrel.cli.main import app

RUN = CliRunner()


@dataclass
class Report:
    f1: float
    out: Path


class Fixture:
    def run(self, data: Path, out: Path) -> Report:
        (out / "seen").write_text(data.name)
        return Report(0.5, out)


@pytest.fixture
def areas(monkeypatch: pytest.MonkeyPatch) -> None:
    group = evaluate.GROUP
    points = [
        EntryPoint("good", f"{__name__}:Fixture", group),
        EntryPoint("gone", "no.such.module:X", group),
        EntryPoint("value", f"{__name__}:RUN", group),
    ]
    monkeypatch.setattr(evaluate, "entry_points", lambda group: points)
    monkeypatch.setattr(EntryPoint, "load", _load)


def _load(point: EntryPoint) -> object:
    found: dict[str, object] = {"good": Fixture, "value": RUN}
    if point.name not in found:
        raise ImportError("No module named 'no'")
    return found[point.name]


@pytest.mark.usefixtures("areas")
def test_an_area_is_run_and_its_report_shown(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    arguments = ["evaluate", "good", "--data", str(tmp_path), "--out", str(out)]
    found = RUN.invoke(app, [*arguments, "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"f1": 0.5, "out": str(out)}
    assert (out / "seen").read_text() == tmp_path.name
    assert "f1=0.5" in RUN.invoke(app, arguments).stdout


@pytest.mark.usefixtures("areas")
@pytest.mark.parametrize(
    ("area", "data", "said"),
    [
        ("bad", ".", "there is no evaluation 'bad'; known: gone, good, value"),
        ("good", "none", "no such directory"),
        ("gone", ".", "cannot be loaded: No module named 'no'"),
        ("value", ".", "is not a class"),
    ],
)
def test_what_cannot_be_run_exits_with_2(tmp_path: Path, area: str, data: str, said: str) -> None:
    found = RUN.invoke(
        app, ["evaluate", area, "--data", str(tmp_path / data), "--out", str(tmp_path / "out")]
    )
    assert found.exit_code == 2
    assert said in found.stderr
