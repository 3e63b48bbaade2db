"""A bad release is found by its errors, rolled back by the runbook that comes along, and verified.

All of it is real: two releases of a shop behind HAProxy, its customers, the change that the deployment posts,
the page on which a person agrees, the ledger.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, http_post, wait_until
from tests.e2e.estates import HAPROXY, Customers, Releases, config_of, scraped
from tests.e2e.loops import (
    agree,
    chain_is_whole,
    ended,
    incident_of,
    library,
    look_closely,
    sign,
    told,
    wait_for_samples,
    waiting,
    went_well,
)
from tests.e2e.sent import person

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SECTIONS = """
[derive]
step_seconds = 2
late_seconds = 0
[detect]
warmup_samples = 20
false_per_day = 3000
[automation]
runbooks = "{folder}/runbooks"
verify_seconds = 18
read_seconds = 1
lease_seconds = 3
[actuators.proxy]
type = "haproxy"
socket = "{folder}/haproxy.sock"
stateful = {{"service:shop" = false}}
[actuators.proxy.releases."service:shop"]
backend = "shop"
versions = {{A = ["a1", "a2"], B = ["b1", "b2"]}}
"""


def post_change(petrel: Petrel) -> None:
    """As a pipeline posts its deployment."""
    change = {
        "id": "rollout-7", "title": "Shop B rolled out", "kind": "deploy", "service": "shop", "version": "B",
        "state": "succeeded",
    }  # fmt: skip
    assert http_post(f"{petrel.url}/hooks/changes", json=change, headers=petrel.auth).is_success


@pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed (haproxy)")
def test_a_bad_release_is_rolled_back_once_somebody_agrees(petrel: Petrel, tmp_path: Path) -> None:
    estate = Releases(tmp_path)
    customers = Customers(estate.proxy.front, 60)
    (tmp_path / "runbooks").mkdir()
    sooner = library("roll-back-deployment", ("settle: 60s", "settle: 3s"))
    (tmp_path / "runbooks" / "roll-back.yaml").write_text(sooner)
    with estate.running(), customers.ordering():
        petrel.config = config_of(scraped(tmp_path, customers) + SECTIONS.format(folder=tmp_path))
        petrel.start()
        with person(petrel) as admin:
            sign(admin, "roll-back-deployment")
            wait_for_samples(petrel, 24, "service_error_ratio", "http_client_requests_total")
            estate.deploy("B")
            post_change(petrel)
            run = waiting(petrel, "roll-back-deployment")
            assert estate.serving() == {"B"}, "nothing was done before somebody agreed"
            assert customers.counts["500"] > 0
            look_closely(petrel, "service_error_ratio")
            page = agree(admin, run, "the errors began with it")
            assert "deploy of service:shop" in page
            assert "rollout-7" in page, "the plan names the change that it takes back"
            wait_until(lambda: estate.serving() == {"A"}, 30, lambda: told(petrel))
            view = ended(petrel, run, 90)
            went_well(petrel, view)
            (record,) = view["run"]["records"]
            assert record["action"]["kind"] == "deployment.rollback"
            assert dict(record["result"]["evidence"]) == {"from": "B", "to": "A"}
            wait_until(lambda: incident_of(petrel, run)["state"] != "open", 30, lambda: told(petrel))
            incident = incident_of(petrel, run)
            assert incident["state"] in ("mitigated", "resolved")
            said = [one["text"] for one in incident["timeline"] if run["run_id"] in one["text"]]
            assert len(said) == 1, said
            assert "deployment.rollback on service:shop: fixed" in said[0]
            causes = admin.get(f"/incidents/{run['incident_id']}/causes").text
            assert "rollout-7" in causes, "the cause that is named is the deploy"
            chain_is_whole(petrel)
        before = customers.counts
        wait_until(lambda: customers.counts["200"] - before["200"] > 80, 30)
        bad = customers.counts["500"] - before["500"]
        assert bad < 10, f"{bad} orders failed after it was fixed"
        assert estate.serving() == {"A"}
