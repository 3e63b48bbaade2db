"""The estate's links to reports; partly hostile."""

from __future__ import annotations

from dataclasses import replace

from tests.web import content

from stormpetrel.errors import NotFoundError, OverloadedError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.incident import Incident
from stormpetrel.model.share import Lifetime, ShareLink


class ShareEstate:
    """One part of the `Service` protocol, deterministic: three links an incident, secrets that count up."""

    empty = False
    incidents: dict[str, Incident]

    def __init__(self) -> None:
        first, hour = content.INCIDENTS[0].incident_id, Lifetime.HOUR.nanoseconds
        made = ShareLink(
            "s1", first, "hash", "wxyz", content.NOW, content.HOSTILE, content.NOW + hour, 3, content.NOW
        )
        self.links = {"good-secret": made}
        self.tried: list[str] = []  # addresses
        self.slowed = False

    def share_incident(self, incident_id: str, lifetime: Lifetime, by: Caller) -> tuple[ShareLink, str]:
        self._there(incident_id)
        if len(self.links) >= 3:
            raise StateError(f"the incident {incident_id} has 20 links already; revoke one first")
        number = len(self.links) + 1
        ends = content.NOW + lifetime.nanoseconds
        link = ShareLink(f"s{number}", incident_id, "hash", "abcd", content.NOW, by.name, ends)
        self.links[f"secret-{number}"] = link
        return link, f"secret-{number}"

    def shares(self, incident_id: str, by: Caller) -> list[ShareLink]:
        self._there(incident_id)
        return [] if self.empty else [one for one in self.links.values() if one.incident_id == incident_id]

    def revoke_share(self, incident_id: str, share_id: str, by: Caller) -> None:
        kept = {secret: one for secret, one in self.links.items() if one.share_id != share_id}
        if len(kept) == len(self.links):
            raise NotFoundError(f"the incident {incident_id} has no link {share_id}")
        self.links = kept

    def open_share(self, secret: str, address: str) -> Incident:
        self.tried.append(address)
        if self.slowed:
            raise OverloadedError("too many links that open nothing were tried; wait 4 s")
        if secret not in self.links:
            raise NotFoundError("this link opens nothing")
        self.links[secret] = replace(self.links[secret], opened=self.links[secret].opened + 1)
        return self.incidents[self.links[secret].incident_id]

    def _there(self, incident_id: str) -> None:
        if incident_id not in self.incidents:
            raise NotFoundError(f"there is no incident {incident_id}")
