"""What a syslog message says besides its time and its text, as entity, severity and attributes."""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

# RFC 5424, table 1.
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
)  # fmt: skip

# RFC 5424 severities 0 (emergency) to 7 (debug), as the OpenTelemetry log data model maps them.
SEVERITY_NUMBERS = (21, 19, 18, 17, 13, 10, 9, 5)
MAX_PRIORITY = 191
MAX_PARAMETERS = 100  # of structured data, in one message; more are left out

# Structured data (RFC 5424, 6.3), lenient: a closing bracket inside of a quoted value needs no backslash.
_VALUE = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PARAMETER = rb'[^ =\]"]++=' + _VALUE
STRUCTURED_DATA = rb'(?:\[[^ =\]"]++(?: ++' + _PARAMETER + rb")*+ *+\])++"
_ELEMENT = re.compile(rb'\[([^ =\]"]++)((?: ++' + _PARAMETER + rb")*+) *+\]", re.DOTALL)
_PAIR = re.compile(rb'([^ =\]"]++)="([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\\]])')
_HOST = re.compile(rb"[\w.:%\x80-\xff-]{1,255}")
_NOTHING = (b"", b"-")


class Fields(NamedTuple):
    """The parts of a message as it spells them; b"" or b"-" for what it does not say.

    `priority` is 8 times the facility plus the severity; -1: none. `severity` -1: that of the priority.
    """

    priority: int
    host: bytes = b""
    process: bytes = b""
    pid: bytes = b""
    msgid: bytes = b""
    structured: bytes = b""
    sequence: bytes = b""
    severity: int = -1


class Described(NamedTuple):
    """The columns of a log record that many messages share."""

    entity: str
    severity_number: int
    attributes: str


def describe(fields: Fields, peer: str, marks: tuple[str, ...] = ()) -> Described:
    """Columns of a message: `host:NAME`, a severity_number, and attributes as JSON.

    Attributes: `process` (app-name, tag), `process.pid` (procid), `syslog.facility`, `syslog.msgid`,
    `syslog.sequence`, each parameter of structured data as `syslog.ID.NAME` (repeated ones joined by a
    comma), and `network.peer.address`. A host that is missing, or is no name, is the sender's address.

    Args:
        fields: as the message spells them.
        peer: the sender's address.
        marks: further attributes, which are true.

    >>> describe(Fields(34, b"web-1", b"su", b"231"), "10.0.0.1").entity
    'host:web-1'
    """
    known = 0 <= fields.priority <= MAX_PRIORITY
    host = peer if fields.host in _NOTHING or not _HOST.fullmatch(fields.host) else _text(fields.host)
    named = {
        "process": _text(fields.process),
        "process.pid": _text(fields.pid),
        "syslog.facility": FACILITIES[fields.priority >> 3] if known else "",
        "syslog.msgid": _text(fields.msgid),
        "syslog.sequence": _text(fields.sequence),
        "network.peer.address": peer,
    }
    attributes: dict[str, str | bool] = {name: text for name, text in named.items() if text not in ("", "-")}
    if fields.structured not in _NOTHING:
        attributes.update(parameters(fields.structured))
    attributes.update(dict.fromkeys(marks, True))
    level = fields.priority & 7 if known else fields.severity
    severity = SEVERITY_NUMBERS[level] if 0 <= level <= 7 else 0
    return Described(f"host:{host}", severity, orjson.dumps(attributes).decode())


def parameters(structured: bytes) -> dict[str, str]:
    r"""The parameters of structured data by `syslog.ID.NAME`; an element without any is `syslog.ID`, empty.

    >>> parameters(rb'[a@1 x="1" y="\"2\""][b]')
    {'syslog.a@1.x': '1', 'syslog.a@1.y': '"2"', 'syslog.b': ''}
    """
    found: dict[str, str] = {}
    for element in _ELEMENT.finditer(structured):
        name = f"syslog.{_text(element[1])}"
        pairs = _PAIR.findall(element[2])
        if not pairs:
            found[name] = ""
        for key, value in pairs:
            if len(found) >= MAX_PARAMETERS:
                return found
            path, text = f"{name}.{_text(key)}", _text(_ESCAPED.sub(rb"\1", value))
            found[path] = f"{found[path]},{text}" if path in found else text
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
