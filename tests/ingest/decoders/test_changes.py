"""Posted changes: plain JSON, CloudEvents in their three modes, CDEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.changes import ChangesDecoder
from stormpetrel.ingest.webhook import MAX_RECORDS
from stormpetrel.model.push import Decoded

PLAIN: dict[str, Any] = {
    "kind": "deploy",
    "title": "checkout 2.1",
    "service": "checkout",
    "environment": "production",
    "version": "2.1",
    "state": "succeeded",
    "actor": "ann",
    "url": "https://ci/1",
    "time": "2023-11-14T22:13:10.25Z",
    "id": "deploy-77",
    "attributes": {"commit": "abc", "files": 3},
}
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "77",
    "source": "/ci",
    "type": "com.example.deploy.started",
    "subject": "checkout",
    "time": "2023-11-14T22:13:10Z",
    "datacontenttype": "application/json",
    "data": {"service": "checkout", "version": "2.1", "environment": "production"},
}
CDEVENT: dict[str, Any] = {
    "context": {
        "version": "0.4.1",
        "id": "271069a8",
        "source": "/event/source/123",
        "type": "dev.cdevents.service.deployed.0.2.0",
        "timestamp": "2023-11-14T22:13:10.5Z",
    },
    "subject": {
        "id": "service/checkout",
        "type": "service",
        "content": {"environment": {"id": "production"}, "artifactId": "pkg:oci/checkout@sha256%3A0b31"},
    },
}
BINARY = {f"ce-{name}": CLOUD[name] for name in ("specversion", "id", "source", "type", "subject", "time")}
STRUCTURED_TYPE = "application/cloudevents+json; charset=UTF-8"
BATCH_TYPE = "application/cloudevents-batch+json"
VALID_REQUESTS = [
    hook("changes", PLAIN),
    hook("changes", [PLAIN, CLOUD, CDEVENT]),
    hook("changes", CLOUD, content_type=STRUCTURED_TYPE),
    hook("changes", [CLOUD], content_type=BATCH_TYPE),
    hook("changes", CLOUD["data"], BINARY),
]


def taken(
    body: Any, headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> tuple[list[dict[str, Any]], Decoded]:
    outcome = decoded(ChangesDecoder, hook("changes", body, headers, content_type))
    return rows(outcome.changes), outcome


def cdevent(type_: str, content: dict[str, Any], subject: str = "run-5") -> dict[str, Any]:
    context = CDEVENT["context"] | {"type": f"dev.cdevents.{type_}.0.1.0"}
    return {"context": context, "subject": {"id": subject, "source": "/ci", "content": content}}


def test_fields_of_a_plain_change() -> None:
    (row,), outcome = taken(PLAIN)
    assert row.pop("request_token") > 0
    assert row == {
        "time_unix_nano": RECEIVED - 10 * SECOND + SECOND // 4,
        "entity": "service:checkout",
        "source": "ci",
        "change_id": "deploy-77",
        "kind": "deploy",
        "state": "succeeded",
        "title": "checkout 2.1",
        "environment": "production",
        "version": "2.1",
        "actor": "ann",
        "url": "https://ci/1",
        "attributes": {"commit": "abc", "files": "3"},
    }
    assert json.loads(outcome.answer) == {"accepted": 1, "rejected": {}}


def test_a_title_is_enough() -> None:
    (first, second), _ = taken([{"title": "a\n\tchange "}, {"title": "another", "time": 1_700_000_000.5}])
    assert (first["entity"], first["kind"], first["state"]) == ("unknown:unknown", "other", "unknown")
    assert (first["title"], first["time_unix_nano"]) == ("a change", RECEIVED)
    assert second["time_unix_nano"] == RECEIVED + SECOND // 2
    assert first["change_id"] != second["change_id"]
    assert {len(first["change_id"]), len(second["change_id"])} == {18}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"title": " "}, "no_title"),
        ({"kind": "party"}, "bad_kind"),
        ({"kind": ["deploy"]}, "bad_kind"),
        ({"state": "maybe"}, "bad_state"),
        ({"state": 7}, "bad_state"),
        ({"entity": "web-1"}, "bad_entity"),
        ({"entity": {"a": 1}}, "bad_entity"),
        ({"time": "soon"}, "bad_time"),
        ({"time": 1e18}, "bad_time"),
        ({"time": -1}, "bad_time"),
        ({"time": 1_700_100_000}, "time_in_future"),
        ({"attributes": [1]}, "not_an_object"),
    ],
)
def test_one_bad_change_is_refused_alone(wrong: dict[str, Any], reason: str) -> None:
    found, outcome = taken([PLAIN, PLAIN | wrong])
    assert len(found) == 1
    assert refused(outcome) == {reason: 1}
    with pytest.raises(DecodeError, match=reason):
        taken(PLAIN | wrong)


def test_an_entity_goes_before_a_service_and_words_of_others_are_states() -> None:
    (row,), _ = taken(PLAIN | {"entity": "host:web-1", "state": "SUCCESS", "kind": "certificate"})
    assert (row["entity"], row["state"], row["kind"]) == ("host:web-1", "succeeded", "certificate")


def test_lines_are_a_list() -> None:
    body = json.dumps(PLAIN).encode() + b"\n\n" + json.dumps(PLAIN | {"id": "x"}).encode() + b"\n"
    found, _ = taken(body, content_type="application/x-ndjson")
    assert [row["change_id"] for row in found] == ["deploy-77", "x"]


def test_a_cloud_event_means_the_same_in_every_mode() -> None:
    outcomes = [
        taken(CLOUD, content_type=STRUCTURED_TYPE),
        taken([CLOUD], content_type=BATCH_TYPE),
        taken(CLOUD["data"], BINARY),
        taken(CLOUD),
    ]
    found = [row for (row,), _ in outcomes]
    assert len({row.pop("request_token") for row in found}) == 3, "two of the bodies are the same"
    assert all(row == found[0] for row in found)
    assert found[0] == {
        "time_unix_nano": RECEIVED - 10 * SECOND,
        "entity": "service:checkout",
        "source": "ci",
        "change_id": "/ci 77",
        "kind": "deploy",
        "state": "started",
        "title": "com.example.deploy.started checkout",
        "environment": "production",
        "version": "2.1",
        "actor": "",
        "url": "",
        "attributes": {
            "cloudevent.type": "com.example.deploy.started",
            "cloudevent.source": "/ci",
            "cloudevent.subject": "checkout",
        },
    }


def test_two_binary_cloud_events_with_one_body_are_two() -> None:
    ((one,), _), ((two,), _) = taken({}, BINARY), taken({}, BINARY | {"ce-id": "78"})
    assert one["request_token"] != two["request_token"]
    assert one["change_id"] != two["change_id"]


def test_what_the_data_says_goes_before_the_words_of_the_type() -> None:
    said = {"kind": "flag", "state": "failed", "title": "flag x", "entity": "host:a", "id": "f"}
    (row,), _ = taken(CLOUD | {"data": said})
    assert [row[name] for name in ("kind", "state", "title", "entity", "change_id")] == [
        "flag", "failed", "flag x", "host:a", "/ci f",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "kind", "state"),
    [
        ("io.argoproj.rollout.completed", "deploy", "succeeded"),
        ("com.example.certificate.renewed", "certificate", "unknown"),
        ("com.example.autoscaling.failed", "scaling", "failed"),
        ("com.example.featureflag.changed", "flag", "unknown"),
        ("com.example.something", "other", "unknown"),
    ],
)
def test_words_of_a_type_tell_kind_and_state(type_: str, kind: str, state: str) -> None:
    (row,), _ = taken(CLOUD | {"type": type_, "data": None})
    assert (row["kind"], row["state"]) == (kind, state)


@pytest.mark.parametrize("wrong", [{"specversion": "0.3"}, {"id": ""}, {"source": None}, {"type": ""}])
def test_a_broken_cloud_event_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match="bad_cloud_event"):
        taken(CLOUD | wrong)
    with pytest.raises(DecodeError, match="bad_cloud_event"):
        taken([{}], content_type=BATCH_TYPE)


def test_a_cdevent_with_and_without_its_envelope() -> None:
    wrapped = CLOUD | {"type": CDEVENT["context"]["type"], "time": "2023-11-14T22:13:10.5Z", "data": CDEVENT}
    wrapped |= {"id": CDEVENT["context"]["id"], "source": CDEVENT["context"]["source"]}
    (row, same), _ = taken([CDEVENT, wrapped])
    assert row == same
    assert row["time_unix_nano"] == RECEIVED - 10 * SECOND + SECOND // 2
    assert (row["entity"], row["kind"], row["state"]) == ("service:checkout", "deploy", "succeeded")
    assert (row["environment"], row["version"]) == ("production", "sha256:0b31")
    assert (row["change_id"], row["title"]) == ("/event/source/123 271069a8", "service checkout deployed")


def test_all_messages_about_a_run_are_one_change() -> None:
    content = {"pipelineName": "release", "url": "https://ci/5"}
    found, outcome = taken(
        [
            cdevent("pipelinerun.started", content),
            cdevent("pipelinerun.finished", {**content, "outcome": "failure"}),
            cdevent("deployment.finished", {"artifactId": "pkg:oci/cart@1.2", "outcome": "success"}, "d"),
            cdevent("environment.modified", {}, "staging"),
            cdevent("incident.detected", {}),
            cdevent("service.published", {}),
        ]
    )
    assert [(row["kind"], row["state"], row["entity"]) for row in found] == [
        ("job", "started", "pipeline:release"),
        ("job", "failed", "pipeline:release"),
        ("deploy", "succeeded", "service:cart"),
        ("config", "succeeded", "unknown:unknown"),
    ]
    assert found[0]["change_id"] == found[1]["change_id"] == "/ci run-5"
    assert (found[2]["version"], found[3]["environment"]) == ("1.2", "staging")
    assert refused(outcome) == {"not_a_change": 2}


def test_bounds() -> None:
    with pytest.raises(TooLargeError, match="10000"):
        taken([{}] * (MAX_RECORDS + 1))
    with pytest.raises(TooLargeError):
        taken(b"\n" * (MAX_RECORDS + 1), content_type="application/x-ndjson")
    (row,), _ = taken(
        PLAIN | {"title": "t" * 9999, "id": "i" * 9999, "version": "v" * 9999, "url": "u" * 9999}
    )
    assert [len(row[name]) for name in ("title", "change_id", "version", "url")] == [500, 500, 256, 2048]
