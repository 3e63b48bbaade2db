"""Read-only links to reports in the control store."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import fields

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.share import CLOCK_SLACK_UNIX_NANO, ShareLink
from stormpetrel.model.time import from_seconds

_GRACE = from_seconds(86_400.0)  # a clock that jumped forward and was set right has ended nothing
_FIELDS = tuple(field.name for field in fields(ShareLink))


class ShareRow(Base):
    """One link."""

    __tablename__ = "shares"

    share_id: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    created_unix_nano: Mapped[int]
    created_by: Mapped[str]
    ends_unix_nano: Mapped[int]
    opened: Mapped[int]
    last_opened_unix_nano: Mapped[int]


class ShareTables:
    """The part of `ports.control.ControlStore` that is about links to reports."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    def add_share(self, link: ShareLink, most_of_incident: int, most: int) -> None:
        """Keep a link unless there are too many; those that ended a day before are forgotten first."""
        with self._transaction(writes=True) as session:
            # Writing first takes the lock of SQLite at once: what is counted then stays true.
            _forget_ended(session, link.created_unix_nano - _GRACE)
            counted = select(func.count()).where(ShareRow.ends_unix_nano > link.created_unix_nano)
            if (session.scalar(counted) or 0) >= most:
                raise StateError(f"there are {most} links to reports; revoke some that are not needed")
            mine = counted.where(ShareRow.incident_id == link.incident_id)
            if (session.scalar(mine) or 0) >= most_of_incident:
                raise StateError(
                    f"the incident {link.incident_id} has {most_of_incident} links already; revoke one first"
                )
            session.add(ShareRow(**{name: getattr(link, name) for name in _FIELDS}))
            try:
                session.flush()
            except IntegrityError:
                raise StateError(f"the link {link.share_id} exists already; make another") from None

    def list_shares(self, incident_id: str, now_unix_nano: int) -> list[ShareLink]:
        """The links of an incident that have not ended, newest first, ties by id."""
        wanted = (
            select(ShareRow)
            .where(ShareRow.incident_id == incident_id, ShareRow.ends_unix_nano > now_unix_nano)
            .order_by(ShareRow.created_unix_nano.desc(), ShareRow.share_id)
        )
        with self._transaction() as session:
            return [_link(row) for row in session.scalars(wanted)]

    def open_share(self, token_hash: str, now_unix_nano: int) -> ShareLink | None:
        """The link with this hash, one opening later; None when it is unknown or not good now."""
        change = (
            update(ShareRow)
            .where(
                ShareRow.token_hash == token_hash,
                ShareRow.ends_unix_nano > now_unix_nano,
                ShareRow.created_unix_nano <= now_unix_nano + CLOCK_SLACK_UNIX_NANO,
            )
            .values(opened=ShareRow.opened + 1, last_opened_unix_nano=now_unix_nano)
            .returning(ShareRow)
        )
        with self._transaction(writes=True) as session:
            row = session.scalars(change).one_or_none()
            return None if row is None else _link(row)

    def delete_share(self, incident_id: str, share_id: str) -> None:
        """Forget a link of this incident; NotFoundError when there is none."""
        wanted = delete(ShareRow).where(ShareRow.share_id == share_id, ShareRow.incident_id == incident_id)
        with self._transaction(writes=True) as session:
            found = session.scalars(wanted.returning(ShareRow.share_id)).all()
        if not found:
            raise NotFoundError(f"the incident {incident_id[:60]} has no link {share_id[:60]}")


def _forget_ended(session: Session, now_unix_nano: int) -> None:
    session.execute(delete(ShareRow).where(ShareRow.ends_unix_nano <= now_unix_nano))


def _link(row: ShareRow) -> ShareLink:
    return ShareLink(**{name: getattr(row, name) for name in _FIELDS})
