"""Senders of the overload benchmark: each in a process of its own, so that they do not wait for each
other."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any

import numpy as np
from benchmarks.speed._load import Template

from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS

Request = tuple[str, bytes, dict[str, str], int]  # path, body, headers, rows
_JSON = {"Content-Type": "application/json"}


@dataclass
class Tally:
    """What became of the requests of one process."""

    acknowledged: dict[str, int] = field(default_factory=lambda: {"samples": 0, "logs": 0, "spans": 0})
    offered_rows: int = 0
    refused: dict[int, int] = field(default_factory=dict)  # status -> requests
    lags: list[tuple[float, float]] = field(default_factory=list)  # (when acknowledged, seconds since made)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plain(self) -> dict[str, Any]:
        return {
            "acknowledged": self.acknowledged,
            "offered_rows": self.offered_rows,
            "refused": self.refused,
            "lags": self.lags,
        }


class Connection:
    """One kept-open connection of one source."""

    def __init__(self, port: int, token: str, source: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "X-Storm-Petrel-Source": source}
        self._open: http.client.HTTPConnection | None = None

    def post(self, request: Request) -> int:
        """The status; 0 when there was no answer."""
        path, body, headers, _ = request
        try:
            if self._open is None:
                self._open = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._open.request("POST", path, body, {**headers, **self._headers})
            answer = self._open.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self._open = None
            return 0


def flood(port: int, token: str, pace: tuple[float, int, int], stop: Event, out: Any) -> None:
    """Remote write at a fixed pace, whatever the answers are; a refused request is not sent again.

    `pace`: rows a second (0: as fast as answers come), connections, rows a request.
    """
    rows_per_second, connections, per_request = pace
    tally = Tally()
    threads = [
        threading.Thread(
            target=_flood_one,
            args=(port, token, n, (rows_per_second / connections, per_request), stop, tally),
        )
        for n in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.put(tally.plain())


def _flood_one(
    port: int, token: str, number: int, pace: tuple[float, int], stop: Event, tally: Tally
) -> None:
    rows_per_second, per_request = pace
    template = Template(number * per_request, per_request)
    rng = np.random.default_rng(number)
    values = rng.normal(100, 5, per_request)
    connection = Connection(port, token, "flood")
    due = time.monotonic() + rng.uniform(0, 1)
    while not stop.is_set():
        if rows_per_second:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + per_request / rows_per_second, time.monotonic() - 1.0)
        body = template.body(time.time_ns(), values)
        request = ("/api/v1/write", body, REMOTE_WRITE_HEADERS, per_request)
        made = time.monotonic()
        status = connection.post(request)
        unknown = False
        # Nobody knows whether it is stored, until it is known: a 429 then speaks of the repetition only.
        while status in (0, 503) or (unknown and status == 429):
            unknown = True
            time.sleep(0.2)
            status = connection.post(request)
        with tally.lock:
            tally.offered_rows += per_request
            if status < 300:
                tally.acknowledged["samples"] += per_request
                tally.lags.append((time.time(), time.monotonic() - made))
            else:
                tally.refused[status] = tally.refused.get(status, 0) + 1


def modest(port: int, token: str, sources: int, seconds: float, stop: Event, out: Any) -> None:
    """Sources that send a little at a steady pace, each request again until it is acknowledged."""
    tally = Tally()
    threads = [
        threading.Thread(target=_modest_one, args=(port, token, n, seconds, stop, tally))
        for n in range(sources)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.put(tally.plain())


def _modest_one(port: int, token: str, number: int, seconds: float, stop: Event, tally: Tally) -> None:
    kind = ("samples", "logs", "samples", "spans")[number % 4]
    connection = Connection(port, token, f"modest-{number}")
    requests = _requests(kind, number)
    due = time.monotonic() + seconds * number / 20
    while not stop.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        due += seconds
        request = next(requests)
        made = time.monotonic()
        while (status := connection.post(request)) >= 300 or status == 0:
            with tally.lock:
                tally.refused[status] = tally.refused.get(status, 0) + 1
            time.sleep(1.0)
        with tally.lock:
            tally.offered_rows += request[3]
            tally.acknowledged[kind] += request[3]
            tally.lags.append((time.time(), time.monotonic() - made))


def _requests(kind: str, source: int) -> Iterator[Request]:
    rng = np.random.default_rng(1000 + source)
    template = Template(10_000_000 + 200 * source, 200)
    while True:
        now = time.time_ns()
        if kind == "samples":
            yield "/api/v1/write", template.body(now, rng.normal(5, 1, 200)), REMOTE_WRITE_HEADERS, 200
        elif kind == "logs":
            records = [
                {
                    "timeUnixNano": str(now + n),
                    "severityNumber": 9,
                    "body": {"stringValue": f"order {n} took"},
                }
                for n in range(100)
            ]
            body = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
            yield "/v1/logs", json.dumps(body).encode(), _JSON, 100
        else:
            spans: list[dict[str, object]] = [
                {
                    "traceId": rng.bytes(16).hex(),
                    "spanId": rng.bytes(8).hex(),
                    "name": "GET /cart",
                    "startTimeUnixNano": str(now),
                    "endTimeUnixNano": str(now + 1_000_000),
                }
                for _ in range(50)
            ]
            body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
            yield "/v1/traces", json.dumps(body).encode(), _JSON, 50


class Process:
    """A sender in a process of its own; `end` gives its tally."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._out = context.Queue()
        self._process = context.Process(target=target, args=(*arguments, self._stop, self._out), daemon=True)
        self._process.start()

    def stop(self) -> None:
        self._stop.set()

    def end(self) -> dict[str, Any]:
        self._stop.set()
        tally: dict[str, Any] = self._out.get(timeout=120)
        self._process.join(60)
        return tally
