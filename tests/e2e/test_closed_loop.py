"""A supervised service dies: it is found, a plan is made, a person agrees, and it is restarted and verified.

All of it is real: supervisord, the service with its metrics, the page, the ledger.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.estates import SUPERVISORD, Supervised, answers, config_of
from tests.e2e.loops import agree, ended, library, sign, told, wait_for_samples, waiting, went_well
from tests.e2e.sent import person

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

SECTIONS = """
[[sources.scrape]]
name = "shop"
url = "http://127.0.0.1:{port}/metrics"
interval_seconds = 1
timeout_seconds = 0.9
labels = {{service = "shop"}}
[automation]
runbooks = "{folder}/runbooks"
verify_seconds = 15
read_seconds = 1
lease_seconds = 3
[actuators.supervisor]
type = "supervisord"
socket = "{folder}/rpc.sock"
targets = {{"service:shop" = "shop"}}
stateful = {{"service:shop" = false}}
"""


def pid_of(estate: Supervised) -> int:
    """Of the service, as its supervisor logged it last."""
    return int(re.findall(r"spawned: 'shop_0' with pid (\d+)", estate.log)[-1])


@pytest.mark.skipif(SUPERVISORD is None, reason="supervisord is not installed (supervisor)")
def test_a_service_that_dies_is_restarted_once_somebody_agrees(petrel: Petrel, tmp_path: Path) -> None:
    estate = Supervised(tmp_path)
    (port,) = estate.ports
    (tmp_path / "runbooks").mkdir()
    sooner = library("restart-failed-service", ("15s", "4s"))
    (tmp_path / "runbooks" / "restart.yaml").write_text(sooner)
    petrel.config = config_of(SECTIONS.format(port=port, folder=tmp_path))
    with estate.running():
        petrel.start()
        with person(petrel) as admin:
            sign(admin, "restart-failed-service")
            wait_for_samples(petrel, 16, "up", "service_up")
            died = time.time()
            os.kill(pid_of(estate), signal.SIGKILL)
            run = waiting(petrel, "restart-failed-service", 30)
            assert not answers(port), "nothing was done before somebody agreed"
            agree(admin, run, "it is down")
            wait_until(lambda: answers(port), 20, lambda: told(petrel))
            went_well(petrel, ended(petrel, run, died + 60 - time.time()))
            incident = admin.get(f"/incidents/{run['incident_id']}").text
            assert f"/automation/runs/{run['run_id']}" in incident
        assert estate.log.count("spawned: 'shop_0'") == 2, "restarted once"
