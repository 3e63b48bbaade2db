"""What is remembered of resolved incidents: what a new one repeats, and what nobody wants to hear again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from stormpetrel.model.finding import Finding, unheard_since
from stormpetrel.model.incident import Incident

# Resolved incidents remembered in order to name what a new one repeats.
REMEMBERED = 200
# Of those that a person resolved while findings were open, on top of them.
MOST_SILENCED = 1000


class ResolvedIncidents:
    """The incidents that were resolved last.

    A person may resolve one while findings of it are open. These are silenced: they open no other, however
    many incidents are resolved meanwhile, until they are over.
    """

    def __init__(self) -> None:
        self._incidents: OrderedDict[str, Incident] = OrderedDict()
        self._silenced: dict[str, set[str]] = {}  # findings by incident
        self._of_finding: dict[str, str] = {}  # and the other way round
        self._repeated: dict[tuple[str, str], str] = {}

    def __contains__(self, incident_id: object) -> bool:
        return incident_id in self._incidents

    def add(self, incident: Incident, still_open: Iterable[str] = ()) -> None:
        """An incident was resolved while these of its findings are open."""
        self._incidents[incident.incident_id] = incident
        still = set(still_open)
        if still:
            self._silenced[incident.incident_id] = still
            self._of_finding.update(dict.fromkeys(still, incident.incident_id))
        for finding in incident.findings:
            key = (finding.entity, finding.detector)
            before = self._incidents.get(self._repeated.get(key, ""))
            if before is None or _when(before) <= _when(incident):
                self._repeated[key] = incident.incident_id
        while len(self._silenced) > MOST_SILENCED:
            self.forget(next(iter(self._silenced)))
        while len(self._incidents) - len(self._silenced) > REMEMBERED:
            self.forget(next(one for one in self._incidents if one not in self._silenced))

    def replace(self, incident: Incident) -> None:
        """A later stage added to it; nothing happens when it is not remembered."""
        if incident.incident_id in self._incidents:
            self._incidents[incident.incident_id] = incident

    def forget(self, incident_id: str) -> None:
        """Nothing is known any more of an incident; nothing happens when nothing was."""
        incident = self._incidents.pop(incident_id, None)
        if incident is None:
            return
        for finding_id in self._silenced.pop(incident_id, ()):
            if self._of_finding.get(finding_id) == incident_id:
                del self._of_finding[finding_id]
        for finding in incident.findings:
            key = (finding.entity, finding.detector)
            if self._repeated.get(key) == incident_id:
                del self._repeated[key]

    def silences(self, finding_id: str) -> bool:
        """Whether a person resolved the incident of this finding while it was open."""
        return finding_id in self._of_finding

    def over(self, finding_id: str) -> None:
        """A silenced finding is over."""
        incident_id = self._of_finding.pop(finding_id)
        still = self._silenced[incident_id]
        still.discard(finding_id)
        if not still:
            del self._silenced[incident_id]

    def repeated_by(self, finding: Finding, since_unix_nano: int = 0) -> str:
        """The resolved incident that such a finding was in last; "" for none that ended since."""
        incident = self._incidents.get(self._repeated.get((finding.entity, finding.detector), ""))
        return incident.incident_id if incident is not None and _when(incident)[0] >= since_unix_nano else ""


def _when(incident: Incident) -> tuple[int, str]:
    """When it was over; what nobody heard of any more resolves a day later, and is no newer for that."""
    unheard = max((unheard_since(one) for one in incident.findings), default=0)
    return unheard or incident.resolved_unix_nano, incident.incident_id
