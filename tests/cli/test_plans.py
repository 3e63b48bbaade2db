"""Plans from the command line, over the real API of a server in this process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.estate import Estate
from tests.web.serve import server
from typer.testing import CliRunner

from stormpetrel.cli.main import app
from stormpetrel.model.run import RunState

RUN = CliRunner()


@pytest.fixture
def estate() -> Estate:
    return Estate()


@pytest.fixture
def url(estate: Estate) -> Iterator[str]:
    with server(estate) as address:
        yield address


def petrel(url: str, *arguments: str, token: str = "approve-token") -> tuple[int, str]:
    """What the command says, and its exit code."""
    found = RUN.invoke(app, [*arguments, "--url", url, "--token", token], env={"COLUMNS": "200"})
    return found.exit_code, " ".join(found.output.split())


def test_what_waits_and_what_runs_is_listed(url: str) -> None:
    code, text = petrel(url, "plans", token="read-token")
    assert code == 0
    assert "2 that wait for people" in text
    assert "No plans run." in text
    code, text = petrel(url, "plans", "--json", token="read-token")
    assert [one["run_id"] for one in json.loads(text)["waiting"]] == ["r1", "r3"]


def test_a_plan_is_shown_whole_and_nothing_of_it_steers_the_terminal(url: str, estate: Estate) -> None:
    code, text = petrel(url, "plans", "r1")
    assert code == 0
    for told in (
        "Plan r1", estate.automation_runs["r1"].plan_hash, "What changes", "At worst:", "Undo:", "Expected:",
        "Evidence:", "Blast radius:", "Cost:", "The 20 guardrails", "kill switch", "breaker", "Waits until",
    ):  # fmt: skip
        assert told in text, told
    assert "\x1b[31m" not in text
    assert "\u202e" not in text
    code, text = petrel(url, "plans", "r1", "--json")
    assert len(json.loads(text)["judgement"]["verdicts"]) == 20


def test_an_answer_names_the_hash_that_was_seen(url: str, estate: Estate) -> None:
    digest = estate.automation_runs["r1"].plan_hash
    for wrong in (["--yes"], ["--yes", "--hash", digest[:8]], []):
        code, text = petrel(url, "approve", "r1", *wrong)
        assert code == 2, text
    code, text = petrel(url, "approve", "r1", "--yes", "--hash", "f" * 64)
    assert code == 1
    assert "is not the one you saw any more" in text
    assert estate.answers == []
    code, text = petrel(url, "approve", "r1", "--yes", "--hash", digest[:12])
    assert code == 0, text
    assert "Agreed." in text
    assert estate.answers == [("r1", digest, True, "ada", "cli")], "in the name of who made the token"


def test_a_refusal_says_why(url: str, estate: Estate) -> None:
    assert petrel(url, "refuse", "r1", "--why", " ")[0] == 2
    assert petrel(url, "refuse", "r1")[0] == 2
    code, text = petrel(url, "refuse", "r1", "--why", "restoring")
    assert code == 0
    assert "Refused: r1 does not run." in text
    assert [(one, agreed) for one, _, agreed, _, _ in estate.answers] == [("r1", False)]


def test_what_cannot_be_done_says_why_and_what_to_do(url: str, estate: Estate) -> None:
    digest = estate.automation_runs["r2"].plan_hash
    agree = ("approve", "r2", "--yes", "--hash", digest)
    cases = [
        (("plans", "nothing"), "approve-token", "there is no run nothing"),
        (("plans",), "ingest-token", "lacks the scope read"),
        (("plans",), "unknown", "by --token-file"),
        (agree, "read-token", "a token with scope approve (an admin makes one"),
        (agree, "approve-token", "does not wait for an answer"),
    ]
    for arguments, token, told in cases:
        code, text = petrel(url, *arguments, token=token)
        assert code == 1, text
        assert told in text, text
    code, text = petrel("http://127.0.0.1:9", "plans")
    assert (code, "start it with petrel up" in text) == (1, True)
    assert estate.answers == []


def test_a_server_that_is_none_is_told(url: str) -> None:
    found = RUN.invoke(app, ["plans", "--url", f"{url}/static/base.css?", "--token", "read-token"])
    assert found.exit_code == 1
    assert "not that of a Storm Petrel" in " ".join(found.output.split())


def test_runbooks_are_listed_with_their_level_and_signature(url: str, estate: Estate) -> None:
    estate.signed["scale-out"] = estate.runbook("scale-out").runbook.version
    code, text = petrel(url, "runbooks", token="read-token")
    assert code == 0
    for told in ("restart-failed-service", "suggest", "no: nothing of it runs", "by ada", "11 of 12"):
        assert told in text, told
    code, text = petrel(url, "runbooks", "--json", token="read-token")
    assert json.loads(text)["runbooks"][0]["runbook"]["name"] == "restart-failed-service"


@pytest.mark.parametrize(("typed", "agreed"), [("yes", True), ("y", False)])
def test_on_a_terminal_the_plan_is_shown_and_asked_about(
    typed: str, agreed: bool, url: str, estate: Estate, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("approve-token\n")
    command = [sys.executable, "-m", "stormpetrel.cli.main", "approve", "r1", "--url", url]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, "--token-file", str(token)], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        os.write(ours, f"{typed}\n".encode())
        assert process.stdout is not None
        text = process.stdout.read().decode()
    os.close(ours)
    os.close(theirs)
    assert "The 20 guardrails" in text
    assert "Type yes to run exactly this plan" in text
    assert process.returncode == (0 if agreed else 1), text
    assert bool(estate.answers) is agreed
    assert estate.automation_runs["r1"].state is RunState.WAITING
