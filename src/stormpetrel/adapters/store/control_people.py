"""Accounts in the control store: invited, changed, removed."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.automation_rows import ApprovalRow, RunRow
from stormpetrel.adapters.store.control_tables import Base, TokenRow, UserRow
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Role, Scope, User
from stormpetrel.model.agreement import same_person
from stormpetrel.model.people import MOST_INVITATIONS, MOST_PEOPLE, Invitation, PeopleAct, PeopleChange
from stormpetrel.model.run import ENDS
from stormpetrel.model.share import CLOCK_SLACK_UNIX_NANO

_CHANGES_KEPT = 10_000


class InvitationRow(Base):
    """A link to an account; `role` is "" for a new password of one that exists."""

    __tablename__ = "invitations"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str]
    role: Mapped[str]
    created_unix_nano: Mapped[int]
    created_by: Mapped[str]
    ends_unix_nano: Mapped[int]


class PeopleChangeRow(Base):
    """One thing that was done to an account."""

    __tablename__ = "people_changes"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_unix_nano: Mapped[int]
    actor: Mapped[str]
    act: Mapped[str]
    person: Mapped[str]
    detail: Mapped[str]


class PeopleTables:
    """`ports.people.PeopleStore` over SQLAlchemy; methods are documented there."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[Session]: ...

    def list_users(self) -> list[User]:
        """Everybody, by name."""
        with self._transaction() as session:
            return [user_of(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def add_invitation(self, invitation: Invitation) -> None:
        """Keep a link instead of an older one for this person."""
        person, now = invitation.person, invitation.created_unix_nano
        with self._exclusive() as session:
            session.execute(delete(InvitationRow).where(InvitationRow.ends_unix_nano <= now))
            session.execute(delete(InvitationRow).where(InvitationRow.person == person))
            if invitation.role is None:
                _row(session, person).password_hash = ""
            else:
                _refuse_taken(session, person, (*_names(session), *_invited(session)))
            if (session.scalar(select(func.count()).select_from(InvitationRow)) or 0) >= MOST_INVITATIONS:
                raise StateError(f"{MOST_INVITATIONS} invitations are open; wait, or withdraw some")
            role = "" if invitation.role is None else invitation.role.value
            session.add(
                InvitationRow(
                    token_hash=invitation.token_hash, person=person, role=role, created_unix_nano=now,
                    created_by=invitation.created_by, ends_unix_nano=invitation.ends_unix_nano,
                )
            )  # fmt: skip
            act = PeopleAct.INVITED if role else PeopleAct.LINK
            _enter(session, PeopleChange(now, invitation.created_by, act, person, role))

    def list_invitations(self, now_unix_nano: int) -> list[Invitation]:
        """Those that are good now, newest first."""
        wanted = select(InvitationRow).where(InvitationRow.ends_unix_nano > now_unix_nano)
        order = (InvitationRow.created_unix_nano.desc(), InvitationRow.person)
        with self._transaction() as session:
            return [_invitation(row) for row in session.scalars(wanted.order_by(*order))]

    def invitation(self, token_hash: str, now_unix_nano: int) -> Invitation | None:
        """The one with this hash, if it is good now."""
        with self._transaction() as session:
            row = _good(session, token_hash, now_unix_nano)
            return None if row is None else _invitation(row)

    def use_invitation(self, token_hash: str, now_unix_nano: int, password_hash: str) -> User | None:
        """The account with this password; the link is used up."""
        with self._exclusive() as session:
            link = _good(session, token_hash, now_unix_nano)
            if link is None:
                return None
            if link.role:
                _refuse_taken(session, link.person, _names(session))
                session.add(
                    UserRow(
                        name=link.person, role=link.role, password_hash=password_hash,
                        created_unix_nano=now_unix_nano,
                    )
                )  # fmt: skip
                act = PeopleAct.JOINED
            else:
                _row(session, link.person).password_hash = password_hash
                act = PeopleAct.PASSWORD
            detail = f"{link.role} by a link of {link.created_by}".strip()
            _enter(session, PeopleChange(now_unix_nano, link.person, act, link.person, detail))
            session.delete(link)
            session.flush()
            return user_of(_row(session, link.person))

    def set_role(self, name: str, role: Role, by: str, now_unix_nano: int) -> None:
        """Change a role, but not that of the last admin."""
        with self._exclusive() as session:
            row = _row(session, name)
            if row.role == role.value:
                return
            detail = f"{row.role} to {role.value}"
            row.role = role.value
            _keep_an_admin(session)
            if role is not Role.ADMIN:
                session.execute(delete(InvitationRow).where(InvitationRow.created_by == name))
            if role is Role.VIEWER:
                _withdraw_yes(session, name)
            _enter(session, PeopleChange(now_unix_nano, by, PeopleAct.ROLE, name, detail))

    def set_password(self, name: str, old_hash: str, new_hash: str, now_unix_nano: int) -> bool:
        """Change a password, unless another did meanwhile."""
        with self._exclusive() as session:
            row = session.get(UserRow, name)
            if row is None or not old_hash or row.password_hash != old_hash:
                return False
            row.password_hash = new_hash
            _enter(session, PeopleChange(now_unix_nano, name, PeopleAct.PASSWORD, name))
            return True

    def remove_person(self, name: str, by: str, now_unix_nano: int) -> None:
        """Forget an account, or an invitation to one."""
        with self._exclusive() as session:
            row = session.get(UserRow, name)
            links = session.scalars(select(InvitationRow).where(InvitationRow.person == name)).all()
            if row is None and not links:
                raise NotFoundError(f"there is nobody called {name[:60]}")
            session.execute(delete(InvitationRow).where(InvitationRow.person == name))
            act, detail = PeopleAct.WITHDRAWN, links[0].role if links else ""
            if row is not None:
                act, detail = PeopleAct.REMOVED, row.role
                session.delete(row)
                _keep_an_admin(session)
                session.execute(delete(InvitationRow).where(InvitationRow.created_by == name))
                _revoke_voice(session, name)
                _withdraw_yes(session, name)
            _enter(session, PeopleChange(now_unix_nano, by, act, name, detail))

    def list_people_changes(self, limit: int = 100) -> list[PeopleChange]:
        """What was done, newest first."""
        wanted = select(PeopleChangeRow).order_by(PeopleChangeRow.number.desc()).limit(limit)
        with self._transaction() as session:
            return [
                PeopleChange(row.time_unix_nano, row.actor, PeopleAct(row.act), row.person, row.detail)
                for row in session.scalars(wanted)
            ]


def user_of(row: UserRow) -> User:
    """A row as a user."""
    return User(row.name, Role(row.role), row.password_hash, row.created_unix_nano)


def _invitation(row: InvitationRow) -> Invitation:
    role = Role(row.role) if row.role else None
    return Invitation(
        row.token_hash, row.person, role, row.created_unix_nano, row.created_by, row.ends_unix_nano
    )


def _good(session: Session, token_hash: str, now_unix_nano: int) -> InvitationRow | None:
    """Not after its end, and not while the clock stands before its making."""
    row = session.get(InvitationRow, token_hash)
    if row is None or not (
        row.created_unix_nano - CLOCK_SLACK_UNIX_NANO <= now_unix_nano < row.ends_unix_nano
    ):
        return None
    return row


def _row(session: Session, name: str) -> UserRow:
    row = session.get(UserRow, name)
    if row is None:
        raise NotFoundError(f"there is nobody called {name[:60]}")
    return row


def _names(session: Session) -> list[str]:
    return list(session.scalars(select(UserRow.name)))


def _invited(session: Session) -> list[str]:
    return list(session.scalars(select(InvitationRow.person)))


def _refuse_taken(session: Session, name: str, taken: tuple[str, ...] | list[str]) -> None:
    """Two who read alike would have one voice between them, and each could be taken for the other."""
    same = next((one for one in taken if same_person(one) == same_person(name)), None)
    if same is not None:
        raise StateError(f"the name {name} is taken, by {same}; choose another")
    if len(_names(session)) >= MOST_PEOPLE:
        raise StateError(f"there are {MOST_PEOPLE} people already; remove those who left")


def _keep_an_admin(session: Session) -> None:
    """Of those who wait for their link nobody knows whether they ever come."""
    session.flush()
    able = select(func.count()).where(UserRow.role == Role.ADMIN.value, UserRow.password_hash != "")
    if not session.scalar(able):
        raise StateError("this is the last admin who can sign in; make another person admin first")


def _revoke_voice(session: Session, name: str) -> None:
    """A later person of this name must not be spoken for by these."""
    for token in session.scalars(select(TokenRow).where(TokenRow.created_by == name)):
        if Scope.APPROVE.value in token.scopes:
            token.revoked = True


def _withdraw_yes(session: Session, name: str) -> None:
    """What they agreed to and has not ended needs another's yes: who may not answer any more lets nothing go.

    That they agreed stands in the ledger, and so does every judgement after it, without their answer.
    """
    ends = [one.value for one in ENDS]
    on_their_way = select(RunRow.run_id).where(RunRow.state.not_in(ends))
    theirs = ApprovalRow.approver == name, ApprovalRow.agreed.is_(True), ApprovalRow.run_id.in_(on_their_way)
    session.execute(delete(ApprovalRow).where(*theirs))


def _enter(session: Session, change: PeopleChange) -> None:
    last = session.scalar(select(func.max(PeopleChangeRow.number))) or 0
    session.add(
        PeopleChangeRow(
            number=last + 1, time_unix_nano=change.time_unix_nano, actor=change.actor,
            act=change.act.value, person=change.person, detail=change.detail,
        )
    )  # fmt: skip
    session.execute(delete(PeopleChangeRow).where(PeopleChangeRow.number <= last + 1 - _CHANGES_KEPT))
