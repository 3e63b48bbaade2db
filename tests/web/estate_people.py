"""The estate's accounts; partly hostile."""

from __future__ import annotations

from tests.web import content

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleAct, PeopleChange, PeopleView, PersonLine
from stormpetrel.model.time import from_seconds

_DAY = from_seconds(86_400.0)


class PeopleEstate:
    """One part of the `Service` protocol: one link that opens, one change."""

    empty = False

    def list_people(self, by: Caller) -> PeopleView:
        lines = [PersonLine(one, Role.VIEWER, content.NOW, one == "vera") for one in ("ada", "rob", "vera")]
        lines.append(PersonLine(content.HOSTILE, Role.RESPONDER, content.NOW))
        change = PeopleChange(content.NOW, "ada", PeopleAct.ROLE, content.HOSTILE, "viewer to responder")
        links = (_link(content.HOSTILE, Role.ADMIN), _link("vera", None))
        return PeopleView(tuple(lines), () if self.empty else links, () if self.empty else (change,))

    def invite(self, name: str, role: Role, by: Caller) -> tuple[Invitation, str]:
        return _link(name, role), "made-secret"

    def new_password_link(self, name: str, by: Caller) -> tuple[Invitation, str]:
        return _link(name, None), "made-secret"

    def invitation(self, secret: str, address: str) -> Invitation:
        if secret != "good-secret":
            raise NotFoundError("this link opens nothing")
        return _link(content.HOSTILE, Role.RESPONDER)

    def join(self, secret: str, password: str, address: str) -> Caller:
        self.invitation(secret, address)
        return Caller("rob", Role.RESPONDER)

    def change_password(self, old: str, new: str, by: Caller, address: str) -> Caller:
        return by

    def change_role(self, name: str, role: Role, by: Caller) -> None:
        if name == by.name:
            raise StateError("nobody changes their own role")

    def remove_person(self, name: str, by: Caller) -> None:
        if name == by.name:
            raise StateError("nobody removes themselves")


def _link(person: str, role: Role | None) -> Invitation:
    return Invitation("hash", person, role, content.NOW, "ada", content.NOW + _DAY)
