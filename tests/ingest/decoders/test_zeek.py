"""Zeek's logs: connections as flows, the others as log records, both formats, refusals alone."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import sensor_rows
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.zeek import ZeekDecoder
from stormpetrel.model.push import Decoded, PushRequest

SECOND = 1_000_000_000
START = 1_700_000_000_123_456_000
RECEIVED = START + 60 * SECOND

CONN_FIELDS = (
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("proto", "enum"), ("service", "string"), ("duration", "interval"),
    ("orig_bytes", "count"), ("resp_bytes", "count"), ("conn_state", "string"), ("local_orig", "bool"),
    ("history", "string"), ("orig_pkts", "count"), ("orig_ip_bytes", "count"), ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"), ("tunnel_parents", "set[string]"),
)  # fmt: skip
CONN_ROW = (
    "1700000000.123456", "CMdzit1", "10.0.0.5", "49152", "192.0.2.80", "443", "tcp", "ssl", "2.500001", "517",
    "4000", "SF", "T", "ShADadFf", "12", "1141", "10", "4528", "(empty)",
)  # fmt: skip


def table(
    path: str, fields: tuple[tuple[str, str], ...], *rows: tuple[str, ...], separator: str = "\t"
) -> str:
    written = "\\x09" if separator == "\t" else separator
    head = [
        f"#separator {written}", f"#set_separator{separator},", f"#empty_field{separator}(empty)",
        f"#unset_field{separator}-", f"#path{separator}{path}", f"#open{separator}2023-11-14-22-13-20",
        separator.join(["#fields", *(name for name, _ in fields)]),
        separator.join(["#types", *(kind for _, kind in fields)]),
    ]  # fmt: skip
    end = f"#close{separator}2023-11-14-23-00-00"
    return "\n".join([*head, *(separator.join(row) for row in rows), end]) + "\n"


def push(body: str | bytes, query: str = "", source: str = "edge/zeek") -> PushRequest:
    packed = body.encode() if isinstance(body, str) else body
    return PushRequest(packed, "text/plain", "", "/flows/zeek", source, RECEIVED, query=query)


def lines(*records: dict[str, Any]) -> str:
    return "\n".join(json.dumps(record) for record in records)


def decode(body: str | bytes, query: str = "", limit: int = 1 << 20) -> Decoded:
    return ZeekDecoder(SeriesRegistry(), limit).decode(push(body, query))


def flows(decoded: Decoded) -> list[dict[str, Any]]:
    return [] if decoded.flows is None else decoded.flows.records.to_pylist()


def logs(decoded: Decoded) -> list[dict[str, Any]]:
    return [] if decoded.logs is None else decoded.logs.records.to_pylist()


def refused(decoded: Decoded) -> dict[str, int]:
    return {one.reason: one.rows for one in decoded.rejected}


CONN_JSON: dict[str, Any] = {
    "ts": 1700000000.123456, "uid": "CMdzit1", "id.orig_h": "10.0.0.5", "id.orig_p": 49152,
    "id.resp_h": "192.0.2.80", "id.resp_p": 443, "proto": "tcp", "service": "ssl", "duration": 2.500001,
    "orig_bytes": 517, "resp_bytes": 4000, "conn_state": "SF", "local_orig": True, "history": "ShADadFf",
    "orig_pkts": 12, "orig_ip_bytes": 1141, "resp_pkts": 10, "resp_ip_bytes": 4528, "tunnel_parents": [],
}  # fmt: skip
DNS_JSON: dict[str, Any] = {
    "ts": "2023-11-14T22:13:20.123456Z", "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 5353,
    "id.resp_h": "10.0.0.53", "id.resp_p": 53, "proto": "udp", "trans_id": 7, "query": "example.org",
    "qclass": 1,
    "qtype_name": "A", "rcode_name": "NOERROR", "rejected": False, "answers": ["192.0.2.80", "192.0.2.81"],
}  # fmt: skip

VALID_REQUESTS = [
    push(table("conn", CONN_FIELDS, CONN_ROW, CONN_ROW)),
    push(lines(CONN_JSON, DNS_JSON, {"_path": "weird", "ts": 1700000000, "name": "bad_TCP_checksum"})),
]


@pytest.mark.parametrize("body", [table("conn", CONN_FIELDS, CONN_ROW), lines(CONN_JSON)])
def test_a_connection_is_a_flow(body: str) -> None:
    decoded = decode(body)
    (flow,) = flows(decoded)
    assert flow.pop("request_token") != 0
    attributes = json.loads(flow.pop("attributes"))
    assert flow == {
        "start_unix_nano": START, "end_unix_nano": START + 2_500_001_000, "entity": "job:edge",
        "source": "edge/zeek", "source_address": "10.0.0.5", "source_port": 49152,
        "destination_address": "192.0.2.80", "destination_port": 443, "protocol": 6, "bytes_sent": 1141,
        "bytes_received": 4528, "packets_sent": 12, "packets_received": 10, "state": "SF",
        "application": "ssl",
    }  # fmt: skip
    assert attributes == {
        "uid": "CMdzit1", "orig_bytes": 517, "resp_bytes": 4000, "local_orig": True, "history": "ShADadFf",
        "tunnel_parents": [],
    }  # fmt: skip
    assert (decoded.logs, decoded.rejected) == (None, ())


def test_what_zeek_does_not_know_is_left_out() -> None:
    row = tuple("-" if name in ("service", "duration", "orig_bytes", "resp_bytes") else value
                for (name, _), value in zip(CONN_FIELDS, CONN_ROW, strict=True))  # fmt: skip
    (flow,) = flows(decode(table("conn", CONN_FIELDS, row)))
    assert (flow["end_unix_nano"], flow["application"], flow["bytes_sent"]) == (START, "", 1141)
    assert "orig_bytes" not in json.loads(flow["attributes"])


def test_payload_bytes_stand_in_where_no_packets_were_counted() -> None:
    told = {name: value for name, value in CONN_JSON.items() if not name.endswith("_ip_bytes")}
    (flow,) = flows(decode(lines(told)))
    assert (flow["bytes_sent"], flow["bytes_received"]) == (517, 4000)


def test_icmp_of_ipv6_and_the_sensor_s_own_name() -> None:
    told = {
        **CONN_JSON,
        "proto": "icmp",
        "id.orig_h": "FE80::1",
        "id.resp_h": "fe80::2",
        "_system_name": "ids-1",
    }
    (flow,) = flows(decode(lines(told)))
    assert (flow["protocol"], flow["source_address"], flow["entity"]) == (58, "fe80::1", "host:ids-1")


@pytest.mark.parametrize("nested", [False, True])
def test_other_logs_are_log_records(nested: bool) -> None:
    told = dict(DNS_JSON)
    if nested:
        told["id"] = {name[3:]: told.pop(name) for name in list(told) if name.startswith("id.")}
    (log,) = logs(decode(lines(told)))
    assert (log["time_unix_nano"], log["severity_number"], log["entity"]) == (START, 9, "job:edge")
    assert log["body"] == 'dns A example.org ["192.0.2.80","192.0.2.81"] NOERROR (10.0.0.5 -> 10.0.0.53)'
    attributes = json.loads(log["attributes"])
    assert (attributes["zeek.log"], attributes["id.resp_p"], attributes["rejected"]) == ("dns", 53, False)


def test_types_and_escapes_of_tables() -> None:
    fields = (("ts", "time"), ("note", "enum"), ("msg", "string"), ("actions", "set[enum]"), ("n", "count"),
              ("share", "double"), ("ok", "bool"), ("odd", "count"))  # fmt: skip
    row = (
        "1700000000.5",
        "Scan::Port_Scan",
        r"a\x09b \xc3\xa4 \xff",
        "Notice::ACTION_LOG,X",
        "3",
        "0.5",
        "F",
        "many",
    )
    (log,) = logs(decode(table("notice", fields, row)))
    assert log["body"] == "notice Scan::Port_Scan a\tb ä \ufffd"
    attributes = json.loads(log["attributes"])
    assert attributes["actions"] == ["Notice::ACTION_LOG", "X"]
    assert [attributes[name] for name in ("n", "share", "ok", "odd")] == [3, 0.5, False, "many"]


def test_severity() -> None:
    told: list[dict[str, Any]] = [
        {"_path": "notice", "note": "X", "actions": ["Notice::ACTION_LOG"]},
        {"_path": "notice", "note": "X", "actions": ["Notice::ACTION_ALARM"]},
        {"_path": "weird", "name": "x", "notice": False},
        {"_path": "weird", "name": "x", "notice": True},
        {"_path": "reporter", "level": "Reporter::ERROR", "message": "x"},
        {"_path": "http", "method": "GET"},
    ]
    found = logs(decode(lines(*({"ts": 1700000000, **one} for one in told))))
    assert [log["severity_number"] for log in found] == [13, 17, 10, 13, 17, 9]


def test_which_log_a_line_is_of() -> None:
    plain: dict[str, Any] = {"ts": 1700000000, "x": 1}
    found = logs(decode(lines(plain, {**plain, "note": "a", "actions": []}, {**plain, "_path": "mine"})))
    assert [json.loads(log["attributes"])["zeek.log"] for log in found] == ["zeek", "notice", "mine"]
    (log,) = logs(decode(lines(plain), query="log=ntp"))
    assert (json.loads(log["attributes"])["zeek.log"], log["body"]) == ("ntp", "ntp x=1")
    tokens = {
        logs(decode(lines(plain), query=query))[0]["request_token"] for query in ("", "log=ntp", "log=x")
    }
    assert len(tokens) == 3, "the same lines of another log are other records"


def test_several_tables_another_separator_and_a_gzip_file() -> None:
    weird = table("weird", (("ts", "time"), ("name", "string")), ("1700000000.0", "odd"), separator="|")
    body = (table("conn", CONN_FIELDS, CONN_ROW) + weird).encode()
    for packed in (body, gzip.compress(body)):
        decoded = decode(packed)
        assert (len(flows(decoded)), len(logs(decoded)), decoded.rejected) == (1, 1, ())


def test_an_empty_separator_is_refused_and_the_one_before_stays() -> None:
    decoded = decode("#separator \n" + table("conn", CONN_FIELDS, CONN_ROW).split("\n", 1)[1])
    assert refused(decoded) == {"bad_header": 1}
    assert len(flows(decoded)) == 1


def test_times_in_milliseconds_and_iso() -> None:
    found = flows(
        decode(lines({**CONN_JSON, "ts": 1700000000123}, {**CONN_JSON, "ts": "2023-11-14T22:13:20.5Z"}))
    )
    assert [flow["start_unix_nano"] - 1_700_000_000 * SECOND for flow in found] == [123_000_000, 500_000_000]


BAD_LINES = {
    "no_header": "1700000000.1\tC1\t10.0.0.1",
    "malformed": '{"ts": 1',
    "bad_address": json.dumps({**CONN_JSON, "id.orig_h": "router"}),
    "bad_time": json.dumps({**CONN_JSON, "ts": "yesterday"}),
    "time_in_future": json.dumps({**CONN_JSON, "ts": 1_700_500_000}),
}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_a_line_that_cannot_be_read_is_refused_alone(reason: str) -> None:
    decoded = decode(BAD_LINES[reason] + "\n" + lines(CONN_JSON))
    assert refused(decoded) == {reason: 1}
    assert len(flows(decoded)) == 1
    with pytest.raises(DecodeError, match=reason):
        decode(BAD_LINES[reason])


def test_rows_that_do_not_fit_their_header_are_refused_alone() -> None:
    decoded = decode(table("conn", CONN_FIELDS, CONN_ROW, CONN_ROW[:-1], (*CONN_ROW, "more")))
    assert (len(flows(decoded)), refused(decoded)) == (1, {"field_count": 2})


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_rows, "MAX_ROWS", 3)
    with pytest.raises(TooLargeError, match="3 lines"):
        decode(lines(*[CONN_JSON] * 4))
    wide = {"ts": 1700000000, **{f"n{n}": n for n in range(300)}}
    attributes = json.loads(logs(decode(lines(wide)))[0]["attributes"])
    assert attributes["attributes_left_out"] == 301 - sensor_rows.MAX_NAMES
    too_wide = "#fields\t" + "\t".join(map(str, range(300)))
    assert refused(decode(too_wide + "\n" + lines(CONN_JSON))) == {"bad_header": 1}


def test_an_empty_request_holds_nothing() -> None:
    decoded = decode("\n \n")
    assert (decoded.flows, decoded.logs, decoded.rejected) == (None, None, ())
