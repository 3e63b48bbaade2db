"""What sensors and disks push, from the request to what the interface answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.conftest import Petrel, http_post
from tests.ingest.decoders.disks import ATA
from tests.ingest.decoders.test_flows_csv import CIC
from tests.ingest.decoders.test_suricata import ALERT, DNS, FLOW
from tests.ingest.decoders.test_suricata import push as suricata
from tests.ingest.decoders.test_zeek import CONN_FIELDS, CONN_ROW, table

pytestmark = pytest.mark.e2e

LONG_AGO = {"from": "2023-11-14T00:00:00Z", "to": "2023-11-15T00:00:00Z"}


def send(petrel: Petrel, path: str, body: Any) -> None:
    given = {"json": body} if isinstance(body, dict) else {"content": body}
    answer = http_post(f"{petrel.url}{path}", headers=petrel.auth, timeout=30, **given)
    assert answer.is_success, answer.text


def test_flows_alerts_logs_and_disks_arrive(petrel: Petrel) -> None:
    petrel.start()
    zeek = table("conn", CONN_FIELDS, CONN_ROW).encode()
    for _ in range(2):  # a sender that repeats itself
        send(petrel, "/flows/zeek", zeek)
    send(petrel, "/flows/suricata", suricata(FLOW, ALERT, DNS).body)
    send(petrel, "/flows/csv", CIC.encode())
    send(petrel, "/smart/smartctl?host=web-1", {**ATA, "local_time": {}})
    flows = petrel.get("/api/v1/flows", **LONG_AGO).json()["flows"]
    assert sorted(flow["source"] for flow in flows) == ["local/flows_csv", "local/suricata", "local/zeek"]
    assert {flow["destination_address"] for flow in flows} == {"192.0.2.80"}
    assert len(petrel.get("/api/v1/flows", address="10.0.0.99", **LONG_AGO).json()["flows"]) == 0
    (alert,) = petrel.get("/api/v1/alerts", **LONG_AGO).json()["alerts"]
    assert (alert["name"], alert["labels"]["rule"]) == ("ET MALWARE beacon", "1:2024056")
    (log,) = petrel.get("/api/v1/logs", **LONG_AGO).json()["records"]
    assert log["body"].startswith("dns query A example.org")
    found = petrel.get("/api/v1/series", text="smart_attribute_raw reallocated").json()["series"]
    assert [series["entity"] for series in found] == ["host:web-1/disk:AC-1234"]
    refused = http_post(f"{petrel.url}/flows/zeek", headers=petrel.auth, content=b"no log at all")
    assert (refused.status_code, "no_header" in refused.text) == (400, True)
