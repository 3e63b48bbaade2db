"""Reports of backups through the whole installation: kept, told, and still there after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.runtime import Runtime
from stormpetrel.errors import ConfigError, StateError
from stormpetrel.model.access import Caller, Scope
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.push import PushRequest
from stormpetrel.ports import backup as bounds

PROGRAM = Caller("cron", None, frozenset({Scope.BACKUP}))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    return load_config(
        None, {"data_dir": str(tmp_path), "sources": quiet, "backups": {"rpo": {"database:*": "1h"}}}
    )


def push(runtime: Runtime, body: Any, query: str = "") -> None:
    now = runtime.clock.now_unix_nano()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = PushRequest(raw, "application/json", "", "/hooks/backups", "cron", now, query=query)
    receipt = runtime.service.receive("backups", request)
    assert receipt.stored == []  # it is kept when the call returned


def wait_for(found: Callable[[], object], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def incidents(runtime: Runtime, *states: IncidentState) -> list[Incident]:
    return runtime.service.list_incidents(states)


def test_an_overdue_backup_is_an_incident_over_a_restart_until_a_good_one_comes(config: Config) -> None:
    first = Runtime(config)
    first.start()
    try:
        old = int(time.time()) - 7200
        push(first, {"entity": "database:orders", "id": "1", "tool": "borg", "ok": True, "finished": old,
                     "detail": "repository https://ann:hunter2hunter2@backup.example/orders"})  # fmt: skip
        wait_for(lambda: incidents(first))
        (incident,) = incidents(first)
        assert incident.entities == ("database:orders",)
        assert [one.head for one in incident.findings] == ["overdue"]
        (report,) = first.service.backup_reports("database:orders")
        assert "hunter2" not in report.detail
        (view,) = first.service.backups()
        assert view.state(first.clock.now_unix_nano()) == "overdue"
        source = next(one for one in first.service.sources() if one.name == "cron/backups")
        assert source.rows_total == 1
    finally:
        first.stop()
    second = Runtime(config)
    second.start()
    try:
        # What is told of another says that the watch has looked again since the restart.
        wait_for(lambda: second.service.ready()[0])
        push(second, {"entity": "database:shop", "id": "1", "tool": "borg", "ok": False})
        wait_for(lambda: any("database:shop" in one.entities for one in incidents(second)))
        (still,) = [one for one in incidents(second, IncidentState.OPEN) if "database:orders" in one.entities]
        assert still.incident_id == incident.incident_id
        assert [one.state.value for one in still.findings if one.entity == "database:orders"] == ["open"]
        push(second, {"entity": "database:orders", "id": "2", "tool": "borg", "ok": True})
        wait_for(
            lambda: (
                "closed"
                in {
                    one.state.value
                    for one in second.service.incident(incident.incident_id).findings
                    if one.entity == "database:orders"
                }
            )
        )
    finally:
        second.stop()


def test_too_many_entities_are_refused_whole(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormpetrel.adapters.store.control_backups.MOST_ENTITIES", 2)
    assert bounds.MOST_ENTITIES > 2
    runtime = Runtime(config)
    runtime.start()
    try:
        with pytest.raises(StateError, match="fewer names"):
            push(runtime, [{"host": f"h{number}", "id": "1", "ok": True} for number in range(3)])
        assert runtime.service.backups() == []
    finally:
        runtime.stop()


def test_a_snapshot_of_a_running_installation_is_whole_and_goes(config: Config) -> None:
    runtime = Runtime(config)
    runtime.start()
    try:
        wait_for(lambda: runtime.service.ready()[0])
        snapshot = runtime.service.take_snapshot(PROGRAM)
        folder = config.data_dir / "snapshots" / snapshot
        assert (folder / "tree" / "control.sqlite").is_file()
        with pytest.raises(StateError):
            runtime.service.take_snapshot(PROGRAM)
        runtime.service.release_snapshot(snapshot, PROGRAM)
        assert not folder.exists()
    finally:
        runtime.stop()


@pytest.mark.parametrize(
    "rpo",
    [{"": "1h"}, {"host:*": "1w"}, {"host:*": "0h"}, {"host:*": ""}, {"*" * 6: "1h"}, {"x" * 201: "1h"}],
)
def test_objectives_that_cannot_be_read_are_named(rpo: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"backups\.rpo"):
        load_config(None, {"backups": {"rpo": rpo}})


def test_the_first_pattern_that_fits_counts() -> None:
    rpo = {"database:orders": "30m", "database:*": "never", "*": "2d"}
    found = load_config(None, {"backups": {"rpo": rpo}}).backups
    hours = [found.objective(one) / 3.6e12 for one in ("database:orders", "database:x", "host:a")]
    assert hours == [0.5, 0, 48]
    assert Config().backups.objective("host:a") == 24 * 3_600_000_000_000
