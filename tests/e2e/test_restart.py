"""A stop or a kill forgets nothing: people, tokens, series, file positions, open incidents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.e2e.browser import NAME, PASSWORD
from tests.e2e.conftest import CONFIG, Petrel, wait_until
from tests.e2e.sent import SECOND, csrf, exported, now, person, send_samples

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAMES = [f"queue_depth_{n}" for n in range(4)]
STEP = 5 * SECOND
CALM, TROUBLE = 300, 12
QUICK = """
[detect]
close_seconds = 20.0
refractory_seconds = 60.0
[incidents]
window_seconds = 60.0
resolve_seconds = 3.0
"""


def series_ids(petrel: Petrel) -> dict[str, int]:
    found = petrel.get("/api/v1/series", limit=1000).json()["series"]
    return {one["text"]: one["series"] for one in found}


def incidents(petrel: Petrel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/incidents", limit=100).json()["incidents"]
    return found


def test_a_stop_and_a_start_keep_everything(petrel: Petrel, tmp_path: Path) -> None:
    log_file = tmp_path / "app.log"
    log_file.write_text("")
    petrel.config = CONFIG.replace("files = []", f'files = ["{log_file}"]\nfrom_start = true')
    petrel.start()

    def records() -> list[str]:
        return [r["body"] for r in petrel.get("/api/v1/logs", limit=100, text="line").json()["records"]]

    with person(petrel) as admin:
        assert "ingest.token" not in admin.get("/settings/tokens").text
        form = csrf(admin.get("/settings/tokens").text)
        assert admin.post("/settings/tokens", data={"name": "mine", "scope": "read", **form}).is_success
    assert send_samples(petrel, NAMES, [now()], [[1.0] * 4]).status_code == 204
    with log_file.open("a") as file:
        file.write("line 1\nline 2\nhalf of ")
    wait_until(lambda: len(records()) == 2, 20, lambda: str(records()))
    ids, token, links = series_ids(petrel), petrel.token, petrel.output.count("/set-up?secret=")
    assert petrel.stop() == 0, petrel.output[-2000:]
    with log_file.open("a") as file:
        file.write("line 3\nline 4\n")
    petrel.start()
    assert series_ids(petrel) == ids
    assert petrel.token == token
    assert petrel.output.count("/set-up?secret=") == links, "an installation with people offers no set-up"
    assert send_samples(petrel, [*NAMES, "new"], [now()], [[2.0] * 5]).status_code == 204
    assert {text: n for text, n in series_ids(petrel).items() if text in ids} == ids
    assert len(series_ids(petrel)) == 5
    wait_until(lambda: len(records()) == 4, 20, lambda: str(records()))
    with httpx.Client(base_url=petrel.url, headers={"Origin": petrel.url}, follow_redirects=True) as admin:
        form = {"name": NAME, "password": PASSWORD, **csrf(admin.get("/sign-in").text)}
        assert admin.post("/sign-in", data=form).is_success
        assert "mine" in admin.get("/settings/tokens").text
    assert petrel.stop() == 0
    bodies = [row["body"] for row in exported(petrel, "logs", tmp_path / "l.parquet")]
    assert sorted(bodies) == ["half of line 3", "line 1", "line 2", "line 4"]
    samples = exported(petrel, "samples", tmp_path / "s.parquet")
    assert sorted(row["value"] for row in samples) == [1.0] * 4 + [2.0] * 5


def test_a_killed_incident_goes_on_and_resolves(petrel: Petrel) -> None:
    petrel.config = CONFIG + QUICK
    petrel.start()
    noise = np.random.default_rng(3).normal(100.0, 1.0, (CALM + TROUBLE + 60, len(NAMES)))
    start = now() - (CALM + TROUBLE + 60) * STEP
    times = [start + n * STEP for n in range(len(noise))]
    noise[CALM : CALM + TROUBLE, 0] += 80.0
    assert send_samples(petrel, NAMES, times[:CALM], noise[:CALM]).is_success
    time.sleep(1)
    assert incidents(petrel) == []
    end = CALM + TROUBLE
    assert send_samples(petrel, NAMES, times[CALM:end], noise[CALM:end]).is_success
    wait_until(lambda: len(incidents(petrel)) == 1, 20, lambda: petrel.output[-2000:])
    (before,) = incidents(petrel)
    assert before["state"] == "open"
    petrel.kill()
    petrel.start()
    (after,) = incidents(petrel)
    for what in ("incident_id", "state", "severity", "sentence", "start_unix_nano", "entities"):
        assert after[what] == before[what]
    assert [f["finding_id"] for f in after["findings"]] == [f["finding_id"] for f in before["findings"]]
    time.sleep(6)
    assert [i["state"] for i in incidents(petrel)] == ["open"], "a restart is no recovery"
    assert send_samples(petrel, NAMES, times[end:], noise[end:]).is_success
    wait_until(lambda: incidents(petrel)[0]["state"] == "resolved", 30, lambda: str(incidents(petrel)))
    (last,) = incidents(petrel)
    assert last["incident_id"] == before["incident_id"]
    assert {f["state"] for f in last["findings"]} == {"closed"}
    petrel.kill()
    petrel.start()
    time.sleep(6)
    assert incidents(petrel) == [last], "what is over stays over"
