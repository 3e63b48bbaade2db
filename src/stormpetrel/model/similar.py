"""What an incident is made of, and which earlier ones were made of the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.cause_verdict import CauseVerdict, HelpedNote
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState


class FeatureFamily(StrEnum):
    """What a feature of an incident is about. From `CLASS` on they are known once its cause was asked for."""

    ENTITY = "entity"
    KIND = "kind"  # of an entity: host, service, filesystem
    ROLE = "role"  # of an entity in the topology
    DETECTOR = "detector"
    METRIC = "metric"  # and whether it rose or fell
    PATTERN = "pattern"  # id of a log pattern, sixteen hexadecimal digits
    ALERT = "alert"  # name of another system's alert, or of an objective
    FIRST = "first"  # what began first, and on what kind of entity
    CLASS = "class"  # kind of cause
    CAUSE = "cause"  # entity of the first hypothesis
    SHOWN = "shown"  # kind of evidence for it
    LINE = "line"  # pattern of a log line that speaks for it


TOLD_FAMILIES = frozenset({FeatureFamily.CLASS, FeatureFamily.CAUSE, FeatureFamily.SHOWN, FeatureFamily.LINE})


@dataclass(frozen=True, slots=True, order=True)
class Feature:
    """One thing that an incident has; `value` is at most 120 characters, and may be hostile text."""

    family: FeatureFamily
    value: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an incident is made of, bounded: at most sixty features, in a fixed order, none twice.

    `diagnosed`: whether its cause was ever asked for; until then the families of `TOLD_FAMILIES` are
    unknown, which is not the same as absent.
    """

    incident_id: str
    start_unix_nano: int
    features: tuple[Feature, ...]
    diagnosed: bool = False


@dataclass(frozen=True, slots=True)
class SharedFeature:
    """A feature that two incidents have, in words, and its part of the score."""

    feature: Feature
    words: str
    weight: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two incidents are: `score` in [0, 1], the sum of the weights of `shared`, heaviest first."""

    score: float
    shared: tuple[SharedFeature, ...]


@dataclass(frozen=True, slots=True)
class IncidentBrief:
    """An incident in few words. `resolved_unix_nano` is 0 while it is not."""

    incident_id: str
    sentence: str
    state: IncidentState
    severity: Severity
    start_unix_nano: int
    resolved_unix_nano: int


@dataclass(frozen=True, slots=True)
class SimilarIncident:
    """An earlier incident that is like another, why, how it ended, and what people said of it."""

    incident: IncidentBrief
    similarity: Similarity
    verdict: CauseVerdict | None
    helped: HelpedNote | None


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """Earlier incidents that are like one, the most alike first.

    Attributes:
        incidents: at most five, each with a score of at least `floor`.
        looked_at: how many earlier incidents were compared.
        floor: below it nothing is shown.
    """

    incidents: tuple[SimilarIncident, ...]
    looked_at: int
    floor: float
