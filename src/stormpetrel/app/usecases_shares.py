"""The use-cases of links to reports."""

from __future__ import annotations

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.app.shares import CLOSED
from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.incident import Incident
from stormpetrel.model.share import Lifetime, ShareLink


class ShareUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def share_incident(self, incident_id: str, lifetime: Lifetime, by: Caller) -> tuple[ShareLink, str]:
        """A responder makes a link."""
        _may_act(by)
        return self._is.desks.shares.make(self._shared(incident_id), lifetime, by.name)

    def shares(self, incident_id: str, by: Caller) -> list[ShareLink]:
        """A responder looks through the links."""
        _may_act(by)
        return self._is.desks.shares.links(self._shared(incident_id))

    def revoke_share(self, incident_id: str, share_id: str, by: Caller) -> None:
        """A responder revokes a link."""
        _may_act(by)
        self._is.desks.shares.revoke(incident_id, share_id, by.name)

    def open_share(self, secret: str, address: str) -> Incident:
        """Anybody opens a link."""
        link = self._is.desks.shares.open(secret, address)
        incident = self._is.control.incident(link.incident_id)
        if incident is None:
            raise NotFoundError(CLOSED)
        return incident

    def _shared(self, incident_id: str) -> str:
        """The id, if there is such an incident."""
        if self._is.control.incident(incident_id) is None:
            raise NotFoundError(f"there is no incident {incident_id[:60]}")
        return incident_id


def _may_act(by: Caller) -> None:
    """A person of role responder, or a token of scope respond."""
    if by.role is None and Scope.RESPOND in by.scopes:
        return
    rules.require(by, Role.RESPONDER)
