"""What a store refuses is kept and stored later; nothing of it is told before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.app.intake import EVER, T0, FailingStore

from stormpetrel.app import keeper as module
from stormpetrel.app.keeper import OutcomeKeeper
from stormpetrel.app.live import LiveHub
from stormpetrel.app.pipeline import Outcome
from stormpetrel.correlate.group import Grouping
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.view import LiveMessage
from stormpetrel.ports.control import ControlStore


class Hub(LiveHub):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def publish(self, message: LiveMessage) -> None:
        self.told.append(message.key)


class Full(FailingStore):
    """A store without room for findings, until `full` is unset."""

    full = True

    def insert_findings(self, findings: Sequence[Finding]) -> None:
        if self.full:
            raise StoreFullError("no room")
        super().insert_findings(findings)


def finding(name: str, state: FindingState = FindingState.OPEN) -> Finding:
    evidence = Evidence("metric", name, 0, T0, T0, 9.0, 1.0, 0.0, 2.0, 1e-9)
    return Finding(
        name, "robust", 1, "residual", "host:a", "high", "why", Severity.WARNING, state, T0, T0, evidence
    )


@pytest.fixture
def full(failing: FailingStore) -> Full:
    return Full(failing._connections, None)


def test_findings_that_find_no_room_wait_and_incidents_do_not(full: Full, control: ControlStore) -> None:
    hub = Hub()
    keeper = OutcomeKeeper(full, control, hub)
    opened = finding("f1")
    (incident,) = Grouping().update([opened], T0)
    with pytest.raises(StoreFullError):
        keeper.keep(Outcome([opened], [incident]))
    assert control.incident(incident.incident_id) == incident
    assert hub.told == [incident.incident_id]
    closed = replace(opened, state=FindingState.CLOSED)
    with pytest.raises(StoreFullError):
        keeper.keep(Outcome([closed, finding("f2")], []))
    assert keeper.waiting == 2, "only the newest state of each"
    full.full = False
    keeper.keep(Outcome())
    assert sorted((f.finding_id, f.state) for f in full.read_findings(EVER)) == [
        ("f1", FindingState.CLOSED),
        ("f2", FindingState.OPEN),
    ]
    assert keeper.waiting == 0
    assert hub.told == [incident.incident_id, "f1", "f2"]


def test_incidents_that_find_no_room_wait(failing: FailingStore, control: ControlStore) -> None:
    keeper = OutcomeKeeper(failing, control, Hub())
    (incident,) = Grouping().update([finding("f1")], T0)
    control.close()
    with pytest.raises(StoreError):
        keeper.keep(Outcome([finding("f1")], [incident]))
    assert [f.finding_id for f in failing.read_findings(EVER)] == ["f1"]
    assert keeper.waiting == 1


def test_what_waits_is_bounded(full: Full, control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    keeper = OutcomeKeeper(full, control, Hub())
    for n in range(10):
        with pytest.raises(StoreFullError):
            keeper.keep(Outcome([finding(f"f{n}")], []))
    full.full = False
    keeper.keep(Outcome())
    assert sorted(f.finding_id for f in full.read_findings(EVER)) == ["f7", "f8", "f9"]


def test_a_persons_step_is_stored_at_once_or_not_at_all(full: Full, control: ControlStore) -> None:
    hub = Hub()
    keeper = OutcomeKeeper(full, control, hub)
    grouping = Grouping()
    (incident,) = grouping.update([finding("f1")], T0)
    with pytest.raises(StoreFullError):
        keeper.keep(Outcome([finding("f1")], []))
    moved = grouping.move(incident.incident_id, IncidentState.ACKNOWLEDGED, T0, "ann")
    keeper.keep_step(moved)
    assert control.incident(incident.incident_id) == moved, "findings that wait do not hold it up"
    assert hub.told == [incident.incident_id]
    control.close()
    with pytest.raises(StoreError):
        keeper.keep_step(grouping.move(incident.incident_id, IncidentState.RESOLVED, T0, "ann"))
    assert keeper.waiting == 1, "the finding; the step is not tried again"
