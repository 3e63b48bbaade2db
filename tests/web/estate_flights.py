"""The estate's flights: one in each state, and a report with a plan of every outcome; partly hostile."""

from __future__ import annotations

from dataclasses import replace

from tests.web import content

from stormpetrel.act.judge import judge
from stormpetrel.act.library import shipped
from stormpetrel.act.scene import calm_facts, calm_plan
from stormpetrel.errors import ConfigError, NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.flight import (
    Afterwards,
    Flight,
    FlightReport,
    FlownOutcome,
    FlownPlan,
    InTheWay,
    Opinion,
    RunbookFlight,
)
from stormpetrel.model.job import JobState
from stormpetrel.model.time import Window

DAY = 86_400_000_000_000
NAME = "restart-failed-service"
_PLAN = calm_plan()
VERDICTS = tuple(
    replace(one, reason=content.HOSTILE) if one.number == 15 else one
    for one in judge(_PLAN, calm_facts(_PLAN)).verdicts
)


def plan(number: int, outcome: FlownOutcome, by: tuple[tuple[int, str], ...] = ()) -> FlownPlan:
    acted = outcome is FlownOutcome.ACTED
    return FlownPlan(
        plan_id=f"p{number}",
        time_unix_nano=content.NOW - number * DAY // 24,
        incident_id=f"i{number}",
        sentence=content.HOSTILE,
        cause="resource saturation of service:shop",
        what=f"service.restart on {content.HOSTILE}",
        targets=("service:shop", content.HOSTILE),
        outcome=outcome,
        why=content.HOSTILE,
        by=by,
        acts=int(acted),
        spend=1.5 * acted,
        churn=2 * acted,
        during=("deploy",) if number == 2 else (),
        afterwards=Afterwards.WELL if acted else Afterwards.NOT_ASKED,
        told=content.HOSTILE if acted else "",
        opinion=Opinion.OTHER_CAUSE if acted else Opinion.NONE,
        recorded=content.INCIDENTS[0].incident_id if acted else "",
        verdicts=VERDICTS,
    )


PLANS = (
    plan(1, FlownOutcome.ACTED),
    plan(2, FlownOutcome.ASKED, ((8, "context"),)),
    plan(3, FlownOutcome.REFUSED, ((15, "budget"), (16, "rate"))),
)


def flown(name: str) -> RunbookFlight:
    runbook = next(one for one in shipped() if one.name == name)
    if name != NAME:
        return RunbookFlight(name, runbook.title, "0" * 16, runbook.autonomy)
    return RunbookFlight(
        name=name,
        title=runbook.title,
        version=runbook.version,
        level=runbook.autonomy,
        incidents=3,
        acted=1,
        asked=1,
        refused=1,
        orders=1,
        spend=1.5,
        churn=2,
        targets=(("service:shop", 1), (content.HOSTILE, 1)),
        in_the_way=(
            InTheWay(8, "context", FlownOutcome.ASKED, 1, 1, ((content.HOSTILE, 1),)),
            InTheWay(15, "budget", FlownOutcome.REFUSED, 1, 1, (("9 of 10 are spent", 1), ("10 of 10", 1))),
        ),
        during=(("deploy", 1, 0), ("expected_job", 1, 1)),
        afterwards=((Afterwards.WELL, 1),),
        opinions=((Opinion.OTHER_CAUSE, 1), (Opinion.NONE, 1)),
        plans=PLANS,
        left_out=4,
    )


REPORT = FlightReport(
    content.NOW - 8 * DAY, content.NOW, 6.9, 1_234_567, 89, 12,
    tuple(flown(one.name) for one in shipped()), ("Nothing was really done.", content.HOSTILE), "d" * 64,
)  # fmt: skip


def flight(state: JobState) -> Flight:
    done = state is JobState.DONE
    return Flight(
        flight_id=f"f-{state.value}",
        state=state,
        actor=content.HOSTILE,
        created_unix_nano=content.NOW,
        start_unix_nano=content.NOW - 8 * DAY,
        end_unix_nano=content.NOW,
        progress_ratio=1.0 if done else 0.4,
        error=content.HOSTILE if state is JobState.FAILED else "",
        seconds=61.0,
        report=REPORT if done else None,
    )


class FlightEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False

    def __init__(self) -> None:
        self.flown: list[tuple[Window, str]] = []
        self.grounded: list[str] = []

    def flights(self) -> list[Flight]:
        wanted = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
        return [] if self.empty else [flight(state) for state in wanted]

    def flight(self, flight_id: str) -> Flight:
        for state in JobState:
            if flight_id == f"f-{state.value}":
                return flight(state)
        raise NotFoundError(f"there is no flight {flight_id}")

    def start_flight(self, window: Window, by: Caller) -> Flight:
        if window.seconds > 31 * 86_400:
            raise ConfigError("the range is longer than 31 days; choose a shorter one")
        self.flown.append((window, by.name))
        return flight(JobState.QUEUED)

    def cancel_flight(self, flight_id: str, by: Caller) -> Flight:
        if not self.flight(flight_id).open:
            raise StateError(f"the flight {flight_id} is over and cannot be cancelled")
        self.grounded.append(flight_id)
        return flight(JobState.CANCELLED)
