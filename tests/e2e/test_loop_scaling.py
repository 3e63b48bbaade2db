"""A surge is answered by more workers, and they are taken away again when it is over. Nothing flaps.

All of it is real: workers under supervisord behind HAProxy, customers who order more than two workers can
serve, the pages on which a person agrees, the ledger. The number that is wanted leaps, and guardrail 14 makes
it smaller; taking workers away within ten minutes is asked for, because of guardrail 17.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.estates import HAPROXY, SUPERVISORD, Customers, Proxy, Supervised, answers, config_of, scraped
from tests.e2e.loops import (
    Json,
    agree,
    chain_is_whole,
    ended,
    incident_of,
    library,
    look_closely,
    runs,
    sign,
    told,
    verdict_on,
    wait_for_samples,
    waiting,
    went_well,
)
from tests.e2e.sent import person

# Seconds of answers are measured: on a machine that is busy with other tests they say nothing.
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(360)]

WORKERS, AT_FIRST = 6, 2
CALM, SURGE = 8.0, 60.0  # orders a second; one worker serves eighteen
SECTIONS = """
[derive]
step_seconds = 1
late_seconds = 0
[detect]
warmup_samples = 20
false_per_day = 3000
close_seconds = 5
idle_seconds = 20
[incidents]
resolve_seconds = 20
[automation]
runbooks = "{folder}/runbooks"
verify_seconds = 12
read_seconds = 1
lease_seconds = 3
[actuators.supervisor]
type = "supervisord"
socket = "{folder}/rpc.sock"
targets = {{"service:shop" = "shop"}}
least = {{"service:shop" = 2}}
stateful = {{"service:shop" = false}}
"""


def write_runbooks(folder: Path) -> None:
    """Those that come along, looked at sooner; the one that scales out wants as many as there may be."""
    folder.mkdir()
    step = "target.count + (target.count > 3 ? target.count / 2 : 1)"
    out = library("scale-out", (step, "target.most"), ("settle: 60s", "settle: 3s"))
    (folder / "scale-out.yaml").write_text(out)
    (folder / "scale-in.yaml").write_text(library("scale-in", ("settle: 2min", "settle: 3s")))


def replicas(view: Json) -> int:
    """How many workers a plan is for, after all guardrails."""
    (step,) = view["run"]["plan"]["steps"]
    return int(next(one["value"] for one in step["action"]["parameters"] if one["name"] == "replicas"))


def counted(petrel: Petrel) -> list[int]:
    """How many workers there were, over time."""
    (series,) = [
        one["series"]
        for one in petrel.get("/api/v1/series", text="service_replicas shop").json()["series"]
        if one["text"].startswith("service_replicas{")
    ]
    means = petrel.get(f"/api/v1/series/{series}/points").json()["points"]["mean"]
    return [round(one) for one in means if one is not None]


def turns(numbers: list[int]) -> int:
    """How often the direction changed."""
    ways = [after > before for before, after in pairwise(numbers) if after != before]
    return sum(one != other for one, other in pairwise(ways))


@pytest.mark.skipif(
    HAPROXY is None or SUPERVISORD is None,
    reason="HAProxy or supervisord is not installed (haproxy, supervisor)",
)
def test_a_surge_is_served_by_more_workers_and_left_by_fewer(petrel: Petrel, tmp_path: Path) -> None:
    estate = Supervised(tmp_path, WORKERS, AT_FIRST, 0.05)
    proxy = Proxy(tmp_path, {f"w{number}": port for number, port in enumerate(estate.ports)})
    customers = Customers(proxy.front, CALM)
    write_runbooks(tmp_path / "runbooks")
    with estate.running(), proxy.running(), customers.ordering():
        petrel.config = config_of(scraped(tmp_path, customers) + SECTIONS.format(folder=tmp_path))
        petrel.start()
        with person(petrel) as admin:
            sign(admin, "scale-out")
            sign(admin, "scale-in")
            wait_for_samples(petrel, 35, "service_latency_seconds", "service_replicas")
            customers.order_at(SURGE)
            out = waiting(petrel, "scale-out")
            look_closely(petrel, "service_latency_seconds", 14)
            page = agree(admin, out, "it is the sale")
            assert f"replicas: {WORKERS} made {2 * AT_FIRST}" in page
            wait_until(lambda: all(map(answers, estate.ports[: 2 * AT_FIRST])), 30, lambda: told(petrel))
            view = ended(petrel, out, 90)
            went_well(petrel, view)
            assert replicas(view) == 2 * AT_FIRST
            assert not any(map(answers, estate.ports[2 * AT_FIRST :])), "no more than that"
            wait_until(lambda: incident_of(petrel, out)["state"] != "open", 30, lambda: told(petrel))
            said = [one["text"] for one in incident_of(petrel, out)["timeline"]]
            (done,) = [one for one in said if out["run_id"] in one]
            assert "service.scale on service:shop: fixed" in done

            customers.order_at(CALM)
            back = waiting(petrel, "scale-in", 120)
            agree(admin, back, "the sale is over")
            view = ended(petrel, back, 90)
            went_well(petrel, view)
            assert replicas(view) == 2 * AT_FIRST - 1
            assert "was acted on within" in verdict_on(view, "cooldown and flapping")["reason"]
            chain_is_whole(petrel)
            numbers = counted(petrel)
            assert (numbers[0], max(numbers), numbers[-1]) == (2, 4, 3), numbers
            assert turns(numbers) == 1, f"one way and back, once: {numbers}"
            states = [one["state"] for one in runs(petrel, "scale-out")]
            assert states.count("finished") == 1, told(petrel)
        assert customers.lost == {}, "orders were lost while workers came and went"
