"""The use-cases of accounts."""

from __future__ import annotations

from stormpetrel.app.parts import Parts
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleView


class PeopleUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def list_people(self, by: Caller) -> PeopleView:
        """An admin looks."""
        return self._is.access.people(by)

    def invite(self, name: str, role: Role, by: Caller) -> tuple[Invitation, str]:
        """An admin invites."""
        return self._is.access.invite(name, role, by)

    def new_password_link(self, name: str, by: Caller) -> tuple[Invitation, str]:
        """An admin helps somebody who forgot."""
        return self._is.access.new_password_link(name, by)

    def invitation(self, secret: str, address: str) -> Invitation:
        """Anybody looks at a link."""
        return self._is.access.invitation(secret, address)

    def join(self, secret: str, password: str, address: str) -> Caller:
        """Anybody uses a link."""
        return self._is.access.join(secret, password, address)

    def change_password(self, old: str, new: str, by: Caller, address: str) -> Caller:
        """A person changes their own."""
        return self._is.access.change_password(old, new, by, address)

    def change_role(self, name: str, role: Role, by: Caller) -> None:
        """An admin changes another's."""
        self._is.access.change_role(name, role, by)

    def remove_person(self, name: str, by: Caller) -> None:
        """An admin removes another."""
        self._is.access.remove(name, by)
