"""Requests as senders make them, and what is stored of them."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tests.e2e.browser import NAME, PASSWORD
from tests.e2e.conftest import Petrel, http_post

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

SECOND = 1_000_000_000
Values = Sequence[Sequence[float]] | NDArray[np.float64]


def now() -> int:
    """The present, as exactly as remote write says it."""
    return time.time_ns() // 1_000_000 * 1_000_000


def gauges(names: Sequence[str]) -> tuple[SeriesSpec, ...]:
    return tuple(SeriesSpec(name, (("job", "test"),), MetricKind.GAUGE) for name in names)


def send_samples(
    petrel: Petrel,
    names: Sequence[str],
    times: Sequence[int],
    values: Values,
) -> httpx.Response:
    """Remote write: values[time][name]."""
    body = write_request(MetricColumns(gauges(names), np.array(times), np.asarray(values, float)))
    return http_post(
        f"{petrel.url}/api/v1/write",
        content=body,
        headers={**REMOTE_WRITE_HEADERS, **petrel.auth},
        timeout=40,
    )


def log_request(bodies: Sequence[str]) -> bytes:
    records = [{"timeUnixNano": str(time.time_ns()), "body": {"stringValue": body}} for body in bodies]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def send_logs(petrel: Petrel, body: bytes) -> httpx.Response:
    """OTLP logs as JSON."""
    headers = {"Content-Type": "application/json", **petrel.auth}
    return http_post(f"{petrel.url}/v1/logs", content=body, headers=headers, timeout=40)


def exported(petrel: Petrel, what: str, out: Path) -> list[dict[str, Any]]:
    """Every row that is stored; Storm Petrel must be stopped."""
    command = [sys.executable, "-m", "stormpetrel.cli.main", "export", "--what", what, "--from", "-2d"]
    command += ["--to", "now", "--out", str(out), "--config", str(petrel.directory / "stormpetrel.toml")]
    subprocess.run(command, check=True, capture_output=True)
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


@contextmanager
def person(petrel: Petrel) -> Iterator[httpx.Client]:
    """The first admin, signed in through the one-time set-up link."""
    origin = {"Origin": petrel.url}
    with httpx.Client(base_url=petrel.url, headers=origin, follow_redirects=True, timeout=30) as client:
        page = client.get(petrel.setup_url).text
        secret = re.findall(r'name="secret" value="([^"]+)"', page)[0]
        fields = {"name": NAME, "password": PASSWORD, "secret": html.unescape(secret)}
        answer = client.post("/set-up", data=fields | csrf(page))
        assert answer.status_code == 200, answer.text
        yield client


def csrf(page: str) -> dict[str, str]:
    """The hidden field that shows that a form came from our own page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    return {"csrf": html.unescape(found[1])} if found else {}
