"""How soon somebody should look at an incident: impact times urgency, with the reason in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.incident import Incident, IncidentState, Priority
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import from_seconds
from stormpetrel.model.topology import Reach

LOW, MEDIUM, HIGH = 1, 2, 3
_WORDS = {LOW: "low", MEDIUM: "medium", HIGH: "high"}
# So many entities hit, or needing what is hit, are much, or some.
MANY, SOME = 10, 3
# It grows while findings have opened within this.
GROWING = from_seconds(600)
# Both together, 2 to 6, to a level.
_LEVELS = {6: 1, 5: 2, 4: 3}
_LEAST_LEVEL = 4


class Priorities:
    """Weighs incidents. Pure but for the graph it asks.

    Impact is high where an objective burns, an entry point is hit and many entities with it, or very many
    are hit; medium where an entry point is hit, some entities are, or the severity is error or worse. An
    entity is hit when a finding is about it, or when it needs such a one. Urgency is high when it is
    critical, or an error that still grows; medium when it is an error, or a warning that still grows. What
    is over is of low urgency. High with high is P1, high with medium P2, then P3, and P4 for the rest.

    Args:
        reach: who needs some entities at a moment, see `LiveTopology.reach`.
    """

    def __init__(self, reach: Callable[[Iterable[str], int], Reach]) -> None:
        self._reach = reach

    def update(self, incidents: Sequence[Incident], now_unix_nano: int) -> list[Incident]:
        """The incidents with their priority, in their order; one that is resolved keeps what it had."""
        return [self._weighed(one, now_unix_nano) for one in incidents]

    def changed(self, incidents: Iterable[Incident], now_unix_nano: int) -> list[Incident]:
        """Those whose priority is another one by now, be it only its reason: what no longer grows is less
        urgent. A reason holds no time that passes, so that nothing changes while nothing happens."""
        pairs = ((one, self._weighed(one, now_unix_nano)) for one in incidents)
        return [new for old, new in pairs if old.priority != new.priority]

    def _weighed(self, incident: Incident, now: int) -> Incident:
        if incident.state is IncidentState.RESOLVED:
            return incident
        impact, hit = self._impact(incident, now)
        urgency, pressing = _urgency(incident.findings, now)
        level = _LEVELS.get(impact + urgency, _LEAST_LEVEL)
        reason = f"impact {_WORDS[impact]}: {hit}; urgency {_WORDS[urgency]}: {pressing}"
        return dataclasses.replace(incident, priority=Priority(level, impact, urgency, reason))

    def _impact(self, incident: Incident, now: int) -> tuple[int, str]:
        roots = {root_of(entity) for entity in incident.entities}
        reach = self._reach(sorted(roots), now)
        burning = [f.title for f in incident.findings if f.detector == "slo" and f.state is FindingState.OPEN]
        hit = len(roots) + reach.dependents
        said = [f"objective: {burning[0]}"] if burning else []
        said += [f"reaches the entry point {' and '.join(reach.entries[:2])}"] if reach.entries else []
        most = "" if reach.complete else " or more"
        said.append(_counted(len(roots), "entity is hit", "entities are hit"))
        if reach.dependents:
            needs = _counted(reach.dependents, "other needs", "others need")
            said[-1] += f", {needs}{most} what is hit"
        if burning or hit >= 2 * MANY or (reach.entries and hit >= MANY):
            return HIGH, ", ".join(said)
        if reach.entries or hit >= SOME or incident.severity >= Severity.ERROR:
            return MEDIUM, ", ".join(said)
        return LOW, ", ".join(said)


def _urgency(findings: Sequence[Finding], now: int) -> tuple[int, str]:
    still = [finding for finding in findings if finding.state is FindingState.OPEN]
    if not still:
        return LOW, "state unknown" if any(map(unheard_since, findings)) else "over for now"
    worst = max(finding.severity for finding in still)
    grows = len(still) > 1 and any(now - finding.start_unix_nano <= GROWING for finding in still)
    said = worst.name.lower() + (", still growing" if grows else "")
    if worst >= Severity.CRITICAL or (worst >= Severity.ERROR and grows):
        return HIGH, said
    return (MEDIUM if worst >= Severity.ERROR or grows else LOW), said


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
