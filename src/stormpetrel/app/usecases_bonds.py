"""The use-cases of merging and splitting incidents, and of the rules that follow."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.model.access import Caller
from stormpetrel.model.bond import Bond
from stormpetrel.model.incident import Incident


class BondUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def bonds(self) -> list[Bond]:
        """The rules."""
        return self._is.bonds.bonds()

    def merge_incidents(self, into_id: str, other_id: str, by: Caller) -> Incident:
        """A responder puts one incident into another."""
        rules.require_responder(by)
        return self._is.bonds.merge(into_id, other_id, by.name)

    def split_incident(self, incident_id: str, finding_ids: Sequence[str], by: Caller) -> Incident:
        """A responder makes an incident of some findings of another."""
        rules.require_responder(by)
        return self._is.bonds.split(incident_id, finding_ids, by.name)

    def delete_bond(self, bond_id: str, by: Caller) -> None:
        """A responder deletes a rule."""
        rules.require_responder(by)
        self._is.bonds.delete(bond_id)
