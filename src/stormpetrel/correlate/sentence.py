"""The one line a person reads first: what, on what, since when, and what else."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.model.finding import Finding, FindingState, unheard_since
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import to_iso


def headline(findings: Sequence[Finding]) -> Finding:
    """The finding that names the incident: worst severity, then smallest p-value, then earliest.

    That something stopped moving is a consequence more often than the trouble itself, and its p-value,
    a formula of the length of the run, is not comparable: it names an incident only when nothing else does.
    That an expected job misbehaves is the reason of what else is seen, and says more than any number; of
    several such findings, one that is still open.
    Silence, which opens none, never names one: "no data since" another finding's start would be untrue.
    """
    return min(
        findings,
        key=lambda f: (
            f.detector != "jobs",
            f.detector == "jobs" and f.state is FindingState.CLOSED,
            f.head == "silent",
            f.head == "flatline",
            -f.severity,
            f.evidence.p_value,
            f.start_unix_nano,
            f.finding_id,
        ),
    )


def sentence_of(findings: Sequence[Finding], more: int = 0, over: bool = True) -> str:
    """One sentence for an incident of these findings.

    Args:
        findings: those that are kept, at least one.
        more: findings that are not kept; they are counted.
        over: whether those that are only counted are known to be over.

    The time is that of the earliest finding, since that is when the trouble began.
    """
    first = headline(findings)
    start = min(f.start_unix_nano for f in findings)
    text = f"{first.title} on {first.entity} since {to_iso(start)[11:16]} UTC"
    others = len(findings) - 1 + more
    if others:
        noun = "finding" if others == 1 else "findings"
        text += f", with {others} more {noun}"
        roots = sorted({root_of(f.entity) for f in findings} - {root_of(first.entity)})
        if roots:
            text += " on " + ", ".join(roots[:3]) + (" and others" if len(roots) > 3 else "")
    if over and all(f.state is FindingState.CLOSED for f in findings):
        text += " (state unknown)" if any(map(unheard_since, findings)) else " (recovered)"
    return text
