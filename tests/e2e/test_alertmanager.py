"""A real Alertmanager tells a running Storm Petrel of alerts: each state once, also over a kill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.alertmanagers import PROGRAM, Alertmanager, alertmanager
from tests.e2e.conftest import Petrel, wait_until

from stormpetrel.adapters.store import open_store
from stormpetrel.app.config import StoreConfig
from stormpetrel.model.records import Alert, AlertState
from stormpetrel.model.time import Window

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PROGRAM is None, reason="Debian's package prometheus-alertmanager is not installed"),
]

ALERTS = 40
EVER = Window(0, 2**63 - 1)


def post(sender: Alertmanager, numbers: range, over: bool = False) -> None:
    """Alerts that fire from now on, or that have ended now."""
    now = datetime.now(UTC)
    sender.post(
        [
            {
                "labels": {"alertname": f"Queue{n % 4}", "host": f"mail-{n}", "severity": "warning"},
                "annotations": {"summary": f"the queue of mail-{n} is long"},
                "startsAt": (now - timedelta(minutes=5)).isoformat(),
                "endsAt": (now if over else now + timedelta(hours=1)).isoformat(),
                "generatorURL": f"http://prometheus:9090/graph?n={n}",
            }
            for n in numbers
        ]
    )


def stored_messages(petrel: Petrel) -> int:
    tables = {name: rows for name, rows, _ in petrel.get("/api/v1/about").json()["tables"]}
    return int(tables["alerts"])


def shown_states(petrel: Petrel) -> list[str]:
    """The newest state of every alert. How often each was told is Alertmanager's business: a group that
    gets another alert while it is being sent is told whole again."""
    return [one["state"] for one in petrel.get("/api/v1/alerts", limit=1000).json()["alerts"]]


def stored_alerts(petrel: Petrel) -> list[Alert]:
    """Their newest states; Storm Petrel must be stopped."""
    store = open_store(StoreConfig(), petrel.directory / "data")
    try:
        return store.read_alerts(EVER, 10_000)
    finally:
        store.close()


def test_firing_and_resolved_alerts_are_stored_exactly(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with alertmanager(petrel, tmp_path) as sender:
        post(sender, range(ALERTS))
        wait_until(lambda: len(shown_states(petrel)) >= ALERTS, 30, lambda: sender.output)
        assert shown_states(petrel) == ["firing"] * ALERTS
        assert stored_messages(petrel) >= ALERTS
        post(sender, range(10), over=True)
        wait_until(lambda: shown_states(petrel).count("resolved") >= 10, 30, lambda: sender.output)
    assert petrel.stop() == 0
    found = stored_alerts(petrel)
    assert len(found) == len({alert.fingerprint for alert in found}) == ALERTS
    over = {alert.entity for alert in found if alert.state is AlertState.RESOLVED}
    assert over == {f"host:mail-{n}" for n in range(10)}
    for alert in found:
        number = alert.entity.removeprefix("host:mail-")
        assert alert.name == f"Queue{int(number) % 4}"
        assert (alert.severity_number, alert.source) == (13, found[0].source)
        assert alert.summary == f"the queue of mail-{number} is long"
        assert alert.url == f"http://prometheus:9090/graph?n={number}"
        assert (alert.end_unix_nano > alert.start_unix_nano) is (alert.state is AlertState.RESOLVED)


def test_a_kill_in_mid_send_loses_no_alert(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with alertmanager(petrel, tmp_path) as sender:
        post(sender, range(4))
        wait_until(lambda: len(shown_states(petrel)) == 4, 30, lambda: sender.output)
        petrel.kill()
        post(sender, range(4, ALERTS))
        wait_until(lambda: "connection refused" in sender.output, 30, lambda: sender.output)
        petrel.start()
        wait_until(lambda: len(shown_states(petrel)) == ALERTS, 60, lambda: sender.output)
        petrel.kill()
        post(sender, range(ALERTS), over=True)
        wait_until(lambda: sender.output.count("connection refused") > 1, 30, lambda: sender.output)
        petrel.start()
        wait_until(lambda: shown_states(petrel) == ["resolved"] * ALERTS, 60, lambda: sender.output)
    assert petrel.stop() == 0
    found = stored_alerts(petrel)
    assert len(found) == ALERTS
    assert {alert.state for alert in found} == {AlertState.RESOLVED}
