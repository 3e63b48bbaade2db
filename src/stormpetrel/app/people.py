"""Accounts of more than one person: inviting, joining, roles, new passwords, leaving."""

from __future__ import annotations

import secrets

import structlog
from argon2 import PasswordHasher

from stormpetrel.app.access import TOKEN_PREFIX, Access, caller_of, require, sha256_of
from stormpetrel.app.pace import Pace
from stormpetrel.errors import AuthError, NotFoundError, OverloadedError, StateError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleAct, PeopleView, PersonLine, name_fault
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

_VALID = from_seconds(24 * 3600)
_FORGIVEN_SECONDS = 3600.0
_SHOWN_CHANGES = 100
# The same words for each: who holds a link learns nothing of others, nor whether this one ever was.
CLOSED = (
    "this link opens nothing: it is not known here, was used, is older than a day, or was replaced;"
    " ask an admin for a new one"
)


class People(Access):
    """`Access`, and who has it.

    An invitation is a one-time link, good for a day, for exactly one name and role; its secret has 256 bits
    and the form of an API token, so that whatever looks for leaked secrets knows it, and only its SHA-256 is
    kept. Sessions are bound to the password that they began with: a new one, or none, ends them. Nobody
    changes their own role or removes themselves; the store keeps the last admin.

    Args:
        hasher: as for `Access`.
    """

    def __init__(self, control: ControlStore, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        super().__init__(control, clock, hasher)
        self._links = Pace(clock, _FORGIVEN_SECONDS)

    def people(self, by: Caller) -> PeopleView:
        """Everybody, what is open, and what was done of late, for an admin."""
        require(by, Role.ADMIN)
        lines = (
            PersonLine(one.name, one.role, one.created_unix_nano, not one.password_hash)
            for one in self._control.list_users()
        )
        return PeopleView(
            tuple(lines),
            tuple(self._control.list_invitations(self._clock.now_unix_nano())),
            tuple(self._control.list_people_changes(_SHOWN_CHANGES)),
        )

    def invite(self, name: str, role: Role, by: Caller) -> tuple[Invitation, str]:
        """A link for a new person, and its secret, which is known now and never again.

        Raises:
            StateError: the name cannot be one, or is somebody's; or nobody has set this up yet.
            AuthError: not an admin.
        """
        require(by, Role.ADMIN)
        name = name.strip()
        fault = name_fault(name)
        if fault:
            raise StateError(fault)
        if self.setup_needed():
            raise StateError("nobody has an account yet: open the set-up link first")
        return self._link(name, role, by)

    def new_password_link(self, name: str, by: Caller) -> tuple[Invitation, str]:
        """A link for a new password; the old one, and the person's sessions, end now.

        Raises:
            NotFoundError: there is nobody of this name.
            StateError: it is the caller's own.
            AuthError: not an admin.
        """
        self._another(name, by, "your own password is changed on the page Account")
        return self._link(name, None, by)

    def _link(self, name: str, role: Role | None, by: Caller) -> tuple[Invitation, str]:
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        now = self._clock.now_unix_nano()
        link = Invitation(sha256_of(secret), name, role, now, by.name, now + _VALID)
        self._control.add_invitation(link)
        act = PeopleAct.LINK if role is None else PeopleAct.INVITED
        self._tell(act, name, by.name, role)
        return link, secret

    def invitation(self, secret: str, address: str) -> Invitation:
        """What a link is for. Looking changes nothing.

        Args:
            address: whence it is asked, for slowing down; a link that opens never waits.

        Raises:
            NotFoundError: unknown, used, ended or replaced; which of them is not said.
            OverloadedError: too many that open nothing were tried from this address.
        """
        link = self._control.invitation(sha256_of(secret), self._clock.now_unix_nano())
        if link is not None:
            return link
        wait = self._links.wait_seconds(address)
        if wait:
            raise OverloadedError(f"too many links that open nothing were tried; wait {wait:.0f} s")
        self._links.failed(address)
        raise NotFoundError(CLOSED)

    def join(self, secret: str, password: str, address: str) -> Caller:
        """Use a link up: the person, with the password that they chose.

        Raises:
            NotFoundError, OverloadedError: as for `invitation`.
            StateError: the password does not meet the rules, or somebody has the name meanwhile.
        """
        link = self.invitation(secret, address)
        hashed = self._hashed(link.person, password)
        user = self._control.use_invitation(link.token_hash, self._clock.now_unix_nano(), hashed)
        if user is None:
            raise NotFoundError(CLOSED)
        act = PeopleAct.PASSWORD if link.role is None else PeopleAct.JOINED
        self._tell(act, user.name, link.created_by, user.role)
        return caller_of(user)

    def change_password(self, old: str, new: str, by: Caller, address: str) -> Caller:
        """A person's new password; all their sessions end, and the answer begins the next.

        Raises:
            AuthError: the old one is wrong (guesses are slowed down as at signing in), or a token asks.
            StateError: the new one does not meet the rules, or is the old one.
        """
        require(by, Role.VIEWER)
        user = self._checked(by.name, old, address)
        if new == old:
            raise StateError("the new password is the old one; choose another")
        hashed = self._hashed(user.name, new)
        now = self._clock.now_unix_nano()
        if not self._control.set_password(user.name, user.password_hash, hashed, now):
            raise AuthError("the password was changed meanwhile; sign in with the new one")
        self._tell(PeopleAct.PASSWORD, user.name, user.name)
        found = self.caller_of_user(user.name)
        if found is None:
            raise AuthError("this account was removed meanwhile")
        return found

    def change_role(self, name: str, role: Role, by: Caller) -> None:
        """Another person's role, from their next request on.

        Raises:
            NotFoundError: there is nobody of this name.
            StateError: it is the caller's own, or the last admin's.
            AuthError: not an admin.
        """
        self._another(name, by, "nobody changes their own role: ask another admin")
        self._control.set_role(name, role, by.name, self._clock.now_unix_nano())
        self._tell(PeopleAct.ROLE, name, by.name, role)

    def remove(self, name: str, by: Caller) -> None:
        """A person, or an invitation, is no more: sessions end, and tokens stop to speak for them.

        Raises:
            NotFoundError, StateError, AuthError: as for `change_role`.
        """
        self._another(name, by, "nobody removes themselves: ask another admin")
        self._control.remove_person(name, by.name, self._clock.now_unix_nano())
        self._forget_callers()
        self._tell(PeopleAct.REMOVED, name, by.name)

    def _another(self, name: str, by: Caller, refusal: str) -> None:
        require(by, Role.ADMIN)
        if name == by.name:
            raise StateError(refusal)

    def _tell(self, act: PeopleAct, person: str, by: str, role: Role | None = None) -> None:
        """A line of the log; the store has entered it already."""
        log.info("people_changed", act=act.value, person=person, role=role and role.value, by=by)
