"""Alertmanager's notifications: what becomes of each member, and what is refused alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
import xxhash
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError
from stormpetrel.ingest.alertmanager import AlertmanagerDecoder
from stormpetrel.ingest.alertmanager_rows import alert_severity
from stormpetrel.ingest.webhook import MAX_RECORDS
from stormpetrel.ingest.webhook_values import MAX_NAMES
from stormpetrel.model.push import Decoded

START = RECEIVED - 600 * SECOND


def alert(**changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "status": "firing",
        "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db-1:9100", "job": "node"},
        "annotations": {"summary": "the disk is full", "runbook_url": "http://runbooks/disk"},
        "startsAt": "2023-11-14T22:03:20.000000007Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": "0d2b4d5ec9fe3b1c",
    }
    return {**plain, **changed}


def notification(*alerts: Any, **changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "receiver": "stormpetrel",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "truncatedAlerts": 0,
    }
    return {**plain, **changed}


RESOLVED = alert(status="resolved", endsAt="2023-11-14T22:13:19.5+00:00", fingerprint="ffff")
VALID_REQUESTS = [
    hook("alertmanager", notification(alert(), RESOLVED)),
    hook("alertmanager", notification(alert()), content_type="text/plain; charset=utf-8"),
]


def taken(*alerts: Any, **changed: Any) -> Decoded:
    return decoded(AlertmanagerDecoder, hook("alertmanager", notification(*alerts, **changed)))


def test_fields_of_a_firing_and_a_resolved_alert() -> None:
    request = hook("alertmanager", notification(alert(), RESOLVED))
    outcome = decoded(AlertmanagerDecoder, request)
    firing, resolved = rows(outcome.alerts)
    assert firing == {
        "time_unix_nano": START + 7,
        "start_unix_nano": START + 7,
        "end_unix_nano": 0,
        "entity": "instance:db-1:9100",
        "source": "ci",
        "fingerprint": "0d2b4d5ec9fe3b1c",
        "name": "DiskFull",
        "state": "firing",
        "severity_number": 18,
        "summary": "the disk is full",
        "url": "http://prometheus:9090/graph?g0.expr=up",
        "labels": alert()["labels"],
        "annotations": alert()["annotations"],
        "request_token": xxhash.xxh64_intdigest(b"ci\0" + request.body),
    }
    assert (resolved["state"], resolved["fingerprint"]) == ("resolved", "ffff")
    assert resolved["time_unix_nano"] == resolved["end_unix_nano"] == RECEIVED - SECOND // 2
    assert resolved["start_unix_nano"] == START + 7
    assert json.loads(outcome.answer) == {"accepted": 2, "rejected": {}}


def test_a_resolved_alert_never_ends_before_its_start_and_a_missing_end_is_now() -> None:
    early = alert(status="resolved", endsAt="2023-11-14T22:00:00Z")
    missing = alert(status="resolved", endsAt=None)
    ends = [row["end_unix_nano"] for row in rows(taken(early, missing).alerts)]
    assert ends == [START + 7, RECEIVED]


def test_without_a_fingerprint_equal_labels_are_one_alert() -> None:
    labels = {"b": "2", "a": "1"}
    one, same, other = (
        alert(fingerprint="", labels=labels),
        alert(labels=dict(reversed(labels.items()))) | {"fingerprint": None},
        alert(fingerprint="", labels={"a": "1"}),
    )
    prints = [row["fingerprint"] for row in rows(taken(one, same, other).alerts)]
    assert prints[0] == prints[1] != prints[2]
    assert all(prints)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"status": "suppressed"}, "bad_status"),
        ({"status": ["firing"]}, "bad_status"),
        ({"startsAt": "yesterday"}, "bad_time"),
        ({"startsAt": {"a": 1}}, "bad_time"),
        ({"startsAt": True}, "bad_time"),
        ({"startsAt": "2023-11-16T22:13:20Z"}, "time_in_future"),
        ({"status": "resolved", "endsAt": "2253-01-01T00:00:00Z"}, "time_in_future"),
        ({"labels": ["a"]}, "not_an_object"),
        ({"labels": {f"n{n}": "x" for n in range(MAX_NAMES + 1)}}, "too_many_names"),
        ({"annotations": {f"n{n}": "x" for n in range(MAX_NAMES + 1)}}, "too_many_names"),
    ],
)
def test_one_bad_alert_is_refused_alone(wrong: dict[str, Any], reason: str) -> None:
    outcome = taken(alert(), alert(**wrong))
    assert len(rows(outcome.alerts)) == 1
    assert refused(outcome) == {reason: 1}
    assert json.loads(outcome.answer) == {"accepted": 1, "rejected": {reason: 1}}
    with pytest.raises(DecodeError, match=reason):
        taken(alert(**wrong))


def test_texts_are_cut_and_odd_values_become_texts() -> None:
    odd = alert(
        labels={"alertname": "A" * 10_000, "n" * 1000: "x", "number": 5, "tree": {"a": [1]}, "none": None},
        annotations={"description": "D" * 100_000},
        generatorURL="u" * 100_000,
        fingerprint="f" * 1000,
    )
    (row,) = rows(taken(odd).alerts)
    assert row["labels"] == {"alertname": "A" * 4096, "n" * 256: "x", "number": "5", "tree": '{"a":[1]}'}
    assert (len(row["summary"]), len(row["url"]), len(row["fingerprint"])) == (1000, 2048, 128)


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    body = json.dumps(notification(alert())).encode().replace(b"the disk", b"the \xff\xfe disk")
    (row,) = rows(decoded(AlertmanagerDecoder, hook("alertmanager", body)).alerts)
    assert row["summary"] == "the \ufffd\ufffd disk is full"


def test_what_alertmanager_cut_off_is_counted() -> None:
    assert refused(taken(alert(), truncatedAlerts=7)) == {"truncated_by_sender": 7}


@pytest.mark.parametrize("body", [b"[]", b"{}", b"7", b'{"alerts": {}}', b"", b"{", b'"\\ud800"'])
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decoded(AlertmanagerDecoder, hook("alertmanager", body))


def test_other_versions_and_forms_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="version '3'"):
        taken(alert(), version="3")
    with pytest.raises(UnsupportedError, match="x-www-form"):
        decoded(
            AlertmanagerDecoder,
            hook("alertmanager", b"a=b", content_type="application/x-www-form-urlencoded"),
        )


def test_too_many_alerts_are_refused_whole() -> None:
    with pytest.raises(TooLargeError, match=str(MAX_RECORDS)):
        decoded(AlertmanagerDecoder, hook("alertmanager", notification(*[{}] * (MAX_RECORDS + 1))))


def test_an_empty_notification_gives_nothing_and_succeeds() -> None:
    assert taken().alerts is None


def test_severities_of_rules() -> None:
    words = ["critical", "WARNING", "page", "info", "none", "", "P2", "error"]
    assert [alert_severity({"severity": word}) for word in words] == [18, 13, 18, 9, 0, 0, 17, 17]
    assert alert_severity({"severity": "unheard of", "priority": "p1"}) == 18
