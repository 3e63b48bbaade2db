"""Grafana's notifications, of unified alerting and of the legacy one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.grafana import GrafanaDecoder

UNIFIED: dict[str, Any] = {
    "receiver": "stormpetrel",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory", "grafana_folder": "shop", "service": "checkout"},
            "annotations": {"description": "memory is high", "summary": ""},
            "startsAt": "2023-11-14T23:03:20+01:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://grafana/alerting/grafana/1/view",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://grafana/alerting/silence/new",
            "dashboardURL": "",
            "panelURL": "https://grafana/d/1?viewPanel=2",
            "values": {"B": 44.25, "C": 1},
            "valueString": "[ var='B' value=44.25 ]",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "High CPU"},
            "fingerprint": "b",
            "endsAt": "0001-01-01T00:00:00Z",
        },
    ],
    "version": "1",
    "groupKey": '{}:{alertname="High memory"}',
    "truncatedAlerts": 2,
    "title": "[FIRING:1]",
    "state": "alerting",
    "message": "**Firing**",
}
LEGACY: dict[str, Any] = {
    "dashboardId": 1,
    "evalMatches": [{"value": 95, "metric": "cpu", "tags": {}}],
    "imageUrl": "https://grafana/image.png",
    "message": "the CPU is busy",
    "orgId": 1,
    "panelId": 2,
    "ruleId": 7,
    "ruleName": "CPU",
    "ruleUrl": "https://grafana/d/1",
    "state": "alerting",
    "tags": {"host": "web-1", "severity": "warning"},
    "title": "[Alerting] CPU",
}
VALID_REQUESTS = [hook("grafana", UNIFIED), hook("grafana", LEGACY)]


def test_unified_alerting_is_alertmanagers_shape_and_more() -> None:
    outcome = decoded(GrafanaDecoder, hook("grafana", UNIFIED))
    firing, resolved = rows(outcome.alerts)
    assert (firing["entity"], firing["name"], firing["summary"]) == (
        "service:checkout", "High memory", "memory is high",
    )  # fmt: skip
    assert firing["start_unix_nano"] == RECEIVED - 600 * SECOND
    assert firing["annotations"] == {
        "description": "memory is high",
        "values": '{"B":44.25,"C":1}',
        "valueString": "[ var='B' value=44.25 ]",
        "panelURL": "https://grafana/d/1?viewPanel=2",
        "silenceURL": "https://grafana/alerting/silence/new",
    }
    assert (resolved["state"], resolved["end_unix_nano"]) == ("resolved", RECEIVED)
    assert refused(outcome) == {"truncated_by_sender": 2}


def test_a_legacy_rule_is_one_alert_known_by_its_rule() -> None:
    (firing,) = rows(decoded(GrafanaDecoder, hook("grafana", LEGACY)).alerts)
    (over,) = rows(decoded(GrafanaDecoder, hook("grafana", LEGACY | {"state": "ok", "tags": None})).alerts)
    assert firing["fingerprint"] == over["fingerprint"] == "rule/1/1/2/7"
    assert (firing["state"], firing["end_unix_nano"]) == ("firing", 0)
    assert (over["state"], over["end_unix_nano"]) == ("resolved", RECEIVED)
    assert (firing["entity"], firing["severity_number"], firing["url"]) == (
        "host:web-1",
        13,
        "https://grafana/d/1",
    )
    assert firing["labels"] == {"alertname": "CPU", "host": "web-1", "severity": "warning"}
    assert firing["annotations"]["evalMatches"] == '[{"value":95,"metric":"cpu","tags":{}}]'


@pytest.mark.parametrize("state", ["paused", "pending", None, 7, ["ok"]])
def test_a_legacy_state_that_says_nothing_is_refused(state: object) -> None:
    with pytest.raises(DecodeError, match="bad_status"):
        decoded(GrafanaDecoder, hook("grafana", LEGACY | {"state": state}))


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(DecodeError, match="neither"):
        decoded(GrafanaDecoder, hook("grafana", {"hello": 1}))
