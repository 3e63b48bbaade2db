"""The use-cases of links to reports, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.incident import Incident
from stormpetrel.model.share import Lifetime, ShareLink


class ShareService(Protocol):
    """What the page of an incident and its API ask and do about links to its report."""

    def share_incident(self, incident_id: str, lifetime: Lifetime, by: Caller) -> tuple[ShareLink, str]:
        """A new link and its secret. NotFoundError, StateError (too many), AuthError."""
        ...

    def shares(self, incident_id: str, by: Caller) -> list[ShareLink]:
        """The links of an incident that have not ended, newest first. NotFoundError, AuthError."""
        ...

    def revoke_share(self, incident_id: str, share_id: str, by: Caller) -> None:
        """A link opens nothing from now on. NotFoundError, AuthError."""
        ...

    def open_share(self, secret: str, address: str) -> Incident:
        """The incident of a link, for anybody who has it; NotFoundError, OverloadedError (slowed down)."""
        ...
