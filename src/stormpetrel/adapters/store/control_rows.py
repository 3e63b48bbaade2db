"""Between incidents and the JSON in their rows: exact both ways, NaN and infinities included."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import orjson
from sqlalchemy import Row, Select, func, select

from stormpetrel.adapters.store.control_pages import page_of, page_values
from stormpetrel.adapters.store.control_tables import IncidentRow
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState, Priority, TimelineEntry

_FLOATS = ("observed", "expected", "low", "high", "p_value")
_EVIDENCE = tuple(field.name for field in fields(Evidence))
_FINDING = tuple(field.name for field in fields(Finding))
_ENTRY = tuple(field.name for field in fields(TimelineEntry))


def json_text(value: object) -> str:
    """JSON of what a row holds; ten times as fast as the standard library, which takes what it will not.

    Numbers that JSON has not become null: rows hold those as texts. A lone half of a surrogate pair, which
    may come in text that was escaped, is no valid UTF-8.
    """
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value)


def json_value(text: str) -> Any:
    """What such a text says."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def search_text(text: str) -> str:
    """Text as it is compared."""
    return text.casefold()


def incident_values(incident: Incident) -> dict[str, Any]:
    """An incident as the values of its row."""
    return {
        "incident_id": incident.incident_id,
        "state": incident.state.value,
        "severity": int(incident.severity),
        "sentence": incident.sentence,
        "start_unix_nano": incident.start_unix_nano,
        "updated_unix_nano": incident.updated_unix_nano,
        "resolved_unix_nano": incident.resolved_unix_nano,
        "follows": incident.follows,
        "entities": list(incident.entities),
        "findings": [finding_json(one) for one in incident.findings],
        "timeline": [{name: getattr(one, name) for name in _ENTRY} for one in incident.timeline],
        "search_text": search_text("\n".join((incident.sentence, *incident.entities))),
        **page_values(incident.page),
        "priority": None if incident.priority is None else asdict(incident.priority),
        "more": [list(one) for one in incident.more],
    }


def incident_of(row: IncidentRow) -> Incident:
    """The incident of a row."""
    return Incident(
        incident_id=row.incident_id,
        sentence=row.sentence,
        state=IncidentState(row.state),
        severity=Severity(row.severity),
        entities=tuple(row.entities),
        start_unix_nano=row.start_unix_nano,
        updated_unix_nano=row.updated_unix_nano,
        resolved_unix_nano=row.resolved_unix_nano,
        findings=tuple(finding_of(one) for one in row.findings),
        timeline=tuple(TimelineEntry(**one) for one in row.timeline),
        follows=row.follows,
        page=page_of(row.page),
        priority=None if row.priority is None else Priority(**row.priority),
        more=tuple((str(title), int(count)) for title, count in row.more or ()),
    )


_Line = tuple[
    str, str, str, int, list[Any], int, int, int, str, dict[str, Any] | None, dict[str, Any] | None,
    list[Any] | None, int,
]  # fmt: skip


def lines_wanted() -> Select[_Line]:
    """The query of `ControlStore.list_incident_lines`: findings are counted where they lie."""
    row = IncidentRow
    return select(
        row.incident_id, row.sentence, row.state, row.severity, row.entities, row.start_unix_nano,
        row.updated_unix_nano, row.resolved_unix_nano, row.follows, row.page, row.priority, row.more,
        func.json_array_length(row.findings).label("kept"),
    )  # fmt: skip


def line_of(row: Row[_Line]) -> IncidentLine:
    """The line of a row of that query."""
    return IncidentLine(
        incident_id=row.incident_id,
        sentence=row.sentence,
        state=IncidentState(row.state),
        severity=Severity(row.severity),
        entities=tuple(row.entities),
        start_unix_nano=row.start_unix_nano,
        updated_unix_nano=row.updated_unix_nano,
        resolved_unix_nano=row.resolved_unix_nano,
        findings_total=int(row.kept) + sum(int(count) for _, count in row.more or ()),
        follows=row.follows,
        page=page_of(row.page),
        priority=None if row.priority is None else Priority(**row.priority),
    )


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as a JSON object; NaN and the infinities, which JSON has not, as texts."""
    found: dict[str, Any] = {name: getattr(finding, name) for name in _FINDING}
    found["severity"] = int(finding.severity)
    found["state"] = finding.state.value
    found["attributes"] = None if finding.attributes is None else dict(finding.attributes)
    evidence = {name: getattr(finding.evidence, name) for name in _EVIDENCE}
    for name in _FLOATS:
        value = float(evidence[name])
        evidence[name] = value if math.isfinite(value) else _text(value)
    found["evidence"] = evidence
    return found


def _text(value: float) -> str:
    """A number that JSON has not, with its sign, which `str` drops of a NaN."""
    return f"{'-' if math.copysign(1.0, value) < 0 else ''}{abs(value)}"


def finding_of(found: Mapping[str, Any]) -> Finding:
    """The finding of a JSON object."""
    evidence = dict(found["evidence"])
    for name in _FLOATS:
        evidence[name] = float(evidence[name])
    values = dict(found)
    values["severity"] = Severity(values["severity"])
    values["state"] = FindingState(values["state"])
    values["evidence"] = Evidence(**evidence)
    return Finding(**values)
