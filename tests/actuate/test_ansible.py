"""Ansible: real playbooks on this very host."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place

from stormpetrel.adapters.actuate.ansible import AnsibleActuator, AnsibleSettings
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import HOSTILE_TEXTS

pytestmark = pytest.mark.slow
ENTITY = "host:here"
STATE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: the state
      ansible.builtin.copy:
        dest: "{folder}/state"
        content: "{{{{ text }}}}"
"""
BROKEN = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{dest: "{folder}/half", content: "x"}}
    - ansible.builtin.command: "false"
"""


class Playbooks:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inventory = f"here ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        (folder / "inventory").write_text(inventory)
        (folder / "state.yml").write_text(STATE.format(folder=folder))
        (folder / "broken.yml").write_text(BROKEN.format(folder=folder))
        (folder / "invalid.yml").write_text("- hosts: all\n  tasks:\n    - no.such.module: {}\n")

    def make(self, journal: Path, **changed: Any) -> AnsibleActuator:
        text = {"kind": "text", "pattern": "(?s).*"}
        playbooks = {
            name: {"path": str(self.folder / f"{name}.yml"), "effect": "disruptive"}
            for name in ("broken", "invalid")
        }
        playbooks["state"] = {
            "path": str(self.folder / "state.yml"), "effect": "disruptive", "parameters": {"text": text},  # type: ignore[dict-item]  # a table of texts and tables
        }  # fmt: skip
        section = {
            "type": "ansible", "inventory": str(self.folder / "inventory"), "targets": {ENTITY: "here"},
            "playbooks": playbooks, **changed,
        }  # fmt: skip
        return AnsibleActuator(place(journal), AnsibleSettings.model_validate(section))

    def act(self, journal: Path, playbook: str, check_first: bool = False, **given: str) -> ActResult:
        actuator = self.make(journal, check_first=check_first)
        what = action(actuator, "playbook.run", ENTITY, playbook=playbook, **given)
        return actuator.act(Order("k", what, 120, 1))


@pytest.fixture
def playbooks(tmp_path: Path) -> Playbooks:
    return Playbooks(tmp_path)


def test_a_playbook_runs_once_for_its_key_and_tells_whether_it_did(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    actuator = playbooks.make(tmp_path / "a")
    order = Order("k", action(actuator, "playbook.run", ENTITY, playbook="state", text="a; b $(c)"), 120, 1)
    assert actuator.resolve(order).outcome is ActOutcome.NOT_DONE
    result = actuator.act(order)
    assert (result.outcome, result.text) == (ActOutcome.DONE, "state: 1 tasks, 1 changed")
    assert (playbooks.folder / "state").read_text() == "a; b $(c)"
    (playbooks.folder / "state").write_text("changed since")
    assert actuator.act(order) == result
    assert (playbooks.folder / "state").read_text() == "changed since"


def test_what_fails_half_way_is_in_doubt(playbooks: Playbooks, tmp_path: Path) -> None:
    result = playbooks.act(tmp_path / "a", "broken")
    assert result.outcome is ActOutcome.IN_DOUBT
    assert "failed" in result.text
    assert (playbooks.folder / "half").exists()


def test_a_dry_run_that_fails_stops_it(playbooks: Playbooks, tmp_path: Path) -> None:
    result = playbooks.act(tmp_path / "a", "invalid", True)
    assert (result.outcome, "dry run" in result.text) == (ActOutcome.NOT_DONE, True)


def test_hostile_texts_arrive_unchanged_or_are_refused(playbooks: Playbooks, tmp_path: Path) -> None:
    actuator = playbooks.make(tmp_path / "a")
    for number, text in enumerate((*HOSTILE_TEXTS, "{% raw %}", "{# x")):
        what = action(actuator, "playbook.run", ENTITY, playbook="state", text=text)
        wrong = actuator._complaint(Order(str(number), what, 120, 1))
        harmless = bool(text) and text.isprintable() and not text.startswith("-") and len(text) <= 1000
        assert (wrong == "") == (harmless and "{" not in text), text
    assert playbooks.act(tmp_path / "b", "state", text="'; DROP TABLE users; -- %s%n `x`").outcome == "done"
    assert json.dumps((playbooks.folder / "state").read_text()) == json.dumps(
        "'; DROP TABLE users; -- %s%n `x`"
    )


@pytest.mark.parametrize("host", ["", "all:!x", "a,b", "-x", "*"])
def test_a_target_is_one_host(playbooks: Playbooks, tmp_path: Path, host: str) -> None:
    with pytest.raises(ValidationError, match="no name of one host"):
        playbooks.make(tmp_path, targets={ENTITY: host})
