"""What backup tools report, in the control store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from itertools import groupby
from typing import Any

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.errors import StateError
from stormpetrel.model.backup import BackupKind, BackupReport, BackupStanding, standing_of
from stormpetrel.ports.backup import MOST_ENTITIES, MOST_OF_KIND

_FIELDS = tuple(field.name for field in fields(BackupReport))
_AT_ONCE = 200  # entities or rows a statement


class BackupRow(Base):
    """One report."""

    __tablename__ = "backups"

    entity: Mapped[str] = mapped_column(primary_key=True)
    tool: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    backup_id: Mapped[str] = mapped_column(primary_key=True)
    started_unix_nano: Mapped[int]
    finished_unix_nano: Mapped[int]
    size_bytes: Mapped[int]
    ok: Mapped[bool]
    proves: Mapped[str]
    source: Mapped[str]
    detail: Mapped[str]


class BackupTables:
    """The part of `ports.control.ControlStore` that is about backups of others."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    @abstractmethod
    def _upsert(self, session: Session, model: type[Base], values: list[dict[str, Any]]) -> None: ...

    def add_backup_reports(self, reports: Sequence[BackupReport]) -> None:
        """Keep reports that are newer than what is kept under their keys, then let the oldest go."""
        newest: dict[tuple[str, str, str, str], BackupReport] = {}
        for one in reports:
            held = newest.get(one.key)
            if held is None or one.finished_unix_nano > held.finished_unix_nano:
                newest[one.key] = one
        if not newest:
            return
        entities = sorted({one.entity for one in newest.values()})
        with self._transaction() as session:
            # Writing first takes the lock of SQLite at once: what is read then stays true.
            session.execute(delete(BackupRow).where(BackupRow.entity == ""))
            known = {one.key: one for one in _of(session, entities)}
            _check_room(session, len(set(entities) - {one.entity for one in known.values()}))
            fresh = [
                one
                for key, one in newest.items()
                if key not in known or known[key].finished_unix_nano < one.finished_unix_nano
            ]
            for some in _pieces(fresh):
                self._upsert(session, BackupRow, [_values(one) for one in some])
            _let_go(session, entities)

    def backup_reports(self, entity: str, limit: int = 100) -> list[BackupReport]:
        """Reports of an entity, the last to finish first, ties by key."""
        wanted = (
            select(BackupRow)
            .where(BackupRow.entity == entity)
            .order_by(
                BackupRow.finished_unix_nano.desc(), BackupRow.tool, BackupRow.kind, BackupRow.backup_id
            )
            .limit(limit)
        )
        with self._transaction() as session:
            return [_report(row) for row in session.scalars(wanted)]

    def backup_standing(self, entity: str) -> BackupStanding | None:
        """How an entity stands; None when nothing was ever reported."""
        with self._transaction() as session:
            found = _of(session, [entity])
        return standing_of(entity, found) if found else None

    def backup_standings(self) -> list[BackupStanding]:
        """How every entity stands, by entity; about 10 µs a report."""
        with self._transaction() as session:
            rows = session.scalars(select(BackupRow).order_by(BackupRow.entity))
            return [
                standing_of(entity, map(_report, some))
                for entity, some in groupby(rows, lambda row: row.entity)
            ]


def _of(session: Session, entities: Sequence[str]) -> list[BackupReport]:
    found: list[BackupReport] = []
    for some in _pieces(entities):
        found += map(_report, session.scalars(select(BackupRow).where(BackupRow.entity.in_(some))))
    return found


def _check_room(session: Session, new: int) -> None:
    held = session.scalar(select(func.count(BackupRow.entity.distinct()))) or 0
    if new and held + new > MOST_ENTITIES:
        raise StateError(
            f"backups of {held} entities are known, and at most {MOST_ENTITIES} can be:"
            " send reports under fewer names"
        )


def _let_go(session: Session, entities: Sequence[str]) -> None:
    reports = sorted(_of(session, entities), key=lambda one: one.entity)
    gone: list[BackupReport] = []
    for _, some in groupby(reports, lambda one: one.entity):
        gone += _surplus(list(some))
    key = tuple_(BackupRow.entity, BackupRow.tool, BackupRow.kind, BackupRow.backup_id)
    for piece in _pieces(gone):
        session.execute(delete(BackupRow).where(key.in_([one.key for one in piece])))


def _surplus(reports: list[BackupReport]) -> Iterator[BackupReport]:
    """Of one entity, what is old and nothing rests on."""
    ordered = sorted(reports, key=lambda one: (one.finished_unix_nano, one.key), reverse=True)
    kinds = {kind: [one for one in ordered if one.kind is kind] for kind in BackupKind}
    tests = kinds[BackupKind.RESTORE_TEST][:MOST_OF_KIND]
    standing = standing_of("", [*kinds[BackupKind.BACKUP], *tests])
    proven = {(test.tool, test.proves) for test in tests}
    yield from kinds[BackupKind.RESTORE_TEST][MOST_OF_KIND:]
    for one in kinds[BackupKind.BACKUP][MOST_OF_KIND:]:
        if one not in (standing.good, standing.verified) and (one.tool, one.backup_id) not in proven:
            yield one


def _pieces(many: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (many[start : start + _AT_ONCE] for start in range(0, len(many), _AT_ONCE))


def _values(report: BackupReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in _FIELDS} | {"kind": report.kind.value}


def _report(row: BackupRow) -> BackupReport:
    values = {name: getattr(row, name) for name in _FIELDS}
    return BackupReport(**values | {"kind": BackupKind(row.kind)})
