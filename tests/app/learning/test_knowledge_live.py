"""From an alert to what is remembered of its incident, through the running parts, over a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.runtime import Runtime
from stormpetrel.errors import AuthError, NotFoundError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.cause_verdict import CauseSaying, CauseStatement
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.push import PushRequest
from stormpetrel.model.scoreboard import Measure, ScoreFilter
from stormpetrel.model.time import to_iso

ROB = Caller("rob", Role.RESPONDER)
PROGRAM = Caller("bot", None, frozenset({Scope.RESPOND}))
EVE = Caller("eve", Role.VIEWER)
NO_CAUSE = CauseStatement(CauseSaying.NO_CAUSE)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    return load_config(None, {"data_dir": str(tmp_path), "sources": quiet})


def opened(runtime: Runtime) -> list[Incident]:
    return runtime.service.list_incidents((IncidentState.OPEN,))


def alert(runtime: Runtime, instance: str) -> Incident:
    """Alertmanager tells of an alert; the incident that comes of it, resolved by hand."""
    now = runtime.clock.now_unix_nano()
    labels = {"alertname": "DiskFull", "severity": "critical", "instance": instance}
    body = {
        "version": "4",
        "status": "firing",
        "alerts": [{"status": "firing", "labels": labels, "annotations": {}, "startsAt": to_iso(now)}],
    }
    path = next(p for p, name in runtime.service.push_paths().items() if name == "alertmanager")
    request = PushRequest(json.dumps(body).encode(), "application/json", "", path, "am", now)
    for future in runtime.service.receive("alertmanager", request).stored:
        future.result(timeout=30)
    deadline = time.monotonic() + 30
    # The findings of earlier alerts are still open, and may be in an incident again after a restart.
    while not (found := [one for one in opened(runtime) if any(instance in e for e in one.entities)]):
        assert time.monotonic() < deadline, "the alert opened no incident"
        time.sleep(0.05)
    return runtime.service.move_incident(found[0].incident_id, IncidentState.RESOLVED, ROB)


def test_what_is_said_of_an_incident_is_remembered_and_found_again(config: Config) -> None:
    runtime = Runtime(config)
    runtime.start()
    try:
        first = alert(runtime, "db-1").incident_id
        service = runtime.service
        for refused in (
            lambda: service.say_cause(first, NO_CAUSE, EVE),
            lambda: service.take_back_cause(first, EVE),
            lambda: service.write_helped(first, "x", EVE),
        ):
            with pytest.raises(AuthError):
                refused()
        with pytest.raises(NotFoundError):
            service.say_cause("unheard-of", NO_CAUSE, ROB)
        said = service.say_cause(first, NO_CAUSE, PROGRAM)
        assert (said.actor, said.told.found) == ("bot", False), "nobody had asked: it was worked out first"
        service.write_helped(first, "a larger disk", ROB)
        unseen = alert(runtime, "db-3").incident_id
    finally:
        runtime.stop()
    again = Runtime(config)
    again.start()
    try:
        known = again.service.knowledge(first)
        assert known.verdict == said
        second = alert(again, "db-2").incident_id
        alike = {one.incident.incident_id: one for one in again.service.similar_incidents(second).incidents}
        assert set(alike) == {first, unseen}, "one that nobody looked at is known as well"
        found = alike[first]
        assert found.helped is not None
        assert found.helped.text == "a larger disk"
        assert found.verdict == said
        assert "DiskFull in both" in [part.words for part in found.similarity.shared]
        assert again.service.scoreboard().overall[Measure.NO_CAUSE].right == 1
        (behind,) = again.service.scored_incidents(ScoreFilter(Measure.NO_CAUSE))
        assert again.service.incident_briefs([behind.incident_id])[first].state is IncidentState.RESOLVED
        again.service.take_back_cause(first, ROB)
        assert again.service.scoreboard().verdicts == 0
    finally:
        again.stop()
