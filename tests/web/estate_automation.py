"""The estate's automation: one plan that waits, one that ended, two runbooks; partly hostile."""

from __future__ import annotations

from dataclasses import replace

from tests.web import content

from stormpetrel.act.judge import judge
from stormpetrel.act.library import shipped
from stormpetrel.act.scene import calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.errors import AuthError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.action import Autonomy
from stormpetrel.model.automation_view import ActuatorView, AutomationView, RunbookView, RunLine, RunView
from stormpetrel.model.facts import Limits, Purse, Switch, Track
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, StepRecord, Verification
from stormpetrel.model.verdict import Approval

SECOND = 1_000_000_000
INCIDENT = content.INCIDENTS[0].incident_id
_PLAN = replace(
    calm_plan(calm_step(calm_action((calm_target(),)))), incident_id=INCIDENT, cause=content.HOSTILE
)
_JUDGEMENT = judge(_PLAN, calm_facts(_PLAN))
_RECORD = StepRecord(
    "k1", "restart", 0, _PLAN.steps[0].action, None, False, content.NOW - 60 * SECOND,
    content.NOW - 55 * SECOND, ActResult(ActOutcome.DONE, content.HOSTILE), Verification.FIXED,
)  # fmt: skip

_ACTUATOR = ActuatorView(
    "supervisor",
    ("service:shop", content.HOSTILE),
    (("service.restart", "disruptive"),),
    content.HOSTILE,
)


def _run(run_id: str, state: RunState, *records: StepRecord) -> Run:
    ended = content.NOW if state is RunState.FINISHED else 0
    return Run(
        run_id, _PLAN, _JUDGEMENT.plan_hash, state, 1, records, 0, False, content.HOSTILE,
        content.NOW - 90 * SECOND, ended,
    )  # fmt: skip


def _entry(seq: int, kind: EntryKind, body: str) -> LedgerEntry:
    return LedgerEntry(
        seq,
        content.NOW,
        kind,
        "r1",
        "restart-failed-service",
        INCIDENT,
        content.HOSTILE,
        body,
        "0" * 64,
        "a" * 64,
    )


class AutomationEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False

    def __init__(self) -> None:
        self.engaged: list[Switch] = []
        self.asked_release: set[tuple[str, str]] = set()
        self.automation_runs = {
            "r1": _run("r1", RunState.WAITING),
            "r2": _run("r2", RunState.FINISHED, _RECORD),
            "r3": _run("r3", RunState.HOLDING, _RECORD),
        }
        self.answers: list[tuple[str, str, bool, str, str]] = []
        self.levels = {"restart-failed-service": Autonomy.SUGGEST}
        self.signed: dict[str, str] = {}
        self.opinions: list[tuple[str, str, str]] = []
        self.breaker = True

    def automation_state(self) -> str:
        if any(one.scope == "global" for one in self.engaged):
            return "stopped"
        return "off" if self.empty else "on"

    def automation(self) -> AutomationView:
        purse = Purse(10.0, 2.5, 1.0, 40, 4, 2)
        lines = [] if self.empty else [_line(one) for one in self.automation_runs.values()]
        return AutomationView(
            enabled=not self.empty,
            acting=True,
            stopped="no actuator is configured" if self.empty else "",
            switches=tuple(self.engaged),
            breaker_open=self.breaker and not self.empty,
            hour=purse,
            day=replace(purse, spend_limit=50.0),
            limits=Limits(),
            runbooks=() if self.empty else tuple(map(self.runbook, ("restart-failed-service", "scale-out"))),
            actuators=() if self.empty else (_ACTUATOR,),
            waiting=tuple(one for one in lines if one.state in (RunState.WAITING, RunState.HOLDING)),
            running=(),
            ended=tuple(one for one in lines if one.ended_unix_nano),
            faults=() if self.empty else (content.HOSTILE,),
        )  # fmt: skip

    def switches(self) -> tuple[Switch, ...]:
        return tuple(self.engaged)

    def plans_open(self) -> tuple[RunLine, ...]:
        return tuple(_line(one) for one in self.automation_runs.values() if not (self.empty or one.ended))

    def runs_of(self, incident_id: str) -> list[RunLine]:
        if self.empty or incident_id != INCIDENT:
            return []
        return [_line(one) for one in self.automation_runs.values()]

    def runbook_titles(self) -> tuple[tuple[str, str], ...]:
        return () if self.empty else (("restart-failed-service", content.HOSTILE),)

    def automation_run(self, run_id: str) -> RunView:
        if run_id not in self.automation_runs:
            raise NotFoundError(f"there is no run {run_id}")
        run = self.automation_runs[run_id]
        entries = (
            _entry(1, EntryKind.PROPOSED, "{}"),
            _entry(2, EntryKind.JUDGED, '{"outcome":"ask"}'),
            _entry(3, EntryKind.STATE, '{"why":"<script>window.owned=1</script>"}'),
            _entry(4, EntryKind.RESULT, "no json"),
        )
        said = tuple(
            Approval(digest, name, agreed, content.NOW, content.NOW + 900 * SECOND, "page", content.HOSTILE)
            for one, digest, agreed, name, _ in self.answers
            if one == run_id
        )
        expires = content.NOW + 600 * SECOND if run.state is RunState.WAITING else 0
        return RunView(run, _JUDGEMENT, said, expires, content.HOSTILE, entries)

    def runbook(self, name: str) -> RunbookView:
        found = next((one for one in shipped() if one.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no runbook {name}")
        signed = self.signed.get(name, "")
        return RunbookView(
            found, self.levels.get(name, Autonomy.SUGGEST), signed, "ada" if signed else "", "",
            Track(12, 11, 0, 0, 2.0), 0.65, False, ("8 more proposals that people judged",),
            ((found.version, bool(signed)), ("0" * 16, False)), f"-old\n+{content.HOSTILE}",
        )  # fmt: skip

    def ledger(self, after_seq: int = 0, run_id: str = "", limit: int = 200) -> list[LedgerEntry]:
        found = [] if self.empty else list(self.automation_run("r1").entries)
        return [one for one in found if one.seq > after_seq][:limit]

    def answer_plan(
        self, run_id: str, plan_hash: str, agreed: bool, by: Caller, channel: str, reason: str = ""
    ) -> RunView:
        run = self.automation_run(run_id).run
        if run.state is not RunState.WAITING:
            raise StateError(f"the run {run_id} does not wait for an answer")
        if plan_hash != run.plan_hash:
            raise StateError("this is another plan than the one that waits; look at it again")
        self.answers.append((run_id, plan_hash, agreed, by.person or by.name, channel))
        return self.automation_run(run_id)

    def decide_held(self, run_id: str, decision: str, by: Caller, reason: str) -> RunView:
        if self.automation_run(run_id).run.state is not RunState.HOLDING:
            raise StateError(f"the run {run_id} does not hold")
        self.automation_runs[run_id] = replace(self.automation_runs[run_id], state=RunState.READY)
        return self.automation_run(run_id)

    def propose(self, runbook: str, incident_id: str, by: Caller) -> RunView:
        self.runbook(runbook)
        return self.automation_run("r1")

    def engage_switch(self, scope: str, reason: str, by: Caller) -> None:
        self.engaged.append(Switch(scope, by.name, content.NOW, reason or content.HOSTILE))

    def release_switch(self, scope: str, reason: str, by: Caller) -> bool:
        if all(one.scope != scope for one in self.engaged):
            raise NotFoundError(f"{scope} is not engaged")
        self.asked_release.add((scope, by.name))
        if scope == "global" and len([one for one, _ in self.asked_release if one == scope]) < 2:
            return False
        self.engaged = [one for one in self.engaged if one.scope != scope]
        return True

    def sign_runbook(self, name: str, version: str, by: Caller) -> None:
        if version != self.runbook(name).runbook.version:
            raise NotFoundError(f"{name} has no version {version}")
        self.signed[name] = version

    def set_autonomy(self, name: str, level: Autonomy, reason: str, by: Caller) -> None:
        if level > self.runbook(name).autonomy and by.role is not Role.ADMIN:
            raise AuthError(f"{by.name} may not do this: it needs the role admin")
        self.levels[name] = level

    def judge_run(self, run_id: str, opinion: str, by: Caller) -> None:
        self.automation_run(run_id)
        self.opinions.append((run_id, opinion, by.name))

    def close_breaker(self, reason: str, by: Caller) -> None:
        self.breaker = False


def _line(run: Run) -> RunLine:
    return RunLine(
        run.run_id, run.plan.runbook, run.plan.incident_id, (content.HOSTILE,), run.state, run.why,
        run.plan.requester, run.automatic, run.begun_unix_nano, run.ended_unix_nano,
    )  # fmt: skip
