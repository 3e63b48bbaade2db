"""Senders to Loki, Elasticsearch and InfluxDB, played by curl: what was acknowledged is stored, once."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import cramjam
import pytest
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.sent import exported
from tests.ingest.decoders.test_loki import as_message

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("curl") is None, reason="curl is not installed (Debian: apt-get install curl)"
    ),
]

REQUESTS, ROWS = 16, 40
RETRY = [
    "--retry",
    "80",
    "--retry-all-errors",
    "--retry-delay",
    "1",
    "--retry-max-time",
    "90",
    "--max-time",
    "30",
]


def iso(stamp: int) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stamp // 10**9))
    return f"{moment}.{stamp % 10**9:09d}Z"


class Sent:
    """One protocol's requests as files, how curl sends them, and what must come of them."""

    def __init__(self, name: str, url: str, options: list[str], directory: Path) -> None:
        self.name, self.url, self.options = name, url, options
        self.directory = directory / name
        self.directory.mkdir()
        self.rows: set[tuple[int, str]] = set()

    def add(self, number: int, body: bytes) -> None:
        (self.directory / f"{number:04d}").write_bytes(body)

    def send(self) -> subprocess.Popen[str]:
        """Each file until it is acknowledged, in one shell; the names of those that were, a line each."""
        curl = ["curl", "--silent", "--show-error", "--fail-with-body", *RETRY, *self.options]
        script = """
            url=$1; shift
            for f in *; do "$@" --data-binary "@$f" --output "$f.answer" "$url" && echo "$f"; done
        """
        return subprocess.Popen(
            ["sh", "-c", script, "sh", self.url, *curl], cwd=self.directory, stdout=subprocess.PIPE, text=True
        )


def loki(petrel: Petrel, directory: Path, start: int) -> Sent:
    sent = Sent("loki", f"{petrel.url}/loki/api/v1/push", ["--user", f"x:{petrel.token}"], directory)
    sent.options += ["-H", "Content-Type: application/x-protobuf", "-H", "X-Scope-OrgID: blue"]
    for n in range(REQUESTS):
        lines: list[tuple[int, str, dict[str, str]]] = [
            (start + n * ROWS + k, f"loki {n} {k}", {}) for k in range(ROWS)
        ]
        sent.add(
            n, bytes(cramjam.snappy.compress_raw(as_message([({"host": "a"}, lines)]).SerializeToString()))
        )
        sent.rows |= {(stamp, line) for stamp, line, _ in lines}
    return sent


def elastic(petrel: Petrel, directory: Path, start: int) -> Sent:
    key = base64.b64encode(f"id:{petrel.token}".encode()).decode()
    sent = Sent(
        "elastic", f"{petrel.url}/elastic/shop/_bulk", ["-H", f"Authorization: ApiKey {key}"], directory
    )
    sent.options += ["-H", "Content-Type: application/x-ndjson", "-H", "Content-Encoding: gzip"]
    for n in range(REQUESTS):
        lines = [(start + n * ROWS + k, f"elastic {n} {k}") for k in range(ROWS)]
        body = b"".join(
            b'{"create":{}}\n' + json.dumps({"@timestamp": iso(stamp), "message": line}).encode() + b"\n"
            for stamp, line in lines
        )
        sent.add(n, gzip.compress(body))
        sent.rows |= set(lines)
    return sent


def influx(petrel: Petrel, directory: Path, start: int) -> Sent:
    sent = Sent(
        "influx",
        f"{petrel.url}/api/v2/write?bucket=b",
        ["-H", f"Authorization: Token {petrel.token}"],
        directory,
    )
    for n in range(REQUESTS):
        lines = [(start + n, f'm,host=h{k} f={n}.25,text="x" {start + n}') for k in range(ROWS)]
        sent.add(n, "\n".join(line for _, line in lines).encode())
        sent.rows |= {(stamp, f"m_f h{k} {n}.25") for k, (stamp, _) in enumerate(lines)}
    return sent


def log_rows(stored: list[dict[str, Any]], source: str) -> list[tuple[int, str]]:
    return [(row["time_unix_nano"], row["body"]) for row in stored if row["source"].endswith(f"/{source}")]


def test_a_kill_in_mid_send_loses_and_doubles_nothing(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    start = time.time_ns() - 600 * 10**9 + 123
    senders = [make(petrel, tmp_path, start) for make in (loki, elastic, influx)]
    running = [sender.send() for sender in senders]
    assert running[0].stdout is not None
    for _ in range(REQUESTS // 4):
        assert running[0].stdout.readline()
    petrel.kill()
    time.sleep(0.5)
    petrel.start()
    left = [process.communicate(timeout=120)[0].split() for process in running]
    assert [len(names) for names in left] == [REQUESTS - REQUESTS // 4, REQUESTS, REQUESTS]
    answers = [json.loads(path.read_text()) for path in tmp_path.glob("*/*.answer") if path.stat().st_size]
    assert all(answer["errors"] is False and len(answer["items"]) == ROWS for answer in answers)
    assert petrel.stop() == 0
    logs = exported(petrel, "logs", tmp_path / "logs.parquet")
    for sender in senders[:2]:
        rows = log_rows(logs, sender.name)
        assert len(rows) == REQUESTS * ROWS
        assert set(rows) == sender.rows
    assert {json.loads(row["attributes"]).get("loki.tenant") for row in logs if "loki" in row["source"]} == {
        "blue"
    }
    samples = exported(petrel, "samples", tmp_path / "samples.parquet")
    found = [
        (row["time_unix_nano"], f"{row['metric']} {json.loads(row['labels'])['host']} {row['value']}")
        for row in samples
    ]
    assert len(found) == REQUESTS * ROWS
    assert set(found) == senders[2].rows


def curl(petrel: Petrel, *options: str) -> tuple[int, str]:
    """Status and body of one request."""
    done = subprocess.run(
        ["curl", "--silent", "--user", f"x:{petrel.token}", "--write-out", "\n%{http_code}", *options],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_refusals_and_questions_as_the_senders_see_them(petrel: Petrel) -> None:
    petrel.start()
    stamp = time.time_ns()
    push = json.dumps(
        {"streams": [{"stream": {"job": "a"}, "values": [[str(stamp), "good"], ["late", "bad"]]}]}
    )
    status, body = curl(petrel, "--json", push, f"{petrel.url}/loki/api/v1/push")
    assert (status, "malformed_time: 1" in body) == (400, True)
    status, body = curl(petrel, "--json", "no push", f"{petrel.url}/loki/api/v1/push")
    assert (status, json.loads(body)["error"]["reason"]) == (400, "malformed")
    status, body = curl(petrel, "--data-binary", "m f=1\nbad\n", f"{petrel.url}/write?db=x")
    assert (status, json.loads(body)["error"].startswith("partial write: line 2")) == (400, True)
    lines = '{"delete":{"_index":"a","_id":"1"}}\n{"index":{"_index":"a"}}\n{"message":"kept"}\n'
    status, body = curl(petrel, "--data-binary", lines, f"{petrel.url}/elastic/_bulk")
    assert [next(iter(i.values()))["status"] for i in json.loads(body)["items"]] == [400, 201]
    status, body = curl(petrel, "--head", f"{petrel.url}/elastic/")
    assert (status, "x-elastic-product: elasticsearch" in body.lower()) == (200, True)
    status, _ = curl(petrel, f"{petrel.url}/elastic/a/_search")
    assert status == 415
    found: list[str] = []

    def both() -> bool:
        found[:] = sorted(r["body"] for r in petrel.get("/api/v1/logs", limit=10).json()["records"])
        return found == ["good", "kept"]

    wait_until(both, 60, lambda: str(found))
