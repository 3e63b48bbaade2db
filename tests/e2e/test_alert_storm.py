"""Ten thousand alerts in a minute through a real Alertmanager: few incidents, and every alert is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.e2e.alertmanagers import PROGRAM, alertmanager
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.storm import ALERTS, CONFIG, NAMES, blow, told, topology

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(PROGRAM is None, reason="Debian's package prometheus-alertmanager is not installed"),
]


def incidents(petrel: Petrel) -> list[dict[str, Any]]:
    answer = petrel.get("/api/v1/incidents", limit=1000).json()
    assert answer["next_offset"] is None
    found: list[dict[str, Any]] = answer["incidents"]
    return found


def test_ten_thousand_alerts_in_a_minute_are_few_incidents_and_none_is_lost(
    petrel: Petrel, tmp_path: Path
) -> None:
    petrel.config = CONFIG
    (tmp_path / "topology.yaml").write_text(topology())
    petrel.start()
    with alertmanager(petrel, tmp_path, wait="2s", interval="5s") as sender:
        for _ in blow(sender.post):
            pass
        wait_until(lambda: told(incidents(petrel)) >= ALERTS, 120, lambda: sender.output)
    assert ALERTS == 10_000
    found = incidents(petrel)
    assert told(found) == ALERTS
    assert 1 <= len(found) <= 20, [one["sentence"] for one in found]
    over = [one for one in found if one["state"] == "resolved"]
    assert all("merged into" in one["timeline"][-1]["text"] for one in over)
    kept = [finding for one in found if one not in over for finding in one["findings"]]
    assert len({finding["finding_id"] for finding in kept}) == len(kept), "an alert stands in one incident"
    assert {title for one in found for title, _ in one["more"]} <= set(NAMES)
    quality = petrel.get("/api/v1/quality").json()
    assert quality["rejected"] == []
    assert petrel.stop() == 0
