"""Diagnostics: of this very host."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.actuate.acts import action, place

from stormpetrel.adapters.actuate.collect import CollectActuator, CollectSettings
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

ENTITY, SLEEPER = "host:here", "service:sleeper"


def make(journal: Path) -> CollectActuator:
    targets = {ENTITY: {}, SLEEPER: {"program": "sleep"}}
    return CollectActuator(
        place(journal), CollectSettings.model_validate({"type": "collect", "targets": targets})
    )


def test_contract(tmp_path: Path) -> None:
    actuator = make(tmp_path / "look")
    check_actuator(
        ActuatorCase(
            make=make, folder=tmp_path / "journal",
            action=lambda: action(actuator, "diagnostics.collect", ENTITY), effects=lambda: 0, reads=True,
        )
    )  # fmt: skip


def test_it_sees_processes_by_name(tmp_path: Path) -> None:
    actuator = make(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        result = actuator.act(Order("k", action(actuator, "diagnostics.collect", SLEEPER), 20, 1))
        process.kill()
    said = [text for name, text in result.evidence if name == "by memory"]
    assert any(f"pid {process.pid} sleep" in text for text in said)
    assert all(" sleep: " in text for text in said)
    assert {"load", "memory", "processes", "sockets", "room"} <= {name for name, _ in result.evidence}
