"""A real process: state survives kill -9, trouble is explained, an opinion is heard, a backtest runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.e2e.conftest import CONFIG, Petrel, wait_until
from tests.e2e.sent import SECOND, csrf, now, person, send_samples

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAMES = [f"queue_depth_{n}" for n in range(4)]
STEP, CALM, TROUBLE = 5 * SECOND, 400, 24
OFTEN = """
[detect]
snapshot_minutes = 0.1
"""


def incidents(petrel: Petrel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/incidents", limit=100).json()["incidents"]
    return found


def snapshots(petrel: Petrel) -> list[str]:
    return sorted(path.name for path in (petrel.directory / "data" / "models").glob("models-*.npz"))


def send_story(petrel: Petrel) -> None:
    """Half an hour of calm, then two minutes in which the first queue is far too long."""
    rng = np.random.default_rng(1)
    end = now()
    times = [end - (CALM + TROUBLE - n) * STEP for n in range(CALM + TROUBLE)]
    values = rng.normal(50.0, 2.0, (CALM + TROUBLE, len(NAMES)))
    values[CALM:, 0] += 60.0
    for first in range(0, len(times), 50):
        answer = send_samples(petrel, NAMES, times[first : first + 50], values[first : first + 50].tolist())
        assert answer.status_code == 204


def test_state_survives_a_kill_and_what_was_told_can_be_asked_about(petrel: Petrel) -> None:
    petrel.config = CONFIG + OFTEN
    petrel.start()
    send_story(petrel)
    wait_until(lambda: len(incidents(petrel)) == 1, 30, lambda: petrel.output[-2000:])
    before = len(snapshots(petrel))
    wait_until(lambda: len(snapshots(petrel)) > before, 30, lambda: petrel.output[-2000:])
    petrel.kill()
    petrel.start()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", petrel.output)
    assert "model_state_restored" in plain
    assert "bank:robust" in plain
    (incident,) = incidents(petrel)
    assert incident["state"] == "open"
    # On a slow machine it is also found meanwhile that nobody sends any more.
    finding = next(one for one in incident["findings"] if one["detector"] == "robust")
    where = f"/incidents/{incident['incident_id']}/findings/{finding['finding_id']}"
    said = petrel.get(f"/api/v1{where}/explanation").json()
    assert said["state"] == "strange"
    assert said["judged"]["observed"] > said["judged"]["high"]
    assert said["normal_again"][0].startswith("below ")
    assert said["model"]["samples"] >= CALM - 1
    series = finding["evidence"]["series"]
    at = finding["evidence"]["start_unix_nano"] - 60 * SECOND
    assert petrel.get(f"/api/v1/series/{series}/explanation", at=at).json()["state"] == "usual"
    with person(petrel) as admin:
        form = csrf(admin.get(f"/incidents/{incident['incident_id']}").text)
        assert "of it: a change that lasts" in admin.get(f"{where}/why").text
        assert admin.get(f"/explain?series={series}").is_success
        page = admin.post(f"{where}/feedback", data={"opinion": "not_useful", **form}).text
        assert "4 times rarer to be told" in page
        given = petrel.get("/api/v1/feedback").json()["given"][0]
        assert admin.post(f"/feedback/{given['feedback_id']}/undo", data=form).is_success
        assert petrel.get("/api/v1/feedback").json()["adjustments"] == []
        begun = admin.post(
            "/backtest", data={"from": "-1h", "to": "now", "detect.p_open": "0.000000000001", **form}
        )
        job = begun.url.path.rsplit("/", 1)[-1]
        wait_until(lambda: petrel.get(f"/api/v1/backtests/{job}").json()["state"] == "done", 60)
        done = petrel.get(f"/api/v1/backtests/{job}").json()
        assert [one["kept"] for one in done["today"]] == [True], done
        assert admin.get(f"/backtest/{job}").is_success
    assert petrel.stop() == 0, petrel.output[-2000:]
    assert len(snapshots(petrel)) == 2
