"""The calendar's tables of the control store, and `ports.calendar.CalendarStore` over them."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

from sqlalchemy import JSON, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.errors import NotFoundError
from stormpetrel.model.calendar import (
    CalendarEntry,
    Cron,
    Decided,
    Decision,
    EntryKind,
    Every,
    Listed,
    Once,
    Recurrence,
    Watch,
)

_RULES: dict[str, type[Once] | type[Cron] | type[Every]] = {"once": Once, "cron": Cron, "every": Every}


class EntryRow(Base):
    """A calendar entry; its recurrence and watch as JSON objects."""

    __tablename__ = "calendar_entries"

    entry_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    scopes: Mapped[list[Any]]
    recurrence: Mapped[dict[str, Any]] = mapped_column(JSON)
    source: Mapped[str]
    train: Mapped[bool]
    watch: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_by: Mapped[str]
    created_unix_nano: Mapped[int]


class DecisionRow(Base):
    """What a person said of a learned slot."""

    __tablename__ = "calendar_decisions"

    proposal_id: Mapped[str] = mapped_column(primary_key=True)
    entity: Mapped[str]
    period_seconds: Mapped[float]
    offset_seconds: Mapped[float]
    decision: Mapped[str]
    decided_by: Mapped[str]
    decided_unix_nano: Mapped[int]


class CalendarTables:
    """One part of the control store, over its transactions."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    def save_entry(self, entry: CalendarEntry) -> None:
        """Insert or replace an entry by id."""
        watch = entry.watch
        row = EntryRow(
            entry_id=entry.entry_id,
            kind=entry.kind.value,
            title=entry.title,
            scopes=list(entry.scopes),
            recurrence=rule_json(entry.recurrence),
            source=entry.source,
            train=entry.train,
            watch=None if watch is None else {**_fields(watch), "series": list(watch.series)},
            created_by=entry.created_by,
            created_unix_nano=entry.created_unix_nano,
        )
        with self._transaction(writes=True) as session:
            session.merge(row)

    def list_entries(self) -> list[CalendarEntry]:
        """All entries that people made, in order of their making, then id."""
        wanted = select(EntryRow).order_by(EntryRow.created_unix_nano, EntryRow.entry_id)
        with self._transaction() as session:
            return [_entry(row) for row in session.scalars(wanted)]

    def delete_entry(self, entry_id: str) -> None:
        """Forget an entry; NotFoundError when there is none."""
        forget = delete(EntryRow).where(EntryRow.entry_id == entry_id).returning(EntryRow.entry_id)
        with self._transaction(writes=True) as session:
            found = session.scalars(forget).all()
        if not found:
            raise NotFoundError(f"there is no entry {entry_id[:100]} in the calendar that was made here")

    def save_decision(self, decided: Decided) -> None:
        """Insert or replace what was said of a proposal."""
        values = {**_fields(decided), "decision": decided.decision.value}
        with self._transaction(writes=True) as session:
            session.merge(DecisionRow(**values))

    def list_decisions(self) -> list[Decided]:
        """Everything that was said, newest first."""
        wanted = select(DecisionRow).order_by(DecisionRow.decided_unix_nano.desc(), DecisionRow.proposal_id)
        with self._transaction() as session:
            return [
                Decided(
                    row.proposal_id,
                    row.entity,
                    row.period_seconds,
                    row.offset_seconds,
                    Decision(row.decision),
                    row.decided_by,
                    row.decided_unix_nano,
                )
                for row in session.scalars(wanted)
            ]


def rule_json(rule: Recurrence) -> dict[str, Any]:
    """A recurrence as a JSON object, with its sort under `rule`."""
    if isinstance(rule, Listed):
        return {"rule": "listed", "spans": [list(span) for span in rule.spans]}
    name = next(name for name, sort in _RULES.items() if isinstance(rule, sort))
    return {"rule": name, **_fields(rule)}


def rule_of(found: dict[str, Any]) -> Recurrence:
    """The recurrence of a JSON object."""
    values = dict(found)
    name = values.pop("rule")
    if name == "listed":
        return Listed(tuple((int(start), int(end)) for start, end in values["spans"]))
    return _RULES[name](**values)


def _entry(row: EntryRow) -> CalendarEntry:
    watch = None
    if row.watch is not None:
        watch = Watch(**{**row.watch, "series": tuple(row.watch["series"])})
    return CalendarEntry(
        entry_id=row.entry_id,
        kind=EntryKind(row.kind),
        title=row.title,
        scopes=tuple(row.scopes),
        recurrence=rule_of(row.recurrence),
        source=row.source,
        train=row.train,
        watch=watch,
        created_by=row.created_by,
        created_unix_nano=row.created_unix_nano,
    )


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
