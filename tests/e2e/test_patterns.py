"""A service that begins to fail in a new way: its log says so as a new pattern, and the incident names it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Petrel, free_port, wait_until
from tests.e2e.syslog_senders import SECOND, listening

pytestmark = pytest.mark.e2e

HOUR = 3600 * SECOND
FAILS = "ledger is read-only, order {} not booked"


def send_past(port: int, now: int) -> None:
    """Two hours of the service's usual log, every two seconds, with the times at which it was written."""
    lines = []
    for k in range(3590):
        at = now - 2 * HOUR + 2 * k * SECOND
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // SECOND)) + "Z"
        text = f"order {k} took {k % 83} ms" if k % 3 else f"stock of article {k % 41} is {k % 900}"
        lines.append(f"<158>1 {stamp} web-1 shop 77 - - {text}".encode())
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sender:
        sender.sendall(b"".join(b"%d %s" % (len(line), line) for line in lines))


def fail(port: int, number: int) -> None:
    """The service fails, and says so through logger(1)."""
    path = shutil.which("logger")
    if path is None:
        pytest.skip("logger of util-linux is not installed")
    command = [path, "-n", "127.0.0.1", "-P", str(port), "-T", "--rfc5424", "--octet-count"]
    subprocess.run([*command, "-p", "local3.err", "-t", "shop", FAILS.format(number)], check=True, timeout=60)


def told(petrel: Petrel) -> list[dict[str, Any]]:
    """Findings of new patterns in open incidents."""
    return [
        {**finding, "incident": incident["incident_id"]}
        for incident in petrel.get("/api/v1/incidents", state="open").json()["incidents"]
        for finding in incident["findings"]
        if finding["detector"] == "new_pattern"
    ]


def test_a_new_way_to_fail_is_in_an_incident_within_ten_seconds(tmp_path: Path) -> None:
    port = free_port()
    petrel = listening(tmp_path, tcp_port=port).start()
    send_past(port, time.time_ns())
    wait_until(lambda: petrel.get("/api/v1/patterns", **{"from": "-3h"}).json()["records"] == 3590, 60,
               lambda: petrel.output)  # fmt: skip
    rows = petrel.get("/api/v1/patterns", **{"from": "-3h"}).json()["rows"]
    assert sorted(row["records"] for row in rows) == [1197, 2393]
    assert told(petrel) == []

    begun = time.monotonic()
    fail(port, 4711)
    wait_until(lambda: told(petrel) != [], 10, lambda: petrel.output)
    assert time.monotonic() - begun < 10
    (finding,) = told(petrel)
    assert "ledger is read-only" in finding["title"]
    pattern = finding["evidence"]["query"].split('"')[1]
    page = petrel.get(f"/api/v1/patterns/{pattern}").json()
    assert [record["body"] for record in page["records"]] == [FAILS.format(4711)]
    assert page["known"]["source"] == "syslog/process:shop"

    # After a kill it is the same pattern, and no news a second time.
    petrel.kill()
    petrel.start()
    for number in range(3):
        fail(port, number)
    wait_until(lambda: len(petrel.get(f"/api/v1/patterns/{pattern}").json()["records"]) == 4, 30,
               lambda: petrel.output)  # fmt: skip
    assert {one["finding_id"] for one in told(petrel)} == {finding["finding_id"]}
    assert petrel.stop() == 0
