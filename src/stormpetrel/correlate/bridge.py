"""When a finding belongs to several incidents: which of them become one, and which one that is.

Findings of one trouble come in any order. Were the one in the middle first, the others would join its
incident; when it comes last, its neighbours have opened one each, and they are merged. What a person has
taken up, split or merged is theirs: it may take others in, and is never put into another.
"""

from __future__ import annotations

from collections.abc import Iterable

from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.draft import Draft
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.page import PageDecision

MOST_AT_ONCE = 50  # incidents that one finding makes one


def first_of(drafts: Iterable[Draft]) -> Draft:
    """The one that the others go into: what a person has touched, then what was paged, then the oldest."""
    return min(drafts, key=lambda one: (not _touched(one), not _paged(one), one.start, one.incident_id))


def absorbed_by(into: Draft, drafts: Iterable[Draft], bonds: Bonds) -> list[Draft]:
    """The others that go into it, oldest first.

    Not what a person has touched, not what somebody was woken for while nobody was for this one, and not
    what a rule of people says is apart, from it or from one of those that go into it as well; and not more
    than `MOST_AT_ONCE`: a hub that everything hangs on is no reason to make one of everything.
    """
    found: list[Draft] = []
    roots = dict(into.roots)
    for one in sorted(drafts, key=lambda one: (one.start, one.incident_id)):
        if one is into or _touched(one) or (_paged(one) and not _paged(into)):
            continue
        if len(found) < MOST_AT_ONCE and not any(bonds.parted(root, roots) for root in one.roots):
            found.append(one)
            roots.update(one.roots)
    return found


def _touched(draft: Draft) -> bool:
    incident = draft.incident
    by_hand = any(entry.kind == "note" and entry.actor != "petrel" for entry in incident.timeline)
    return incident.state is not IncidentState.OPEN or by_hand


def _paged(draft: Draft) -> bool:
    page = draft.incident.page
    return page is not None and page.decision is PageDecision.PAGED
