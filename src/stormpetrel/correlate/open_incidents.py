"""The incidents that are not resolved: by id, by root entity, and which finding belongs to which."""

from __future__ import annotations

from stormpetrel.correlate.draft import Draft
from stormpetrel.correlate.resolved import ResolvedIncidents
from stormpetrel.errors import NotFoundError
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.resource import root_of


class OpenIncidents:
    """What `correlate.group` works on: the drafts, and the ways to find them.

    Cost: O(findings kept) for a draft that is taken up or let go.
    """

    def __init__(self) -> None:
        self._open: dict[str, Draft] = {}
        self._by_root: dict[str, dict[str, None]] = {}
        self._of_finding: dict[str, str] = {}
        self._resolved = ResolvedIncidents()

    def unresolved(self) -> list[Incident]:
        """The incidents that are not resolved, oldest first."""
        incidents = (draft.incident for draft in self._open.values())
        return sorted(incidents, key=lambda i: (i.start_unix_nano, i.incident_id))

    def _unresolved(self, incident_id: str) -> Draft:
        draft = self._open.get(incident_id)
        if draft is None:
            raise NotFoundError(f"incident {incident_id} is not open: it was resolved or never existed")
        return draft

    def _take_up(self, draft: Draft) -> None:
        self._open[draft.incident_id] = draft
        for finding_id in draft.findings.keys() | draft.open:
            self._of_finding[finding_id] = draft.incident_id
        for root in draft.roots:
            self._by_root.setdefault(root, {})[draft.incident_id] = None

    def _index(self, draft: Draft, finding: Finding) -> None:
        self._by_root.setdefault(root_of(finding.entity), {})[draft.incident_id] = None

    def _let_go(self, draft: Draft) -> None:
        """An incident is no longer among the open ones, nor any finding of it."""
        del self._open[draft.incident_id]
        for root in draft.roots:
            there = self._by_root[root]
            del there[draft.incident_id]
            if not there:
                del self._by_root[root]
        for finding_id in draft.findings.keys() | draft.open:
            self._of_finding.pop(finding_id, None)

    def _new_id(self, finding: Finding) -> str:
        incident_id = f"i{finding.finding_id}"
        again = 1
        while incident_id in self._open or incident_id in self._resolved:  # it came back under its own id
            again += 1
            incident_id = f"i{finding.finding_id}-{again}"
        return incident_id

    def _awaiting(self, finding: Finding) -> Draft | None:
        """The newest incident in which all is over but for what is not heard of any more, and to which such a
        finding belonged."""
        there = (self._open[one] for one in self._by_root.get(root_of(finding.entity), ()))
        found = (one for one in there if one.awaits(finding))
        return max(found, key=lambda one: (one.last, one.incident_id), default=None)
