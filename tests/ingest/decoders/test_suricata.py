"""Suricata's EVE lines: flows, alerts, and log records of everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.suricata import SuricataDecoder
from stormpetrel.model.push import Decoded, PushRequest

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
BASE: dict[str, Any] = {
    "timestamp": "2023-11-14T23:13:20.250000+0100", "flow_id": 1883, "in_iface": "eth0", "src_ip": "10.0.0.5",
    "src_port": 49152, "dest_ip": "192.0.2.80", "dest_port": 443, "proto": "TCP", "host": "ids-1",
}  # fmt: skip
FLOW = {
    **BASE, "event_type": "flow", "app_proto": "tls",
    "flow": {"pkts_toserver": 12, "pkts_toclient": 10, "bytes_toserver": 1500, "bytes_toclient": 9000,
             "start": "2023-11-14T22:13:10.5+0000", "end": "2023-11-14T22:13:20+0000", "age": 10,
             "state": "closed", "reason": "timeout", "alerted": False},
}  # fmt: skip
NETFLOW = {
    **BASE, "event_type": "netflow", "app_proto": "failed",
    "netflow": {"pkts": 5, "bytes": 700,
                "start": "2023-11-14T22:13:10+0000", "end": "2023-11-14T22:13:20+0000"},
}  # fmt: skip
ALERT = {
    **BASE, "event_type": "alert", "app_proto": "http",
    "alert": {"action": "allowed", "gid": 1, "signature_id": 2024056, "rev": 4, "severity": 1,
              "signature": "ET MALWARE beacon", "category": "A Network Trojan was detected",
              "metadata": {"mitre_tactic_id": ["TA0011"]}},
    "http": {"hostname": "bad.example", "url": "/x"},
}  # fmt: skip
DNS = {**BASE, "event_type": "dns", "dns": {"type": "query", "rrname": "example.org", "rrtype": "A", "id": 3}}


def push(*records: Any) -> PushRequest:
    body = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in records)
    return PushRequest(body, "application/x-ndjson", "", "/flows/suricata", "edge/suricata", NOW + SECOND)


VALID_REQUESTS = [push(FLOW, NETFLOW, ALERT, DNS)]


def decode(*records: Any) -> Decoded:
    return SuricataDecoder(SeriesRegistry(), 1 << 20).decode(push(*records))


def rows(batch: Any) -> list[dict[str, Any]]:
    return [] if batch is None else list(batch.records.to_pylist())


def test_a_flow_has_both_directions() -> None:
    (flow,) = rows(decode(FLOW).flows)
    assert flow.pop("request_token") != 0
    attributes = json.loads(flow.pop("attributes"))
    assert flow == {
        "start_unix_nano": NOW - 9 * SECOND - SECOND // 2, "end_unix_nano": NOW, "entity": "host:ids-1",
        "source": "edge/suricata", "source_address": "10.0.0.5", "source_port": 49152,
        "destination_address": "192.0.2.80", "destination_port": 443, "protocol": 6, "bytes_sent": 1500,
        "bytes_received": 9000, "packets_sent": 12, "packets_received": 10, "state": "closed",
        "application": "tls",
    }  # fmt: skip
    assert attributes == {
        "flow_id": 1883, "in_iface": "eth0", "flow.age": 10, "flow.reason": "timeout", "flow.alerted": False,
    }  # fmt: skip


def test_a_netflow_record_has_one_direction() -> None:
    (flow,) = rows(decode({**NETFLOW, "host": None}).flows)
    assert (flow["bytes_sent"], flow["packets_sent"], flow["bytes_received"]) == (700, 5, 0)
    assert (flow["application"], flow["entity"]) == ("", "job:edge")


def test_an_alert() -> None:
    (alert,) = rows(decode(ALERT).alerts)
    labels, annotations = json.loads(alert["labels"]), json.loads(alert["annotations"])
    assert (alert["name"], alert["state"], alert["severity_number"]) == ("ET MALWARE beacon", "firing", 17)
    assert (alert["time_unix_nano"], alert["end_unix_nano"]) == (NOW + SECOND // 4, 0)
    assert alert["summary"] == "ET MALWARE beacon (A Network Trojan was detected): 10.0.0.5 -> 192.0.2.80"
    assert labels == {
        "rule": "1:2024056", "src_ip": "10.0.0.5", "src_port": "49152", "dest_ip": "192.0.2.80",
        "dest_port": "443", "proto": "TCP", "app_proto": "http", "action": "allowed", "rev": "4",
        "category": "A Network Trojan was detected",
    }  # fmt: skip
    assert annotations["http.hostname"] == "bad.example"
    assert annotations["alert.metadata.mitre_tactic_id"] == '["TA0011"]'


def changed(**alert: Any) -> dict[str, Any]:
    return {**ALERT, "alert": {**ALERT["alert"], **alert}}


@pytest.mark.parametrize(("severity", "number"), [(1, 17), (2, 13), (3, 9), (4, 5), (None, 5)])
def test_severity(severity: object, number: int) -> None:
    assert rows(decode(changed(severity=severity)).alerts)[0]["severity_number"] == number


def test_one_fingerprint_for_a_rule_between_two_addresses() -> None:
    same = [ALERT, {**ALERT, "src_port": 50000}, changed(rev=5)]
    others = [changed(signature_id=1), changed(gid=3), {**ALERT, "dest_ip": "192.0.2.81"}]
    prints = [alert["fingerprint"] for alert in rows(decode(*same, *others).alerts)]
    assert len(set(prints[:3])) == 1
    assert len(set(prints)) == 4


@pytest.mark.parametrize(
    ("src", "dest", "target", "concerned"),
    [
        ("10.0.0.5", "93.184.216.34", None, "10.0.0.5"),
        ("93.184.216.34", "10.0.0.5", None, "10.0.0.5"),
        ("10.0.0.5", "10.0.0.6", None, "10.0.0.6"),
        ("10.0.0.5", "10.0.0.6", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5", "10.0.0.6", "203.0.113.9", "10.0.0.6"),
    ],
)
def test_which_host_an_alert_is_about(src: str, dest: str, target: str | None, concerned: str) -> None:
    told = {**changed(target={"ip": target}), "src_ip": src, "dest_ip": dest}
    assert rows(decode(told).alerts)[0]["entity"] == f"host:{concerned}"


def test_everything_else_is_a_log_record() -> None:
    anomaly = {**BASE, "event_type": "anomaly", "anomaly": {"type": "decode", "event": "decoder.ipv4.trunc"}}
    new = {**BASE, "event_type": "quic", "quic": {"version": "1"}}
    found = rows(decode(DNS, anomaly, new).logs)
    assert [log["body"] for log in found] == [
        "dns query A example.org (10.0.0.5 -> 192.0.2.80)",
        "anomaly decode decoder.ipv4.trunc (10.0.0.5 -> 192.0.2.80)",
        "quic in_iface=eth0 proto=TCP quic.version=1 (10.0.0.5 -> 192.0.2.80)",
    ]
    assert [log["severity_number"] for log in found] == [9, 13, 9]
    assert json.loads(found[0]["attributes"])["dns.rrname"] == "example.org"


BAD = {
    "malformed": b"{oops",
    "no_event_type": {"timestamp": BASE["timestamp"]},
    "bad_time": {**DNS, "timestamp": "soon"},
    "time_in_future": {**DNS, "timestamp": "2023-11-20T00:00:00Z"},
    "bad_address": {**FLOW, "src_ip": None},
    "no_signature": changed(signature_id="x"),
    "line_too_long": b'{"a": "' + bytes(1 << 20) + b'"}',
}


@pytest.mark.parametrize("reason", BAD)
def test_a_line_that_cannot_be_read_is_refused_alone(reason: str) -> None:
    decoder = SuricataDecoder(SeriesRegistry(), 4 << 20)
    decoded = decoder.decode(push(BAD[reason], DNS))
    assert [(one.reason, one.rows) for one in decoded.rejected] == [(reason, 1)]
    assert len(rows(decoded.logs)) == 1
    with pytest.raises(DecodeError, match=reason):
        decoder.decode(push(BAD[reason]))


def test_deep_objects_and_long_texts_are_bounded() -> None:
    deep: dict[str, Any] = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    told = {**DNS, "deep": deep, "long": "x" * 10_000, "list": list(range(1000))}
    (log,) = rows(decode(told).logs)
    attributes = json.loads(log["attributes"])
    assert attributes["deep.a.b.c"] == '{"d":{"e":1}}'
    assert (len(attributes["long"]), len(attributes["list"])) == (4096, 256)
