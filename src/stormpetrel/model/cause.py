"""Causes: what may have started a trouble, with every piece of evidence for and against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CauseClass(StrEnum):
    """What kind of change of state a cause is."""

    DEPLOY = "deploy"
    CONFIGURATION = "configuration"
    SATURATION = "resource saturation"
    DEPENDENCY = "dependency"
    SURGE = "traffic surge"
    ATTACK = "attack"
    JOB = "scheduled job"
    HARDWARE = "hardware"
    DATA = "data"
    CODE = "code path"  # it does something else than before, and no change is known
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One piece of evidence, and exactly what it adds to the score of its entity.

    Attributes:
        kind: which explainer says so: "metric", "log", "call", "graph", "change".
        entity: whose score it counts for.
        text: one plain sentence with numbers.
        weight: its part of the score; negative when it speaks against the entity.
        signal: where it can be checked: "metric", "log", "trace", "change", or "" for what follows from
            others.
        name: of the metric, pattern, operation or change it is about.
    """

    kind: str
    entity: str
    text: str
    weight: float
    signal: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """A hypothesis: this entity changed its state first. `score` is the sum of the weights of its evidence.

    Attributes:
        entity, metric: what, and the metric that shows it best ("" when none does).
        cause_class: what kind of change of state.
        score: the sum of `evidence`.
        evidence: heaviest first.
        change_id: of the change that is held to have caused it, "" when none is.
        why_not_first: what the first hypothesis has and this one has not; "" for the first.
    """

    entity: str
    metric: str
    cause_class: CauseClass
    score: float
    evidence: tuple[EvidenceItem, ...]
    change_id: str = ""
    why_not_first: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSuspicion:
    """How likely a change is to be the cause: `score` is the sum of `evidence`."""

    change_id: str
    score: float
    evidence: tuple[EvidenceItem, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that is said about the cause of one trouble.

    Attributes:
        since_unix_nano: when it began, as the signals say.
        causes: hypotheses, the likeliest first; empty when there is nothing to go by.
        changes: changes near the onset, the most suspicious first.
        change_id: of the change held to be the cause, "" when none is.
        certainty: of the first hypothesis against "no cause found", in [0, 1].
        found: whether the first hypothesis is told at all.
        checked: what was looked at and said nothing, in words.
    """

    since_unix_nano: int
    causes: tuple[Cause, ...]
    changes: tuple[ChangeSuspicion, ...]
    change_id: str
    certainty: float
    found: bool
    checked: tuple[str, ...]
