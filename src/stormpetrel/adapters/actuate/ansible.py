"""Ansible: named playbooks of an allow-list, with typed variables, on one host of an inventory each.

Works with ansible-core 2.16 and newer, with the extra `ansible`. A playbook runs in check mode first, as its
dry run; when that fails nothing is done. Variables are handed over in a file, never on a command line, and
texts that Ansible would take for templates are refused.

A playbook is asked for what is true by running it in check mode: when nothing would change, it was done. That
holds for playbooks that describe a state; those that only do something stay in doubt (`states = false`).
Needs what the playbooks need; give it an account and an inventory of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.commands import AllowedSettings, least_effect, misfit, parameters_of
from stormpetrel.adapters.actuate.journal import NOT_DONE
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place
from stormpetrel.errors import ActuatorError, ConfigError
from stormpetrel.model.action import Action, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order

_HOST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_TEMPLATES = ("{{", "{%", "{#")


class PlaybookSettings(AllowedSettings):
    """A playbook that may be run."""

    path: Path = Field(description="the file, as a whole path")
    states: bool = Field(True, description="it describes a state: run again, it changes nothing")

    @field_validator("path")
    @classmethod
    def _is_whole(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"{path}: give the whole path")
        return path


class AnsibleSettings(ActuatorSettings):
    """Hosts of an inventory, and playbooks that may be run on them."""

    inventory: Path = Field(description="the inventory")
    targets: dict[str, str] = Field(min_length=1, max_length=MAX_TARGETS, description="its hosts by entity")
    playbooks: dict[str, PlaybookSettings] = Field(min_length=1, max_length=200, description="by name")
    check_first: bool = Field(True, description="a dry run before each run; off for playbooks without one")

    @field_validator("targets")
    @classmethod
    def _are_hosts(cls, targets: dict[str, str]) -> dict[str, str]:
        for host in targets.values():
            if not (host and host[0] not in "-." and len(host) <= 253 and set(host) <= _HOST):
                raise ValueError(f"{host[:80]!r} is no name of one host")
        return targets

    @field_validator("playbooks")
    @classmethod
    def _agree(cls, playbooks: dict[str, PlaybookSettings]) -> dict[str, PlaybookSettings]:
        parameters_of(playbooks, "playbook")
        return playbooks


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a run says of its host: tasks that failed, that changed something, and the last complaint."""

    ended: str  # as ansible-runner has it: "successful", "failed", "timeout", …
    ok: int
    changed: int
    said: str


class AnsibleActuator(BaseActuator):
    """Runs named playbooks.

    A playbook that fails half-way leaves it in doubt. Costs seconds: a Python process for each run.
    """

    Settings = AnsibleSettings

    def __init__(self, place: Place, settings: AnsibleSettings) -> None:
        super().__init__(place, settings, settings.targets)
        try:
            self._runner: Any = importlib.import_module("ansible_runner")
        except ImportError:
            raise ConfigError(
                f"[actuators.{place.name}] needs the extra ansible: pip install 'stormpetrel[ansible]'"
            ) from None
        self._own = settings
        effect, parameters = least_effect(settings.playbooks), parameters_of(settings.playbooks, "playbook")
        self._schemas = (ActionSchema("playbook.run", effect, "", parameters, "", False),)

    def actions(self) -> tuple[ActionSchema, ...]:
        """One kind, with the variables of all playbooks of the section."""
        return self._schemas

    @override  # a host is asked by its playbook
    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        """The inventory has it; whether it answers, the check mode finds out."""
        if not self._own.inventory.exists():
            raise ActuatorError(f"{self._own.inventory}: no such inventory")
        return LiveTarget(entity, True, f"host {self._own.targets[entity]}", True, None)

    def _unfit(self, action: Action) -> str:
        wrong = misfit(action, self._own.playbooks, "playbook")
        texts = [(one.name, one.value) for one in action.parameters if isinstance(one.value, str)]
        for name, value in texts:
            if any(mark in value for mark in _TEMPLATES):
                return f"the parameter {name} would be taken for a template"
        return wrong

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        if self._own.check_first:
            dry = self._run(order, target, deadline, check=True)
            if dry.ended != "successful":
                raise NotDoneError(f"its dry run says {dry.ended}: {dry.said}")
        done = self._run(order, target, deadline, check=False)
        if done.ended != "successful":
            raise ActuatorError(f"the playbook says {done.ended} after {done.ok} tasks: {done.said}")
        name = str(order.action.parameter("playbook"))
        return Effect(f"{name}: {done.ok} tasks, {done.changed} changed", (("changed", str(done.changed)),))

    @override  # the playbook tells
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        record = self._journal.look(order.key)
        if record is not None and record.state == NOT_DONE:
            return False
        if not self._own.playbooks[str(order.action.parameter("playbook"))].states:
            return None
        dry = self._run(order, target, deadline, check=True)
        if dry.ended != "successful":
            return None
        # What would change still was not done, or not all of it: a state may be brought about again.
        return dry.changed == 0

    def _run(self, order: Order, target: Target, deadline: Deadline, check: bool) -> _Outcome:
        given = {one.name: one.value for one in order.action.parameters if one.name != "playbook"}
        playbook = self._own.playbooks[str(order.action.parameter("playbook"))].path
        with tempfile.TemporaryDirectory(prefix="petrel-ansible-") as folder:
            values = Path(folder) / "values.json"
            values.write_text(json.dumps(given), encoding="utf-8")
            words = f"--extra-vars @{values}" + (" --check" if check else "")
            run = self._runner.run(
                private_data_dir=folder, playbook=str(playbook), inventory=str(self._own.inventory),
                limit=self._own.targets[target.entity], cmdline=words, quiet=True,
                timeout=max(1, int(deadline.left())), envvars=_environment(folder), suppress_env_files=True,
            )  # fmt: skip
            return _read(run, self._own.targets[target.entity])


def _read(run: Any, host: str) -> _Outcome:
    stats = run.stats or {}
    said = ""
    for one in run.events:
        if one.get("event") in ("runner_on_failed", "runner_on_unreachable"):
            result = (one.get("event_data") or {}).get("res") or {}
            said = str(result.get("msg") or result.get("stderr") or "")[:200]
    ended = str(run.status)
    if ended == "successful" and host not in (stats.get("ok") or {}):
        ended, said = "no such host", "the inventory or the playbook does not have it"
    return _Outcome(ended, stats.get("ok", {}).get(host, 0), stats.get("changed", {}).get(host, 0), said)


def _environment(folder: str) -> dict[str, str]:
    """Ansible's programs stand beside our Python, and nothing of ours is handed on but where to look."""
    beside = str(Path(sys.executable).parent)
    return {
        "PATH": f"{beside}:{os.environ.get('PATH', '/usr/bin:/bin')}", "HOME": os.environ.get("HOME", folder),
        "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_RETRY_FILES_ENABLED": "false", "ANSIBLE_LOCAL_TEMP": str(Path(folder) / "local"),
    }  # fmt: skip
