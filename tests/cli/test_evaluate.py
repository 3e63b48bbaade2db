from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormpetrel.cli import evaluate
from stormpetrel.cli.main import app
from stormpetrel.evaluate.report import EvaluationReport

RUN = CliRunner()
REPORT = EvaluationReport("metrics", ("set", "f1"), (("a", 0.25),), {"f1": 0.25}, ("small.",))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Path, str | None]]:
    """Evaluations that only remember what they were asked for."""
    asked: list[tuple[str, Path, Path, str | None]] = []

    def run(area: str, data: Path, out: Path, text: str | None = None) -> EvaluationReport:
        asked.append((area, data, out, text))
        return REPORT

    monkeypatch.setattr(evaluate, "run", run)
    return asked


def test_an_area_is_run_and_its_report_shown(
    tmp_path: Path, seen: list[tuple[str, Path, Path, str | None]]
) -> None:
    arguments = ["evaluate", "metrics", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    found = RUN.invoke(app, arguments)
    assert (found.exit_code, found.stdout) == (0, REPORT.as_text())
    assert seen == [("metrics", tmp_path, tmp_path / "out", None)]
    as_json = RUN.invoke(app, [*arguments, "--json", "--text", "content"])
    assert seen[-1][3] == "content"
    assert json.loads(as_json.stdout)["figures"] == {"f1": 0.25}


def test_an_unknown_area_lists_the_known_and_missing_data_is_named(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    unknown = RUN.invoke(app, ["evaluate", "flood", "--data", str(tmp_path), "--out", out])
    assert unknown.exit_code == 2
    assert "flood" in unknown.stderr
    assert "metrics" in unknown.stderr
    missing = RUN.invoke(app, ["evaluate", "metrics", "--data", str(tmp_path / "none"), "--out", out])
    assert missing.exit_code == 2
    assert "no such directory" in missing.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("No module named 'x'"), "cannot be loaded: No module named 'x'"),
        (PermissionError(13, "Permission denied", "/o"), "/o: Permission denied; check --data and --out"),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def run(_area: str, _data: Path, _out: Path, _text: str | None = None) -> EvaluationReport:
        raise error

    monkeypatch.setattr(evaluate, "run", run)
    found = RUN.invoke(app, ["evaluate", "metrics", "--data", ".", "--out", "o"])
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.output
