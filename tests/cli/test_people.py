"""`petrel people`, as its user runs it, on a data directory."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.people import People
from stormpetrel.cli.main import app
from stormpetrel.model.access import Role

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def running(tmp_path: Path) -> People:
    """A Storm Petrel that has the directory open."""
    return People(
        open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}", tmp_path), SystemClock(), CHEAP
    )


def petrel(directory: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["people", *arguments, "--data-dir", str(directory)])


def test_a_printed_link_lets_a_person_in(running: People, tmp_path: Path) -> None:
    assert "Nobody has an account" in petrel(tmp_path).output
    assert petrel(tmp_path, "invite", "bo").exit_code == 2  # the set-up comes first
    running.create_admin(running.new_setup_secret(), "ann", PASSWORD)
    done = petrel(
        tmp_path, "invite", "bo", "--role", "responder", "--by", "ann", "--url", "https://p.example/"
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 2  # fit for scripts: the last line is the link
    secret = re.search(r"^https://p\.example/invited\?secret=(\S+)$", done.stdout, re.MULTILINE)
    assert secret
    found = json.loads(petrel(tmp_path, "--json").stdout)
    assert [one["name"] for one in found["people"]] == ["ann"]
    assert [(one["name"], one["role"], one["by"]) for one in found["links"]] == [
        ("bo", "responder", "ann (command line)")
    ]
    assert running.join(secret[1], PASSWORD, "10.0.0.1").role is Role.RESPONDER
    assert "bo: responder since" in petrel(tmp_path).output
    for wrong in (
        ("invite", "BO"),
        ("invite", "x\u202e"),
        ("link", "nobody"),
        ("invite", "x", "--role", "root"),
    ):
        assert petrel(tmp_path, *wrong).exit_code == 2, wrong


def test_the_last_admin_who_forgot_the_password_comes_back(running: People, tmp_path: Path) -> None:
    running.create_admin(running.new_setup_secret(), "ann", PASSWORD)
    before = running.sign_in("ann", PASSWORD, "10.0.0.1")
    done = petrel(tmp_path, "link", "ann")
    assert running.caller_of_session("ann", before.mark) is None
    assert "cannot sign in" in petrel(tmp_path).output
    caller = running.join(done.stdout.split("secret=")[1].strip(), "a fine new password", "10.0.0.1")
    assert (caller.name, caller.role) == ("ann", Role.ADMIN)
