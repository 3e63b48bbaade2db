"""What was told to whom, and which links were used, in the control store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.model.notification import Delivery, DeliveryState, Notification, NotificationKind
from stormpetrel.model.text import harmless
from stormpetrel.model.time import from_seconds

_KEPT = from_seconds(30 * 86_400.0)
_GRACE = from_seconds(86_400.0)  # a clock that jumped forward and was set right has ended nothing
_LONGEST_TITLE, _LONGEST_REASON = 200, 300
_OPEN = DeliveryState.CLAIMED.value


class NoticeRow(Base):
    """One notification on one route."""

    __tablename__ = "notices"

    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    state: Mapped[str]
    holder: Mapped[str]
    until_unix_nano: Mapped[int]
    attempts: Mapped[int]
    first_unix_nano: Mapped[int]
    done_unix_nano: Mapped[int]
    reason: Mapped[str]


class SpentLinkRow(Base):
    """A link that was used."""

    __tablename__ = "spent_links"

    link_id: Mapped[str] = mapped_column(primary_key=True)
    ends_unix_nano: Mapped[int]


class NoticeTables:
    """The part of `ports.control.ControlStore` that is about notifications."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[Session]: ...

    @abstractmethod
    def _upsert(self, session: Session, model: type[Base], values: list[dict[str, Any]]) -> None: ...

    def claim_notices(
        self,
        route: str,
        notices: Sequence[Notification],
        holder: str,
        now_unix_nano: int,
        until_unix_nano: int,
    ) -> set[str]:
        """Take up what is new, and what another process gave up; one process at a time."""
        newest = {one.key: one for one in notices}
        if not newest:
            return set()
        wanted = select(NoticeRow).where(NoticeRow.route == route, NoticeRow.key.in_(newest))
        with self._exclusive() as session:
            _forget(session, now_unix_nano)
            known = {row.key: row for row in session.scalars(wanted)}
            claimed = set()
            for key, notice in newest.items():
                row = known.get(key)
                if row is None:
                    session.add(_row(route, notice, holder, now_unix_nano, until_unix_nano))
                elif row.state != _OPEN or (row.holder != holder and row.until_unix_nano > now_unix_nano):
                    continue
                else:
                    row.holder, row.until_unix_nano = holder, until_unix_nano
                claimed.add(key)
            return claimed

    def close_notice(self, delivery: Delivery) -> None:
        """What became of one."""
        values = {
            "key": delivery.key, "route": delivery.route, "kind": delivery.kind.value,
            "title": delivery.title[:_LONGEST_TITLE], "state": delivery.state.value, "holder": "",
            "until_unix_nano": 0, "attempts": delivery.attempts, "first_unix_nano": delivery.first_unix_nano,
            "done_unix_nano": delivery.done_unix_nano, "reason": delivery.reason[:_LONGEST_REASON],
        }  # fmt: skip
        with self._transaction(writes=True) as session:
            self._upsert(session, NoticeRow, [values])

    def free_notices(self, holder: str) -> None:
        """Its claims end now."""
        mine = update(NoticeRow).where(NoticeRow.holder == holder, NoticeRow.state == _OPEN)
        with self._transaction(writes=True) as session:
            session.execute(mine.values(holder="", until_unix_nano=0))

    def list_notices(self, limit: int = 100) -> list[Delivery]:
        """Newest first, ties by route and key."""
        wanted = select(NoticeRow).order_by(NoticeRow.first_unix_nano.desc(), NoticeRow.route, NoticeRow.key)
        with self._transaction() as session:
            return [_delivery(row) for row in session.scalars(wanted.limit(limit))]

    def spend_link(self, link_id: str, now_unix_nano: int, ends_unix_nano: int) -> bool:
        """Whether this was its first use."""
        with self._transaction(writes=True) as session:
            session.execute(delete(SpentLinkRow).where(SpentLinkRow.ends_unix_nano <= now_unix_nano - _GRACE))
            make = sqlite.insert if session.connection().dialect.name == "sqlite" else postgresql.insert
            values = {"link_id": link_id, "ends_unix_nano": ends_unix_nano}
            first = make(SpentLinkRow).values(values).on_conflict_do_nothing().returning(SpentLinkRow.link_id)
            return session.scalars(first).first() is not None

    def unspend_link(self, link_id: str) -> None:
        """As if it had not been used."""
        with self._transaction(writes=True) as session:
            session.execute(delete(SpentLinkRow).where(SpentLinkRow.link_id == link_id))

    def link_spent(self, link_id: str) -> bool:
        """Whether it was used."""
        with self._transaction() as session:
            return session.get(SpentLinkRow, link_id) is not None


def _forget(session: Session, now_unix_nano: int) -> None:
    old = NoticeRow.first_unix_nano <= now_unix_nano - _KEPT
    session.execute(delete(NoticeRow).where(old, NoticeRow.state != _OPEN))


def _row(route: str, notice: Notification, holder: str, now: int, until: int) -> NoticeRow:
    return NoticeRow(
        key=notice.key,
        route=route,
        kind=notice.kind.value,
        title=harmless(notice.title, _LONGEST_TITLE),
        state=_OPEN,
        holder=holder,
        until_unix_nano=until,
        attempts=0,
        first_unix_nano=now,
        done_unix_nano=0,
        reason="",
    )


def _delivery(row: NoticeRow) -> Delivery:
    return Delivery(
        row.route,
        row.key,
        NotificationKind(row.kind),
        row.title,
        DeliveryState(row.state),
        row.attempts,
        row.first_unix_nano,
        row.done_unix_nano,
        row.reason,
    )
