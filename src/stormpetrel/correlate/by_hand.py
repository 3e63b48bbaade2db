"""Incidents merged and split by a person: what becomes of the two drafts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from stormpetrel.correlate.draft import Draft
from stormpetrel.correlate.sentence import headline, sentence_of
from stormpetrel.errors import StateError
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident, TimelineEntry
from stormpetrel.model.page import PageDecision, carried_over
from stormpetrel.model.resource import root_of

# Rules that one split makes at most: between the rest and the entities that were taken out.
_PAIRS = 10

Pair = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Before:
    """What a step that may be undone begins with: incidents, and the shared alerts that live there."""

    drafts: tuple[Draft, ...]
    homes: Mapping[str, str]


def split_off(incident: Incident, finding_ids: Collection[str]) -> tuple[list[Finding], list[Finding]]:
    """The findings that a person takes out of an incident, and those that stay.

    Raises:
        StateError: none of them is kept whole there, or none would stay.
    """
    taken = [one for one in incident.findings if one.finding_id in finding_ids]
    rest = [one for one in incident.findings if one.finding_id not in finding_ids]
    if not taken or not rest:
        raise StateError(
            f"incident {incident.incident_id}: choose some of its findings to split off, and leave some"
        )
    return taken, rest


def new_incident(
    parent: Incident, findings: list[Finding], incident_id: str, now: int, actor: str
) -> Incident:
    """The incident of findings that were split off; it is in the state that they were in."""
    entries = [
        TimelineEntry(one.start_unix_nano, "finding", f"{one.entity}: {one.title}", finding_id=one.finding_id)
        for one in findings
    ]
    entries.append(TimelineEntry(now, "note", f"split off from {parent.incident_id}", actor))
    return Incident(
        incident_id=incident_id,
        sentence=sentence_of(findings),
        state=parent.state,
        severity=max(one.severity for one in findings),
        entities=tuple(dict.fromkeys(one.entity for one in findings)),
        start_unix_nano=min(one.start_unix_nano for one in findings),
        updated_unix_nano=now,
        resolved_unix_nano=0,
        findings=tuple(findings),
        page=None if parent.page is None else carried_over(parent.page, parent.incident_id),
        timeline=tuple(sorted(entries, key=lambda one: one.time_unix_nano)),
    )


def left_over(parent: Incident, rest: list[Finding], split_id: str, now: int, actor: str) -> Incident:
    """The incident without what was split off. Findings that are only counted stay with it."""
    gone = {one.entity for one in parent.findings} - {one.entity for one in rest}
    entities = tuple(one for one in parent.entities if one not in gone)
    entry = TimelineEntry(
        now, "note", f"{len(parent.findings) - len(rest)} findings split off to {split_id}", actor
    )
    return dataclasses.replace(
        parent,
        sentence=sentence_of(rest, sum(count for _, count in parent.more), not parent.more),
        # What is only counted may be as bad as the whole was.
        severity=parent.severity if parent.more else max(one.severity for one in rest),
        entities=entities or (rest[0].entity,),
        start_unix_nano=min(one.start_unix_nano for one in rest),
        updated_unix_nano=now,
        findings=tuple(rest),
        timeline=tuple(sorted((*parent.timeline, entry), key=lambda one: one.time_unix_nano)),
    )


def with_page_of(other: Incident, incident: Incident) -> Incident:
    """The incident that another one is merged into: when somebody was woken for that one and nobody for this,
    they were woken for this trouble too."""
    told, page = other.page, incident.page
    if told is None or told.decision is not PageDecision.PAGED:
        return incident
    if page is not None and page.decision is PageDecision.PAGED:
        return incident
    return dataclasses.replace(incident, page=carried_over(told, other.incident_id))


def pairs_apart(rest: list[Finding], taken: list[Finding]) -> list[Pair]:
    """The pairs of entities that a split says do not belong together; none within one entity."""
    stays = root_of(headline(rest).entity)
    kept = {root_of(one.entity) for one in rest}
    goes = dict.fromkeys(root_of(one.entity) for one in taken)
    return [(stays, root) for root in goes if root not in kept][:_PAIRS]


def pair_together(into: Draft, other: Draft) -> list[Pair]:
    """The pair of entities that a merge says belong together; none where they share one."""
    left = root_of(headline(into.incident.findings).entity)
    right = root_of(headline(other.incident.findings).entity)
    return [(left, right)] if left != right else []
