"""Elasticsearch's bulk interface: documents to records, answers item by item, questions of shippers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stormpetrel.errors import DecodeError, UnsupportedError
from stormpetrel.ingest.elastic import ElasticDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

T = 1_700_000_000_123_456_789
STAMP = "2023-11-14T22:13:20.123456789Z"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CREATE = {"create": {"_index": "logs-shop"}}
DOCUMENT = {
    "@timestamp": STAMP, "message": "card refused", "log": {"level": "error", "offset": 7},
    "host": {"name": "web-1"}, "service.name": "checkout", "trace": {"id": TRACE}, "span.id": SPAN,
    "tags": ["a", "b"], "empty": {}, "none": None,
}  # fmt: skip


def ndjson(*lines: Any) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )


def push(body: bytes, path: str = "/elastic/_bulk", method: str = "POST") -> PushRequest:
    return PushRequest(body, "application/x-ndjson", "", path, "test", T + 9, method=method)


VALID_REQUESTS = [
    push(ndjson(CREATE, DOCUMENT, {"index": {"_id": "x"}}, {"message": "ERROR late"}), "/elastic/logs/_bulk")
]


def decode(request: PushRequest) -> Decoded:
    return ElasticDecoder(SeriesRegistry(), 1 << 20).decode(request)


def rows(*lines: Any, path: str = "/elastic/_bulk") -> list[dict[str, Any]]:
    decoded = decode(push(ndjson(*lines), path))
    assert decoded.logs is not None
    found: list[dict[str, Any]] = decoded.logs.records.to_pylist()
    return found


def row(**document: Any) -> dict[str, Any]:
    (found,) = rows(CREATE, document)
    return found


def items(decoded: Decoded) -> list[tuple[str, dict[str, Any]]]:
    return [next(iter(item.items())) for item in json.loads(decoded.answer)["items"]]


def test_what_becomes_of_a_document() -> None:
    record, late = rows(
        CREATE, DOCUMENT, {"index": {"_id": "x"}}, {"message": "ERROR late"}, path="/elastic/logs/_bulk"
    )
    assert (record["time_unix_nano"], record["observed_unix_nano"]) == (T, T + 9)
    assert (record["entity"], record["severity_number"], record["body"]) == (
        "service:checkout",
        17,
        "card refused",
    )
    assert (record["trace_id"], record["span_id"], record["source"]) == (TRACE, SPAN, "test")
    assert json.loads(record["attributes"]) == {
        "_index": "logs-shop", "log.level": "error", "log.offset": 7, "host.name": "web-1",
        "service.name": "checkout", "tags": ["a", "b"],
    }  # fmt: skip
    assert (late["time_unix_nano"], late["severity_number"], late["entity"]) == (T + 9, 17, "unknown:unknown")
    assert json.loads(late["attributes"]) == {"_index": "logs"}
    assert record["request_token"] == late["request_token"] != 0


def test_the_answer_has_every_item_in_its_place() -> None:
    decoded = decode(VALID_REQUESTS[0])
    answer = json.loads(decoded.answer)
    assert (decoded.status, decoded.answer_type, answer["errors"]) == (200, "application/json", False)
    assert ("X-Elastic-Product", "Elasticsearch") in decoded.answer_headers
    (first, one), (second, other) = items(decoded)
    assert (first, one["_index"], one["status"], one["result"]) == ("create", "logs-shop", 201, "created")
    assert (second, other["_index"], other["_id"], other["status"]) == ("index", "logs", "x", 201)
    assert one["_id"]
    assert decode(VALID_REQUESTS[0]).answer == decoded.answer


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (({"update": {"_id": "1"}}, {"doc": {}}), "unsupported_action"),
        (({"delete": {"_index": "a", "_id": "1"}},), "unsupported_action"),
        ((CREATE, b"{not json"), "malformed_document"),
        ((CREATE, b"[]"), "malformed_document"),
        ((CREATE, b""), "no_document"),
        ((CREATE, {"@timestamp": "yesterday"}), "malformed_time"),
        ((CREATE, {"@timestamp": True}), "malformed_time"),
        ((CREATE, {"@timestamp": -1}), "malformed_time"),
        ((CREATE, {"@timestamp": 10**15}), "malformed_time"),
        ((CREATE, {str(n): n for n in range(1001)}), "too_many_fields"),
        ((CREATE, {"x" * 1000: {str(n): n for n in range(300)}}), "too_many_fields"),
        (({"create": {}}, {"message": "x"}), "no_index"),
    ],
)
def test_a_bad_item_is_refused_alone(lines: tuple[Any, ...], reason: str) -> None:
    decoded = decode(push(ndjson(CREATE, {"message": "before"}, *lines, CREATE, {"message": "behind"})))
    assert decoded.logs is not None
    assert decoded.logs.records.column("body").to_pylist() == ["before", "behind"]
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
    assert b'"errors":true' in decoded.answer
    before, refused, behind = (item for _, item in items(decoded))
    assert (before["status"], behind["status"], refused["status"]) == (201, 201, 400)
    assert refused["error"]["type"]
    assert refused["error"]["reason"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", b"{}\n{}\n", b"[]\n", b'{"create": 5}\n{}\n', b'{"search": {}}\n{}\n', b"x\n", b"\xff\n"],
)
def test_lines_that_are_no_actions_refuse_the_request(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(push(body))


def test_the_last_newline_and_blank_lines_may_be_missing_or_be_there() -> None:
    body = b"\n" + ndjson(CREATE, {"message": "a"}) + b"\r\n" + ndjson(CREATE, {"message": "b"})[:-1]
    decoded = decode(push(body))
    assert decoded.logs is not None
    assert decoded.logs.records.column("body").to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (STAMP, T),
        ("2023-11-14T23:13:20.123456789+01:00", T),
        (1_700_000_000_123, 1_700_000_000_123_000_000),
        ("1700000000123", 1_700_000_000_123_000_000),
        (1_700_000_000_123.5, 1_700_000_000_123_500_000),
        (0, 0),
        (None, T + 9),
    ],
)
def test_times(stamp: Any, time: int) -> None:
    assert row(**{"@timestamp": stamp, "message": "x"})["time_unix_nano"] == time


def test_a_timestamp_without_the_sign_counts_if_it_is_a_time() -> None:
    assert row(timestamp=STAMP)["time_unix_nano"] == T
    late = row(timestamp="soon")
    assert late["time_unix_nano"] == T + 9
    assert json.loads(late["attributes"])["timestamp"] == "soon"


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ({"message": "a", "log": "b"}, "a"),
        ({"log": "b"}, "b"),
        ({"event": {"original": "c"}}, "c"),
        ({"message": {"a": [1, True]}}, '{"message":{"a":[1,true]}}'),
        ({"message": [1]}, "[1]"),
        ({"n": 1}, '{"n":1}'),
    ],
)
def test_bodies(document: dict[str, Any], body: str) -> None:
    assert row(**document)["body"] == body


@pytest.mark.parametrize(
    ("document", "entity"),
    [
        ({"host": {"name": "h"}, "kubernetes": {"pod": {"name": "p"}}}, "pod:p"),
        ({"kubernetes": {"pod_name": "p", "container_name": "c", "host": "h"}}, "pod:p"),
        ({"host": "h"}, "host:h"),
        ({"container": {"name": "c"}, "agent": {"hostname": "h"}}, "container:c"),
        ({"service": {"name": "s"}, "host": {"name": "h"}}, "service:s"),
        ({"host": {"name": 5}}, "unknown:unknown"),
    ],
)
def test_entities(document: dict[str, Any], entity: str) -> None:
    assert row(**document)["entity"] == entity


@pytest.mark.parametrize(
    ("document", "severity"),
    [
        ({"log.level": "Warning", "message": "ERROR"}, 13),
        ({"level": "fatal"}, 21),
        ({"level": 3, "message": "[info] x"}, 9),
        ({"level": "high", "message": "x"}, 0),
    ],
)
def test_severities(document: dict[str, Any], severity: int) -> None:
    assert row(**document)["severity_number"] == severity


def test_deep_and_bad_characters() -> None:
    deep: Any = {"x": 1}
    for _ in range(40):
        deep = {"d": deep}
    (name,) = set(json.loads(row(**deep)["attributes"])) - {"_index"}
    assert name == ".".join("d" * 20)
    (record,) = rows(CREATE, b'{"message": "half \\ud800 \xff"}')
    assert record["body"] == "half � �"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("", "version"),
        ("_license", "license"),
        ("_xpack", "features"),
        ("_cluster/health", "status"),
        ("_cluster/health/logs", "status"),
        ("_ilm/status", "operation_mode"),
        ("_ilm/policy/filebeat", "filebeat"),
        ("_index_template/logstash", "index_templates"),
        ("_template/logstash", "logstash"),
        ("_component_template/x", "component_templates"),
        ("_ingest/pipeline/p", "p"),
        ("/_license/", "license"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_questions(path: str, key: str, method: str) -> None:
    for asked in {f"/elastic/{path}", f"/elastic/{path}".rstrip("/")}:
        decoded = decode(push(b"", asked, method))
        assert (decoded.status, decoded.logs) == (200, None)
        assert key in json.loads(decoded.answer)
        assert ("X-Elastic-Product", "Elasticsearch") in decoded.answer_headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "logs/_search"), ("POST", ""), ("PUT", "_index_template/x"), ("PUT", "_ilm/policy/x"),
        ("DELETE", "logs"), ("GET", "_bulk"), ("POST", "a/b/c/_bulk"), ("GET", "_nodes/http"),
        ("GET", "_ilm/policy"), ("POST", "logs/_doc"),
    ],
)  # fmt: skip
def test_what_is_not_spoken(method: str, path: str) -> None:
    with pytest.raises(UnsupportedError, match="not spoken"):
        decode(push(ndjson(CREATE, DOCUMENT), f"/elastic/{path}", method))
