"""Feedback and backtests in the control store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

from sqlalchemy import JSON, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.feedback import Feedback, Opinion

_FIELDS = tuple(field.name for field in fields(Feedback))


class FeedbackRow(Base):
    """One opinion."""

    __tablename__ = "feedback"

    feedback_id: Mapped[str] = mapped_column(Text, primary_key=True)
    finding_id: Mapped[str]
    incident_id: Mapped[str]
    detector: Mapped[str]
    head: Mapped[str]
    subject: Mapped[str]
    title: Mapped[str]
    opinion: Mapped[str]
    actor: Mapped[str]
    note: Mapped[str]
    time_unix_nano: Mapped[int]
    undone_unix_nano: Mapped[int]
    undone_by: Mapped[str]


class BacktestRow(Base):
    """One backtest, whole."""

    __tablename__ = "backtests"

    backtest_id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_unix_nano: Mapped[int]
    content: Mapped[Any] = mapped_column(JSON)


class LearningTables:
    """The part of `ports.control.ControlStore` that is about feedback and backtests."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    def add_feedback(self, feedback: Feedback) -> None:
        """Keep an opinion."""
        with self._transaction(writes=True) as session:
            session.add(FeedbackRow(**{name: getattr(feedback, name) for name in _FIELDS}))

    def list_feedback(self, since_unix_nano: int = 0, limit: int = 10_000) -> list[Feedback]:
        """Opinions given since, newest first, ties by id; undone ones too."""
        wanted = (
            select(FeedbackRow)
            .where(FeedbackRow.time_unix_nano >= since_unix_nano)
            .order_by(FeedbackRow.time_unix_nano.desc(), FeedbackRow.feedback_id)
            .limit(limit)
        )
        with self._transaction() as session:
            return [_feedback(row) for row in session.scalars(wanted)]

    def undo_feedback(self, feedback_id: str, time_unix_nano: int, actor: str) -> Feedback:
        """An opinion counts no more from this moment on; NotFoundError, StateError when it is undone."""
        with self._transaction(writes=True) as session:
            row = session.get(FeedbackRow, feedback_id)
            if row is None:
                raise NotFoundError(f"there is no feedback {feedback_id[:60]}")
            if row.undone_unix_nano:
                raise StateError(f"the feedback {feedback_id} was undone before, by {row.undone_by}")
            row.undone_unix_nano, row.undone_by = time_unix_nano, actor
            return _feedback(row)

    def save_backtest(self, backtest_id: str, created_unix_nano: int, content: Mapping[str, Any]) -> None:
        """Insert or replace a backtest by id."""
        with self._transaction(writes=True) as session:
            session.merge(
                BacktestRow(
                    backtest_id=backtest_id, created_unix_nano=created_unix_nano, content=dict(content)
                )
            )

    def list_backtests(self, limit: int = 100) -> list[dict[str, Any]]:
        """The content of backtests, newest first."""
        wanted = select(BacktestRow).order_by(BacktestRow.created_unix_nano.desc(), BacktestRow.backtest_id)
        with self._transaction() as session:
            return [dict(row.content) for row in session.scalars(wanted.limit(limit))]

    def delete_backtest(self, backtest_id: str) -> None:
        """Forget a backtest; no error when there is none."""
        with self._transaction(writes=True) as session:
            session.execute(delete(BacktestRow).where(BacktestRow.backtest_id == backtest_id))


def _feedback(row: FeedbackRow) -> Feedback:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Feedback(**{**values, "opinion": Opinion(row.opinion)})
