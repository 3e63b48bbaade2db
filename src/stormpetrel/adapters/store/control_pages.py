"""Between page decisions and the columns of their incidents' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, Select, select

from stormpetrel.adapters.store.control_tables import IncidentRow
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.model.page_view import PageRecord

_PAGE = tuple(field.name for field in fields(Page))
_LISTED = (PageDecision.PAGED, PageDecision.HELD)


def page_values(page: Page | None) -> dict[str, Any]:
    """A decision as the values of its columns."""
    if page is None:
        return {"page": None, "page_decision": "", "page_unix_nano": 0}
    found: dict[str, Any] = {name: getattr(page, name) for name in _PAGE}
    found["decision"], found["account"] = page.decision.value, page.account.value
    found["tier"] = int(page.tier)
    return {
        "page": found,
        "page_decision": page.decision.value,
        "page_unix_nano": page.time_unix_nano,
    }


def page_of(found: Mapping[str, Any] | None) -> Page | None:
    """The decision of a JSON object."""
    if found is None:
        return None
    values = dict(found)
    values["decision"] = PageDecision(values["decision"])
    values["account"] = PageAccount(values["account"])
    values["tier"] = Severity(values["tier"])
    return Page(**values)


def pages_wanted(
    decisions: Sequence[PageDecision], since_unix_nano: int, limit: int
) -> Select[tuple[str, str, int, str, int, dict[str, Any] | None]]:
    """The query of `ControlStore.list_pages`: few columns, since the findings of an incident are many."""
    row = IncidentRow
    words = [one.value for one in decisions or _LISTED]
    return (
        select(row.incident_id, row.sentence, row.severity, row.state, row.start_unix_nano, row.page)
        .where(row.page_decision.in_(words), row.page_unix_nano >= since_unix_nano)
        .order_by(row.page_unix_nano.desc(), row.incident_id)
        .limit(limit)
    )


def record_of(row: Row[tuple[str, str, int, str, int, dict[str, Any] | None]]) -> PageRecord:
    """A line of the list of pages."""
    page = page_of(row.page)
    if page is None:
        raise ValueError(f"incident {row.incident_id} is listed by a page decision that it does not have")
    return PageRecord(
        row.incident_id,
        row.sentence,
        Severity(row.severity),
        IncidentState(row.state),
        row.start_unix_nano,
        page,
    )
