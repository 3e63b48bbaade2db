"""RFC 5424 and RFC 3164 to log records: what each part becomes, and what any bytes do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.ingest.syslog import SyslogParser
from stormpetrel.ingest.syslog_fields import FACILITIES, SEVERITY_NUMBERS, parameters
from stormpetrel.ingest.timestamps import zone_named
from stormpetrel.model.time import from_iso

NOW = from_iso("2024-11-04T00:00:00Z")
PEER = "10.9.9.9"


def rows(*messages: bytes, parser: SyslogParser | None = None, now: int = NOW) -> list[dict[str, Any]]:
    batch = (parser or SyslogParser()).parse(messages, [PEER] * len(messages), now, 7)
    found: list[dict[str, Any]] = batch.records.to_pylist()
    for row in found:
        row["attributes"] = json.loads(row["attributes"])
    return found


def row(message: bytes) -> dict[str, Any]:
    return rows(message)[0]


def test_the_example_of_rfc_5424_with_a_byte_order_mark() -> None:
    got = row(
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed"
    )
    assert got["time_unix_nano"] == from_iso("2003-10-11T22:14:15.003Z")
    assert (got["entity"], got["severity_number"]) == ("host:mymachine.example.com", 18)
    assert got["body"] == "'su root' failed"
    assert got["attributes"] == {
        "process": "su",
        "syslog.facility": "auth",
        "syslog.msgid": "ID47",
        "network.peer.address": PEER,
    }
    assert (got["source"], got["request_token"], got["observed_unix_nano"]) == ("syslog", 7, NOW)


def test_structured_data_becomes_attributes() -> None:
    got = row(
        b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 app 8710 - "
        rb'[origin ip="10.0.0.1" ip="10.0.0.2" x="\"a\] \\ \n"][empty@1] text'
    )
    assert got["time_unix_nano"] == from_iso("2003-08-24T12:14:15.000003Z")
    assert got["attributes"]["process.pid"] == "8710"
    assert got["attributes"]["syslog.origin.ip"] == "10.0.0.1,10.0.0.2"
    assert got["attributes"]["syslog.origin.x"] == '"a] \\ \\n'
    assert got["attributes"]["syslog.empty@1"] == ""
    assert got["body"] == "text"


def test_structured_data_without_a_text() -> None:
    got = row(b'<165>1 2003-10-11T22:14:15.003Z web-1 ev - ID47 [ex@32473 iut="3" src="A"]')
    assert (got["body"], got["attributes"]["syslog.ex@32473.iut"]) == ("", "3")


def test_structured_data_of_a_message_that_says_no_time() -> None:
    got = row(b'<165>1 - web-1 su 7 ID47 [a@1 x="1"][b@1 y="2"] \xef\xbb\xbftext')
    assert (got["time_unix_nano"], got["body"]) == (NOW, "text")
    assert (got["attributes"]["syslog.a@1.x"], got["attributes"]["syslog.b@1.y"]) == ("1", "2")


def test_the_example_of_rfc_3164() -> None:
    got = row(b"<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed")
    assert got["time_unix_nano"] == from_iso("2024-10-11T22:14:15Z")
    assert (got["entity"], got["severity_number"]) == ("host:mymachine", 18)
    assert got["body"] == "'su root' failed"
    assert (got["attributes"]["process"], got["attributes"]["process.pid"]) == ("su", "77")


def test_the_time_of_rfc_3164_is_in_the_configured_zone() -> None:
    parser = SyslogParser(zone_named("Europe/Berlin"))
    got = rows(b"<34>Oct 11 22:14:15 a su: x", b"<34>1 2024-10-11T22:14:15Z a su - - - x", parser=parser)
    assert [one["time_unix_nano"] for one in got] == [
        from_iso("2024-10-11T20:14:15Z"),
        from_iso("2024-10-11T22:14:15Z"),
    ]


def test_the_time_as_rsyslog_writes_it() -> None:
    got = row(b"<30>2024-10-11T22:14:15.003123+02:00 web-1 systemd[1]: Started x")
    assert got["time_unix_nano"] == from_iso("2024-10-11T20:14:15.003123Z")
    assert (got["entity"], got["body"], got["severity_number"]) == ("host:web-1", "Started x", 9)


@pytest.mark.parametrize("severity", range(8))
@pytest.mark.parametrize("facility", [0, 4, 23])
def test_priorities(facility: int, severity: int) -> None:
    got = row(f"<{8 * facility + severity}>Oct 11 22:14:15 a b: c".encode())
    assert got["severity_number"] == SEVERITY_NUMBERS[severity]
    assert got["attributes"]["syslog.facility"] == FACILITIES[facility]


def test_a_priority_beyond_is_none() -> None:
    got = rows(b"<192>Oct 11 22:14:15 a b: c", b"<192>x")
    assert [one["severity_number"] for one in got] == [0, 0]
    assert "syslog.facility" not in got[0]["attributes"]


def test_arrival_order_is_kept_and_empty_messages_are_none() -> None:
    got = rows(b"<34>Oct 11 22:14:15 a b: 1\n", b"", b"\r\n\0", b"<34>Oct 11 22:14:15 a b: 2\r\n\0")
    assert [one["body"] for one in got] == ["1", "2"]
    assert [one["observed_unix_nano"] - NOW for one in got] == [0, 1]
    assert len(SyslogParser().parse([], [], NOW)) == 0


def test_what_is_too_long_is_cut_and_marked() -> None:
    parser = SyslogParser(longest_bytes=100)
    got = rows(b"<34>Oct 11 22:14:15 a b: " + b"x" * 500, b"y" * 101, b"z" * 100, parser=parser)
    assert [len(one["body"]) for one in got] == [75, 100, 100]
    assert [one["attributes"].get("log.truncated") for one in got] == [True, True, None]


def test_a_time_ahead_is_that_of_the_reception_and_marked() -> None:
    got = rows(
        b"<34>1 2024-11-04T00:04:59Z a b - - - x",
        b"<34>1 2024-11-04T00:05:01Z a b - - - x",
        b"<34>1 2030-01-01T00:00:00Z a b - - [bad x",
    )
    assert [one["time_unix_nano"] - NOW for one in got] == [299_000_000_000, 0, 0]
    assert [one["attributes"].get("syslog.time_in_future") for one in got] == [None, True, True]


def test_senders_are_told_apart_and_names_that_are_none_are_not_taken() -> None:
    batch = SyslogParser().parse(
        [b"<34>1 2024-10-11T22:14:15Z - b - - - x"] * 2 + [b"<34>1 2024-10-11T22:14:15Z a{b} b - - - x"],
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        NOW,
    )
    assert batch.records.column("entity").to_pylist() == ["host:10.0.0.1", "host:10.0.0.2", "host:10.0.0.3"]


def test_what_is_not_utf_8_is_replaced() -> None:
    got = row(b'<34>1 2024-10-11T22:14:15Z h\xff a\xff p\xff m\xff [i\xff n\xff="\xff"] b\xff\x00\x1b')
    assert got["body"] == "b\ufffd\x00\x1b"
    assert got["attributes"]["process"] == "a\ufffd"
    assert got["attributes"]["syslog.i\ufffd.n\ufffd"] == "\ufffd"
    assert got["entity"] == "host:h\ufffd"


def test_structured_data_has_a_bound() -> None:
    many = b"[a " + b" ".join(b'n%d="1"' % n for n in range(500)) + b"]"
    assert len(parameters(many)) == 100
    got = row(b"<34>1 2024-10-11T22:14:15Z a b - - " + many + b" x")
    assert got["body"] == "x"


def test_headers_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormpetrel.ingest.syslog._MAX_KNOWN", 10)
    parser = SyslogParser()
    rows(*[b"<34>Oct 11 22:14:15 a b[%d]: c" % n for n in range(95)], parser=parser)
    assert len(parser._known) <= 10


@pytest.mark.parametrize(
    "hostile",
    [
        b"<34>1 2024-10-11T22:14:15Z a b c d " + b"[" * 60_000,
        b"<34>1 2024-10-11T22:14:15Z a b c d [a" + b' b="' * 15_000,
        b'<34>1 2024-10-11T22:14:15Z a b c d [a b="' + b"\\" * 60_000,
        b"<34>1 2024-10-11T22:14:15Z a b c d [a" + b" " * 60_000,
        b"<34>Oct 11 22:14:15 " + b"a" * 60_000,
        b"<34>Oct 11 22:14:15 " + b"a " * 30_000,
        b"<34>" + b"%A-" * 20_000,
        b"<34>" + b"1: " * 20_000 + b"%A-1-B:",
    ],
)
def test_long_hostile_messages_are_read_in_one_pass(hostile: bytes) -> None:
    assert len(rows(hostile)) == 1  # the time-out of the tests is the guard


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_messages(messages: list[bytes]) -> None:
    got = rows(*messages)
    assert len(got) == sum(bool(message.rstrip(b"\r\n\0 ")) for message in messages)


@given(
    st.integers(0, 191),
    st.datetimes(),
    st.text("abcXYZ.-019", min_size=1, max_size=20),
    st.text(max_size=100),
)
def test_what_was_written_is_read(priority: int, when: Any, host: str, text: str) -> None:
    when = when.replace(year=1971 + when.year % 52)
    body = text.replace("\ud800", "").encode("utf-8", "replace").decode().strip("\r\n\0 \ufeff")
    stamp = when.isoformat(timespec="microseconds")
    got = row(f"<{priority}>1 {stamp}Z {host} app 1 - - {body}".encode())
    assert got["time_unix_nano"] == from_iso(stamp + "Z")
    assert got["body"] == body
    assert got["entity"] == ("host:" + host if host != "-" else f"host:{PEER}")
