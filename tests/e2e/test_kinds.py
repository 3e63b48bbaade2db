"""What a sender says a series is: shown accordingly, and a change of mind waits for a person."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.e2e.conftest import Petrel, http_post
from tests.e2e.sent import SECOND, csrf, now, person

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_metadata, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

pytestmark = pytest.mark.e2e


def spec(kind: MetricKind, name: str = "orders") -> SeriesSpec:
    return SeriesSpec(name, (("job", "shop"),), kind)


def write(petrel: Petrel, body: bytes) -> None:
    headers = {**REMOTE_WRITE_HEADERS, **petrel.auth}
    assert http_post(f"{petrel.url}/api/v1/write", content=body, headers=headers, timeout=30).is_success


def declare(petrel: Petrel, kind: MetricKind, name: str = "orders") -> None:
    write(petrel, write_metadata((spec(kind, name),)))


def send(petrel: Petrel, times: list[int], values: list[float], name: str = "orders") -> None:
    columns = MetricColumns((spec(MetricKind.UNKNOWN, name),), np.array(times), np.array(values)[:, None])
    write(petrel, write_request(columns))


def shown(petrel: Petrel, series: int) -> dict[str, Any]:
    answer = petrel.get(f"/api/v1/series/{series}/points", **{"from": "-1h", "to": "now"})
    points: dict[str, Any] = answer.json()["points"]
    return points


def only_series(petrel: Petrel) -> dict[str, Any]:
    (found,) = petrel.get("/api/v1/series").json()["series"]
    one: dict[str, Any] = found
    return one


def verdicts(petrel: Petrel) -> dict[str, int]:
    counts = petrel.get("/api/v1/quality").json()["counts"]
    return {one["verdict"]: one["count"] for one in counts}


def test_a_counter_is_shown_as_a_rate_over_its_resets(petrel: Petrel) -> None:
    petrel.start()
    start = now() - 60 * SECOND
    declare(petrel, MetricKind.COUNTER)
    send(petrel, [start + 10 * n * SECOND for n in range(5)], [0.0, 50.0, 150.0, 5.0, 25.0])
    assert only_series(petrel)["kind"] == "counter"
    assert shown(petrel, 0)["mean"] == [5.0, 10.0, 2.0]
    assert verdicts(petrel) == {"good": 4, "counter_reset": 1}


def test_a_gauge_is_shown_as_it_is(petrel: Petrel) -> None:
    petrel.start()
    start = now() - 60 * SECOND
    declare(petrel, MetricKind.GAUGE)
    send(petrel, [start + 10 * n * SECOND for n in range(3)], [5.0, 1.0, 3.0])
    assert only_series(petrel)["kind"] == "gauge"
    assert shown(petrel, 0)["mean"] == [5.0, 1.0, 3.0]


def test_a_changed_kind_is_kept_apart_until_a_person_releases_it(petrel: Petrel) -> None:
    petrel.start()
    start = now() - 600 * SECOND
    declare(petrel, MetricKind.GAUGE)
    send(petrel, [start, start + 10 * SECOND], [5.0, 6.0])
    declare(petrel, MetricKind.COUNTER)
    send(petrel, [start + 20 * SECOND], [7.0])
    assert shown(petrel, 0)["mean"] == [5.0, 6.0]
    assert verdicts(petrel) == {"good": 2, "kind_changed": 1}
    (apart,) = petrel.get("/api/v1/quality").json()["quarantined"]
    assert (apart["verdict"], apart["value"]) == ("kind_changed", 7.0)
    with person(petrel) as admin:
        form = csrf(admin.get("/quality").text)
        assert admin.post("/quarantine/release", data={"series": "0", **form}).is_success
    send(petrel, [start + 30 * SECOND, start + 40 * SECOND], [100.0, 150.0])
    assert only_series(petrel)["kind"] == "counter"
    assert verdicts(petrel)["kind_changed"] == 1
    assert 5.0 in shown(petrel, 0)["mean"]
    petrel.kill()
    petrel.start()
    assert only_series(petrel)["kind"] == "counter", "a release outlives the process"
    send(petrel, [start + 50 * SECOND], [200.0])
    assert verdicts(petrel) == {"good": 1}
