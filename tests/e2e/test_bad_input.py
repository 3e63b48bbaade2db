"""What a server must not choke on: broken requests over real HTTP. Each is answered in the one error
shape, and the good request after it is stored, alone."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from functools import partial

import cramjam
import httpx
import numpy as np
import pytest
from google.rpc.status_pb2 import Status
from tests.e2e.conftest import CONFIG, Petrel, http_get, http_post

from stormpetrel.model.signal import MetricKind
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

pytestmark = pytest.mark.e2e

WRITE, LOGS = "/api/v1/write", "/v1/logs"
JSON = {"Content-Type": "application/json"}
JSON_BOTH = {**JSON, "Accept": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
LIMITS = """
max_body_bytes = 65536
max_unpacked_bytes = 1048576
"""
Answer = Callable[[Petrel], httpx.Response]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Petrel]:
    """One server with small limits for all requests of this module."""
    config = CONFIG.replace("port = {port}\n", "port = {port}" + LIMITS)
    one = Petrel(tmp_path_factory.mktemp("bad"), config).start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()


def post(
    petrel: Petrel, path: str, body: bytes | Iterator[bytes], headers: dict[str, str], auth: bool = True
) -> httpx.Response:
    everything = {**headers, **(petrel.auth if auth else {})}
    return http_post(petrel.url + path, content=body, headers=everything, timeout=30)


def rows(petrel: Petrel) -> dict[str, int]:
    return {name: count for name, count, _ in petrel.get("/api/v1/about").json()["tables"]}


def good_samples(petrel: Petrel, value: float = 1.0) -> httpx.Response:
    spec = SeriesSpec("good", (("job", "test"),), MetricKind.GAUGE)
    now = time.time_ns() // 1_000_000 * 1_000_000
    body = write_request(MetricColumns((spec,), np.array([now]), np.array([[value]])))
    return post(petrel, WRITE, body, REMOTE_WRITE_HEADERS)


def good_log(petrel: Petrel, text: str = "fine") -> httpx.Response:
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": text}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    return post(petrel, LOGS, body, JSON)


def snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def chunks(size: int) -> Iterator[bytes]:
    """A body whose length is not declared."""
    for _ in range(size // 8192):
        yield b"x" * 8192


# A snappy block that says it holds 2 GiB, and one that really unpacks to more than the limit.
LYING_SNAPPY = b"\x80\x80\x80\x80\x08" + b"\x00a"
BOMB_SNAPPY = snappy(bytes(1_300_000))
GZIP = {**JSON, "Content-Encoding": "gzip"}

BAD: dict[str, tuple[str, Callable[[], bytes | Iterator[bytes]], dict[str, str], int, str]] = {
    "no snappy": (WRITE, lambda: b"\xff" * 100, REMOTE_WRITE_HEADERS, 400, "malformed"),
    "no remote write": (WRITE, lambda: snappy(b"\xff" * 100), REMOTE_WRITE_HEADERS, 400, "malformed"),
    "empty remote write": (WRITE, lambda: b"", REMOTE_WRITE_HEADERS, 400, "malformed"),
    "no protobuf": (LOGS, lambda: b"\xff" * 100, PROTOBUF, 400, "malformed"),
    "no JSON": (LOGS, lambda: b'{"resourceLogs": [', JSON, 400, "malformed"),
    "other JSON": (LOGS, lambda: b'{"resourceLogs": 7}', JSON, 400, "malformed"),
    "no gzip": (LOGS, lambda: b"\x1f\x8b nonsense", GZIP, 400, "malformed"),
    "wrong type": (LOGS, lambda: b"x", {"Content-Type": "text/csv"}, 415, "unsupported"),
    "wrong encoding": (LOGS, lambda: b"x", {**JSON, "Content-Encoding": "br"}, 415, "unsupported"),
    "oversized": (LOGS, lambda: b"x" * 70_000, JSON, 413, "too_large"),
    "oversized in chunks": (LOGS, lambda: chunks(80_000), JSON, 413, "too_large"),
    "gzip bomb": (LOGS, lambda: gzip.compress(b" " * 30_000_000), GZIP, 413, "too_large"),
    "snappy bomb": (WRITE, lambda: BOMB_SNAPPY, REMOTE_WRITE_HEADERS, 413, "too_large"),
    "lying snappy": (WRITE, lambda: LYING_SNAPPY, REMOTE_WRITE_HEADERS, 413, "too_large"),
}


def check_shape(answer: httpx.Response, status: int, reason: str, retryable: bool = False) -> None:
    assert answer.status_code == status, answer.text
    if answer.headers["content-type"] == "application/x-protobuf":
        assert len(Status.FromString(answer.content).message) > 10
        assert ("retry-after" in answer.headers) == retryable
        return
    said = answer.json()
    error = said.pop("error")
    assert list(said.values()) in ([], [error["message"]]), "OTLP's own shape, beside ours"
    assert sorted(error) == ["message", "reason", "retryable"]
    assert (error["reason"], error["retryable"]) == (reason, retryable)
    assert len(error["message"]) > 10
    assert ("retry-after" in answer.headers) == retryable


def check_stores_nothing_but_the_good(petrel: Petrel, ask: Answer) -> httpx.Response:
    before = rows(petrel)
    answer = ask(petrel)
    assert rows(petrel) == before, "something of a refused request was stored"
    assert good_samples(petrel).status_code == 204
    assert good_log(petrel).status_code == 200
    after = rows(petrel)
    assert after["samples"] == before.get("samples", 0) + 1
    assert after["logs"] == before.get("logs", 0) + 1
    return answer


@pytest.mark.parametrize("name", BAD)
def test_a_broken_request_is_refused_and_the_next_is_stored(shared: Petrel, name: str) -> None:
    path, body, headers, status, reason = BAD[name]
    answer = check_stores_nothing_but_the_good(shared, lambda p: post(p, path, body(), headers))
    check_shape(answer, status, reason)


def test_a_stranger_is_refused(shared: Petrel) -> None:
    for authorization in ({}, {"Authorization": "Bearer sp_forged"}, {"Authorization": "Basic !!"}):
        ask = partial(post, path=LOGS, body=b"{}", headers={**JSON, **authorization}, auth=False)
        answer = check_stores_nothing_but_the_good(shared, ask)
        check_shape(answer, 401, "token")
        assert "bearer" in answer.headers["www-authenticate"].lower()


def test_a_token_without_the_scope_is_refused(shared: Petrel) -> None:
    reader = {**JSON, "Authorization": f"Bearer {shared.read_token}"}
    ask = partial(post, path=LOGS, body=b"{}", headers=reader, auth=False)
    check_shape(check_stores_nothing_but_the_good(shared, ask), 403, "scope")


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/v1/writer", "/v1/logs/"])
def test_an_unknown_path_receives_nothing(shared: Petrel, path: str) -> None:
    answer = check_stores_nothing_but_the_good(shared, lambda p: post(p, path, b"{}", JSON_BOTH))
    check_shape(answer, 405, "method_not_allowed")
    reader = {**JSON_BOTH, "Authorization": f"Bearer {shared.read_token}"}
    check_shape(http_get(shared.url + path, headers=reader), 404, "not_found")


def test_a_receiving_path_takes_only_posts(shared: Petrel) -> None:
    answer = http_get(shared.url + LOGS, headers=shared.auth)
    check_shape(answer, 405, "method_not_allowed")
