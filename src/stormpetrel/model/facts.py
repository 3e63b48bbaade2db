"""Facts: everything that guardrails look at, as one frozen snapshot.

A snapshot is taken once, kept with the verdicts, and read again when a decision is replayed. What could not
be found out is None, never a guess: guardrails refuse what they do not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stormpetrel.model.action import Autonomy
from stormpetrel.model.verdict import Approval


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the guardrails; configuration may only make them stricter without an admin's reason."""

    telemetry_stale_seconds: float = 120.0
    clock_skew_seconds: float = 30.0
    judged_proposals: int = 20
    usefulness_bound: float = 0.8
    harmless_days: float = 90.0
    independent_signals: int = 2
    group_ratio: float = 0.2
    group_deny_ratio: float = 0.5
    targets_at_once: int = 3
    fleet_brake_ratio: float = 0.4
    scale_factor: float = 2.0
    scale_step: int = 4
    runs_per_runbook_hour: int = 3
    runs_per_hour: int = 10
    cooldown_seconds: float = 600.0
    reversals_per_hour: int = 2
    no_effect_tries: int = 2
    breaker_runs: int = 5
    breaker_failures: int = 3
    tries_per_incident: int = 3
    approval_seconds: float = 900.0
    destructive_approvers: int = 2


@dataclass(frozen=True, slots=True)
class Switch:
    """An engaged kill switch: `scope` is "global", "service:NAME" (an entity) or "runbook:NAME"."""

    scope: str
    by: str
    since_unix_nano: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds the right to act. `token` grows by one with each new holder; an old one is refused."""

    holder: str
    token: int
    expires_unix_nano: int


@dataclass(frozen=True, slots=True)
class Health:
    """How this very process fares; None is "not known", which stops automation as much as "no".

    Attributes:
        telemetry_age_seconds: since the newest admitted sample.
        clock_skew_seconds: between the wall clock and event time or the store's.
        clock_went_back: whether the wall clock was seen to jump back lately.
        ledger_ok: whether its chain ends where it should.
        store_ok: whether both stores answer.
    """

    telemetry_age_seconds: float | None
    clock_skew_seconds: float | None
    clock_went_back: bool | None
    ledger_ok: bool | None
    store_ok: bool | None


@dataclass(frozen=True, slots=True)
class Track:
    """What became of a runbook's proposals and runs.

    Attributes:
        judged, useful: proposals that people judged, and how many of them they found useful.
        harmful_unix_nano: when a run last did harm; 0: never.
        failed_in_a_row: verifications that failed, since the last that did not.
        replay_days: of history that a flight report of this very version covers; 0: there is none.
    """

    judged: int
    useful: int
    harmful_unix_nano: int
    failed_in_a_row: int
    replay_days: float


@dataclass(frozen=True, slots=True)
class RunbookFacts:
    """Where a runbook stands.

    Attributes:
        version: the one that is signed off; another one does not run.
        signed_by: who signed it; "" nobody has.
        autonomy: the level that is set.
        raised_by: the admin who raised it before its record did, "" when nobody has.
        confidence_floor: below this certainty of a cause a person is asked.
    """

    version: str
    signed_by: str
    autonomy: Autonomy
    raised_by: str
    confidence_floor: float
    track: Track


@dataclass(frozen=True, slots=True)
class TriggerSignal:
    """One signal that triggered the plan.

    Attributes:
        name: of the series, pattern, alert or objective.
        source: what it is independent by: two signals of one source count once.
        state: "fresh", "stale", "gapped", "quarantined" or "unknown".
    """

    name: str
    source: str
    state: str


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """Something of the calendar that covers a target or a neighbour now.

    Attributes:
        kind: "freeze", "maintenance", "expected_job" or "deploy".
        title: as the calendar has it.
        entity: whom it covers.
        change_id: of a deploy, else "".
    """

    kind: str
    title: str
    entity: str
    change_id: str = ""


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """A target as its actuator reads it just now; None for what could not be read.

    Attributes:
        exists: whether there is such a thing.
        generation: see `Target.generation`.
        healthy: whether it serves.
        symptom_fires: whether the symptom that triggered the plan still shows.
        count, least, most: of what is scaled, and its bounds; None when it does not scale.
        inputs_known: whether every input of a scaling decision is known.
    """

    entity: str
    exists: bool | None
    generation: str | None
    healthy: bool | None
    symptom_fires: bool | None
    count: int | None = None
    least: int | None = None
    most: int | None = None
    inputs_known: bool | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The members that serve together.

    Attributes:
        members, healthy: their entities, sorted; `healthy` those that are known to serve.
        minimum: how many must stay healthy.
        quorum: how many must be up for the group to decide; 0: it has no quorum.
        zones: (zone, its members) for each zone; empty where zones are not known to matter.
    """

    name: str
    members: tuple[str, ...]
    healthy: tuple[str, ...]
    minimum: int
    quorum: int = 0
    zones: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """The newest backup of an entity whose restore was verified; times are 0 when there is none."""

    entity: str
    finished_unix_nano: int
    restore_verified_unix_nano: int
    objective_seconds: float


@dataclass(frozen=True, slots=True)
class Purse:
    """One budget and what is taken from it: settled within its time, and reserved by what runs now."""

    spend_limit: float
    spent: float
    reserved: float
    churn_limit: int
    churned: int
    churn_reserved: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Runs that began within the last hour, of this runbook and of all; and who is acted on just now."""

    runbook_hour: int
    overall_hour: int
    busy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """When an entity was last acted on by automation, how often in a row, and how often it was turned back.

    Attributes:
        in_a_row: actions, each within the cooldown of the one before (which doubles each time).
        reversals_hour: changes of direction (up after down, down after up) within an hour.
    """

    entity: str
    last_unix_nano: int
    in_a_row: int
    reversals_hour: int


@dataclass(frozen=True, slots=True)
class Owner:
    """Who else holds a target, or one field of it: a run (`run:ID`) or a controller by name."""

    entity: str
    field: str
    owner: str


@dataclass(frozen=True, slots=True)
class Try:
    """An earlier run: what was done, for which incident and cause, and how it was verified.

    `result`: "fixed", "no effect", "worse" or "inconclusive". `automatic`: nobody had to agree.
    """

    run_id: str
    action: str
    incident_id: str
    cause: str
    result: str
    automatic: bool
    ended_unix_nano: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known at one moment. None anywhere means: could not be found out.

    Attributes:
        now_unix_nano: the moment.
        limits: the numbers in force.
        run_id: of the run that is judged; what it holds itself is not in its own way.
        me, my_token: this process and the fencing token it believes to hold.
        approvals: those that name this plan's hash, whether they still count or not.
        known_actions: (actuator, kind of action) pairs that exist; None when actuators cannot be asked.
        confidence: of the cause, in [0, 1].
        objective_burns: whether a service level objective of a target burns.
        tries: newest first, all of this incident and the last automatic ones.
        breaker_open: whether the breaker fell and nobody has closed it since.
        acted: entities that this very run has acted on already: they may have changed, and count as done.
    """

    now_unix_nano: int
    limits: Limits
    run_id: str
    me: str
    my_token: int
    switches: tuple[Switch, ...] | None
    lease: Lease | None
    health: Health | None
    runbook: RunbookFacts | None
    approvals: tuple[Approval, ...] | None
    known_actions: tuple[tuple[str, str], ...] | None
    signals: tuple[TriggerSignal, ...] | None
    objective_burns: bool | None
    confidence: float | None
    context: tuple[ContextEntry, ...] | None
    live: tuple[LiveTarget, ...] | None
    groups: tuple[Group, ...] | None
    backups: tuple[Backup, ...] | None
    hour: Purse | None
    day: Purse | None
    rate: Rate | None
    touched: tuple[Touched, ...] | None
    owners: tuple[Owner, ...] | None
    tries: tuple[Try, ...] | None
    breaker_open: bool | None
    notes: tuple[str, ...] = field(default=())  # how facts were come by, for the reader
    acted: tuple[str, ...] = ()
