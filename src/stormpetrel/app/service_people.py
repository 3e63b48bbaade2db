"""The use-cases of accounts, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleView


class PeopleService(Protocol):
    """What the pages *People* and *Account*, and the page of an invitation, ask and do."""

    def list_people(self, by: Caller) -> PeopleView:
        """Everybody, open invitations, newest changes. AuthError."""
        ...

    def invite(self, name: str, role: Role, by: Caller) -> tuple[Invitation, str]:
        """A one-time link for a new person, and its secret. StateError, AuthError."""
        ...

    def new_password_link(self, name: str, by: Caller) -> tuple[Invitation, str]:
        """One for another's new password; the old one ends. NotFoundError, StateError, AuthError."""
        ...

    def invitation(self, secret: str, address: str) -> Invitation:
        """What a link is for; changes nothing. NotFoundError, OverloadedError (slowed down)."""
        ...

    def join(self, secret: str, password: str, address: str) -> Caller:
        """Use a link up. NotFoundError, OverloadedError, StateError."""
        ...

    def change_password(self, old: str, new: str, by: Caller, address: str) -> Caller:
        """A person's own; their sessions end. AuthError (slowed down), StateError."""
        ...

    def change_role(self, name: str, role: Role, by: Caller) -> None:
        """Another's. NotFoundError, StateError (the last admin), AuthError."""
        ...

    def remove_person(self, name: str, by: Caller) -> None:
        """Another, or an invitation. NotFoundError, StateError (the last admin), AuthError."""
        ...
