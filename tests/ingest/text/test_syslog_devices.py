"""What devices really send: parts missing, and Cisco's own ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stormpetrel.ingest.syslog import SyslogParser
from stormpetrel.model.time import from_iso

NOW = from_iso("2024-11-04T00:00:00Z")
PEER = "10.9.9.9"


def read(message: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = SyslogParser().parse([message.encode()], [PEER], NOW).records.to_pylist()[0]
    return found, json.loads(found["attributes"])


@pytest.mark.parametrize(
    ("message", "time", "host", "process", "body"),
    [
        # No priority.
        ("Nov  3 14:02:11 web-1 su[7]: text", "2024-11-03T14:02:11Z", "web-1", "su", "text"),
        ("2024-11-03T14:02:11.5+01:00 web-1 su: text", "2024-11-03T13:02:11.5Z", "web-1", "su", "text"),
        # No host.
        ("<13>Nov  3 14:02:11 app: text", "2024-11-03T14:02:11Z", PEER, "app", "text"),
        ("<13>Nov  3 14:02:11 app[7]: a: b", "2024-11-03T14:02:11Z", PEER, "app", "a: b"),
        # No tag.
        ("<13>Nov  3 14:02:11 web-1 free text", "2024-11-03T14:02:11Z", "web-1", "", "free text"),
        # No time.
        ("<13>app[7]: text", "", PEER, "app", "text"),
        ("<13>app: text", "", PEER, "app", "text"),
        ("app[7]: text", "", PEER, "app", "text"),
        ("error: text", "", PEER, "", "error: text"),
        ("<13>free text", "", PEER, "", "free text"),
        # Nothing at all.
        ("free text", "", PEER, "", "free text"),
        ("[   12.345678] usb 1-1: new", "", PEER, "", "[   12.345678] usb 1-1: new"),
        # Other times.
        ("<13>Nov 03 2024 14:02:11 web-1 su: text", "2024-11-03T14:02:11Z", "web-1", "su", "text"),
        ("<13>2024-11-03 14:02:11 web-1 su: text", "2024-11-03T14:02:11Z", "web-1", "su", "text"),
        ("<13>1730642531 web-1 su: text", "2024-11-03T14:02:11Z", "web-1", "su", "text"),
        # RFC 5424, almost.
        ("<13>1 - web-1 su 7 - - text", "", "web-1", "su", "text"),
        ("<13>1 yesterday web-1 su 7 - - text", "", "web-1", "su", "text"),
        ("<13>1 2024-11-03T14:02:11Z web-1 su 7 - [bad text", "2024-11-03T14:02:11Z", "web-1", "su",
         "[bad text"),
        ("<13>1 2024-11-03T14:02:11Z web-1 su 7 -", "2024-11-03T14:02:11Z", "web-1", "su", ""),
        ("<13>1 2024-11-03T14:02:61Z web-1 su 7 - - text", "", "web-1", "su", "text"),
        # rsyslog's forward format of what came as RFC 5424.
        ("<13>2024-11-03T14:02:11Z web-1 su[7] text", "2024-11-03T14:02:11Z", "web-1", "su", "text"),
        # Others.
        ("<13>Nov  3 14:02:11 fe80::1 kernel: [1.5] x", "2024-11-03T14:02:11Z", "fe80::1", "kernel",
         "[1.5] x"),
        ("<85>Nov  3 14:02:11 web-1 sudo:   root : TTY=x", "2024-11-03T14:02:11Z", "web-1", "sudo",
         "  root : TTY=x"),
        ("<22>Nov  3 14:02:11 mx postfix/smtp[9]: A1: to=<x>", "2024-11-03T14:02:11Z", "mx", "postfix/smtp",
         "A1: to=<x>"),
    ],
)  # fmt: skip
def test_parts_that_are_missing(message: str, time: str, host: str, process: str, body: str) -> None:
    found, attributes = read(message)
    assert found["time_unix_nano"] == (from_iso(time) if time else NOW)
    assert found["entity"] == f"host:{host}"
    assert attributes.get("process", "") == process
    assert found["body"] == body


@pytest.mark.parametrize(
    ("message", "time", "host", "msgid", "sequence"),
    [
        # IOS: sequence number of the transport, clock not set (*), set but not synchronised (.)
        ("<189>45: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: text", "", PEER, "SYS-5-CONFIG_I", "45"),
        ("<189>45: .Nov  3 14:02:11: %SYS-5-CONFIG_I: text", "2024-11-03T14:02:11Z", PEER,
         "SYS-5-CONFIG_I", "45"),
        ("<189>45: Nov  3 14:02:11.25 UTC: %SYS-5-CONFIG_I: text", "2024-11-03T14:02:11.25Z", PEER,
         "SYS-5-CONFIG_I", "45"),
        # ... with origin-id and its own sequence numbers
        ("<189>45: core-1: 000123: Nov  3 14:02:11 CET: %LINK-5-CHANGED: text", "2024-11-03T14:02:11Z",
         "core-1", "LINK-5-CHANGED", "000123"),
        # IOS XR
        ("<189>103: RP/0/RSP0/CPU0:Nov  3 14:02:11.123 : config[65]: %MGBL-SYS-5-CONFIG_I : text",
         "2024-11-03T14:02:11.123Z", PEER, "MGBL-SYS-5-CONFIG_I", "103"),
        # NX-OS
        ("<189>: 2024 Nov  3 14:02:11 UTC: %ETHPORT-5-IF_UP: text", "2024-11-03T14:02:11Z", PEER,
         "ETHPORT-5-IF_UP", ""),
        # ASA, without and with device-id
        ("<189>Nov 03 2024 14:02:11: %ASA-5-111008: text", "2024-11-03T14:02:11Z", PEER, "ASA-5-111008", ""),
        ("<189>Nov 03 2024 14:02:11 fw-1 : %ASA-5-111008: text", "2024-11-03T14:02:11Z", "fw-1",
         "ASA-5-111008", ""),
        ("<189>%ASA-5-111008: text", "", PEER, "ASA-5-111008", ""),
        # No priority: the severity is in the mnemonic.
        ("%SYS-5-CONFIG_I: text", "", PEER, "SYS-5-CONFIG_I", ""),
    ],
)  # fmt: skip
def test_cisco(message: str, time: str, host: str, msgid: str, sequence: str) -> None:
    found, attributes = read(message)
    assert found["time_unix_nano"] == (from_iso(time) if time else NOW)
    assert found["entity"] == f"host:{host}"
    assert attributes["syslog.msgid"] == msgid
    assert attributes["process"] == msgid.rpartition("-5-")[0]
    assert attributes.get("syslog.sequence", "") == sequence
    assert found["severity_number"] == 10
    assert found["body"].startswith("%")
    assert found["body"].endswith("text")
