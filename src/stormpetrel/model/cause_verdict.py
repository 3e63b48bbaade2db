"""What people say of a cause that was told, and what helped: the memory that a team has of its incidents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.cause import CauseClass

MAX_VERDICT_TEXT, MAX_VERDICT_ENTITY, MAX_HELPED_TEXT = 500, 300, 1000


class CauseSaying(StrEnum):
    """One thing that a person can say: of one hypothesis, or of the whole diagnosis."""

    IT = "it"  # this hypothesis was it
    NOT_IT = "not_it"  # this one was not
    SOMETHING_ELSE = "something_else"  # the cause was none of those that were told
    NO_CAUSE = "no_cause"  # there was no cause to find


class CauseOutcome(StrEnum):
    """What all that was said of an incident's cause comes to."""

    IT = "it"
    SOMETHING_ELSE = "something_else"
    NO_CAUSE = "no_cause"
    UNDECIDED = "undecided"  # some hypotheses were not it, and no more is known
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class CauseStatement:
    """What a person says now. `entity`: the hypothesis, or what it was instead; `text`: in their words;
    `seen`: the version of the ranking they looked at, "" for what is told now."""

    said: CauseSaying
    entity: str = ""
    text: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class ToldCause:
    """A hypothesis as it was told."""

    entity: str
    cause_class: CauseClass
    score: float


@dataclass(frozen=True, slots=True)
class ToldDiagnosis:
    """What was told of a cause at a moment: a verdict is about this, not about what is worked out later.

    Attributes:
        time_unix_nano: when it was worked out.
        found: whether the first hypothesis was told as the cause; False is "no cause found".
        certainty: of the first hypothesis, in [0, 1].
        causes: the likeliest first, at most ten.
        change_id: of the change that was held to be the cause, "" when none was.
    """

    time_unix_nano: int
    found: bool
    certainty: float
    causes: tuple[ToldCause, ...]
    change_id: str = ""

    @property
    def version(self) -> str:
        """Names what was told, whenever that was: another ranking, another certainty, another version."""
        told = [self.found, self.certainty, self.change_id]
        causes = [[one.entity, one.cause_class.value, one.score] for one in self.causes]
        text = json.dumps([told, causes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def place(self, entity: str) -> int:
        """Where an entity stood in the ranking, 1 for the first; 0 when it was not told."""
        return next((n for n, one in enumerate(self.causes, 1) if one.entity == entity), 0)


@dataclass(frozen=True, slots=True)
class CauseVerdict:
    """All that holds of an incident's cause after one statement. The newest of an incident counts.

    Attributes:
        incident_id, incident_start_unix_nano: whose cause.
        number: of the statement within its incident, from 1.
        outcome: what is held to be true.
        entity: what it was; "" where nothing is named.
        text: in the words of whoever said so.
        ruled_out: hypotheses that were not it, in the order in which that was said.
        told: what had been told.
        actor, time_unix_nano: who said the last of it, and when.
    """

    incident_id: str
    incident_start_unix_nano: int
    number: int
    outcome: CauseOutcome
    entity: str
    text: str
    ruled_out: tuple[str, ...]
    told: ToldDiagnosis
    actor: str
    time_unix_nano: int


@dataclass(frozen=True, slots=True)
class HelpedNote:
    """What helped in an incident, in the words of whoever was there."""

    incident_id: str
    text: str
    actor: str
    time_unix_nano: int


@dataclass(frozen=True, slots=True)
class IncidentKnowledge:
    """What is remembered of an incident beside the incident itself.

    Attributes:
        told: what was last told of its cause, None when nobody asked.
        earlier: what was told before that, newest first: a few, for those who look at an older page.
        verdict: what counts now, None when nothing was said or all was taken back.
        history: all statements that are kept, newest first.
        helped: what helped, None when nobody wrote it.
    """

    told: ToldDiagnosis | None = None
    verdict: CauseVerdict | None = None
    history: tuple[CauseVerdict, ...] = ()
    helped: HelpedNote | None = None
    earlier: tuple[ToldDiagnosis, ...] = ()

    def seen(self, version: str) -> ToldDiagnosis | None:
        """The ranking of a version, what is told now for ""; None when it is not kept any more."""
        told = [one for one in (self.told, *self.earlier) if one is not None]
        return next((one for one in told if version in ("", one.version)), None)
