"""The estate's rules; partly hostile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.web import content

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.bond import Bond, BondKind
from stormpetrel.model.incident import Incident


class BondEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False
    incidents: dict[str, Incident]

    def __init__(self) -> None:
        first = Bond("b1", BondKind.TOGETHER, "host:db-1", "service:checkout", content.NOW, "rob", "i1")
        second = Bond(
            "b2",
            BondKind.APART,
            "host:web-1",
            f"service:{content.HOSTILE}",
            1,
            content.HOSTILE,
            content.HOSTILE,
        )
        self.rules = [first, second]

    def bonds(self) -> list[Bond]:
        return [] if self.empty else self.rules

    def merge_incidents(self, into_id: str, other_id: str, by: Caller) -> Incident:
        if into_id == other_id:
            raise StateError(f"incident {into_id} cannot be merged with itself")
        into, other = self._one(into_id), self._one(other_id)
        self.incidents[into_id] = replace(into, findings=(*into.findings, *other.findings))
        return self.incidents[into_id]

    def split_incident(self, incident_id: str, finding_ids: Sequence[str], by: Caller) -> Incident:
        one = self._one(incident_id)
        taken = tuple(f for f in one.findings if f.finding_id in finding_ids)
        if not taken or len(taken) == len(one.findings):
            raise StateError("choose some of its findings to split off, and leave some")
        made = replace(one, incident_id=f"{incident_id}-split", findings=taken)
        self.incidents[made.incident_id] = made
        return made

    def delete_bond(self, bond_id: str, by: Caller) -> None:
        if all(one.bond_id != bond_id for one in self.rules):
            raise NotFoundError(f"there is no rule {bond_id}")
        self.rules = [one for one in self.rules if one.bond_id != bond_id]

    def _one(self, incident_id: str) -> Incident:
        if incident_id not in self.incidents:
            raise NotFoundError(f"there is no incident {incident_id}")
        return self.incidents[incident_id]
