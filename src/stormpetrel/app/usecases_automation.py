"""The use-cases of automation."""

from __future__ import annotations

from stormpetrel.act.guardrails.autonomy import REPLAY_DAYS
from stormpetrel.act.progress import Decision
from stormpetrel.act.track import demoted, earned, wilson_lower
from stormpetrel.app import access as rules
from stormpetrel.app.judged import judgement_of
from stormpetrel.app.parts import Parts
from stormpetrel.app.runbooks import difference
from stormpetrel.errors import AuthError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.action import Autonomy
from stormpetrel.model.automation_view import ActuatorView, AutomationView, RunbookView, RunLine, RunView
from stormpetrel.model.facts import Limits, Switch
from stormpetrel.model.ledger import LedgerEntry
from stormpetrel.model.run import AWAITED, ENDS, Run, RunState
from stormpetrel.ports.automation import RunbookRow

_SHOWN = 50
_OPEN = tuple(one for one in RunState if one not in ENDS)
_RUNNING = tuple(one for one in _OPEN if one not in AWAITED)
_SCOPES = ("service:", "runbook:")
OPINIONS = ("useful", "useless", "harmful")


class AutomationUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    # ------------------------------------------------------------------------------------- looking

    def automation(self) -> AutomationView:
        """The page."""
        desk = self._is.automation
        now = self._is.clock.now_unix_nano()
        hour, day = desk.store.purses(now, desk.budget)
        return AutomationView(
            enabled=desk.enabled,
            acting=desk.holder().token > 0,
            stopped=desk.stopped(),
            switches=self.switches(),
            breaker_open=desk.store.breaker_open(),
            hour=hour,
            day=day,
            limits=desk.limits,
            runbooks=tuple(self._runbook(row) for row in desk.in_use()),
            actuators=self._actuators(),
            waiting=self._lines(AWAITED),
            running=self._lines(_RUNNING),
            ended=self._lines(tuple(sorted(ENDS))),
            faults=tuple(desk.faults),
        )

    def automation_state(self) -> str:
        """For every page."""
        if any(one.scope == "global" for one in self.switches()):
            return "stopped"
        return "on" if self._is.automation.enabled else "off"

    def switches(self) -> tuple[Switch, ...]:
        """The engaged ones."""
        return tuple(self._is.automation.store.switches())

    def plans_open(self) -> tuple[RunLine, ...]:
        """Those that wait for a person, and those under way."""
        return self._lines(_OPEN)

    def runs_of(self, incident_id: str) -> list[RunLine]:
        """Newest first."""
        return [_line(one) for one in self._is.automation.store.list_runs((), incident_id, limit=_SHOWN)]

    def runbook_titles(self) -> tuple[tuple[str, str], ...]:
        """By name."""
        if not self._is.automation.enabled:
            return ()
        rows = self._is.automation.in_use()
        return tuple((row.runbook.name, row.runbook.title) for row in rows)

    def automation_run(self, run_id: str) -> RunView:
        """One run, whole."""
        desk = self._is.automation
        run = desk.run(run_id)
        entries = desk.store.ledger(0, run_id, 1000)
        incident = self._is.control.incident(run.plan.incident_id)
        return RunView(
            run=run,
            judgement=judgement_of(entries),
            approvals=tuple(desk.store.approvals(run_id)),
            expires_unix_nano=desk.expires(run) if run.state is RunState.WAITING else 0,
            sentence=incident.sentence if incident is not None else "",
            entries=tuple(entries),
        )

    def runbook(self, name: str) -> RunbookView:
        """One runbook."""
        return self._runbook(self._row(name))

    def ledger(self, after_seq: int = 0, run_id: str = "", limit: int = 200) -> list[LedgerEntry]:
        """Entries in order."""
        return self._is.automation.store.ledger(after_seq, run_id, limit)

    # -------------------------------------------------------------------------------------- acting

    def answer_plan(
        self, run_id: str, plan_hash: str, agreed: bool, by: Caller, channel: str, reason: str = ""
    ) -> RunView:
        """A responder answers."""
        who = self._behind(by)
        self._is.automation.answer(run_id, plan_hash, agreed, (who.name, channel), reason)
        return self.automation_run(run_id)

    def decide_held(self, run_id: str, decision: str, by: Caller, reason: str) -> RunView:
        """A responder decides."""
        _person(by)
        if decision not in tuple(Decision):
            raise StateError(f"{decision[:40]!r} is not one of {', '.join(Decision)}")
        self._is.automation.decide(run_id, Decision(decision), by.name, reason[:500])
        return self.automation_run(run_id)

    def propose(self, runbook: str, incident_id: str, by: Caller) -> RunView:
        """A responder asks for a plan."""
        _person(by)
        incident = self._is.control.incident(incident_id)
        if incident is None:
            raise NotFoundError(f"there is no incident {incident_id[:60]}")
        return self.automation_run(self._is.automation.propose(runbook, incident, by.name).run_id)

    def engage_switch(self, scope: str, reason: str, by: Caller) -> None:
        """Any responder, and tokens of responders: stopping must be easy."""
        rules.require_responder(by)
        if scope != "global" and not (scope.startswith(_SCOPES) and scope.partition(":")[2]):
            raise StateError(f"{scope[:60]!r} is not global, service:ENTITY or runbook:NAME")
        now = self._is.clock.now_unix_nano()
        self._is.automation.store.engage(Switch(scope[:300], by.name, now, reason[:500]))
        self._is.automation.changed()

    def release_switch(self, scope: str, reason: str, by: Caller) -> bool:
        """A person; of the global one, two."""
        _person(by)
        if scope == "global" and self._is.automation.kill_file.switches():
            raise StateError(f"the file {self._is.automation.kill_file.path} is there; remove it first")
        now = self._is.clock.now_unix_nano()
        released = self._is.automation.store.release(scope, by.name, now, reason[:500])
        self._is.automation.changed()
        return released

    def sign_runbook(self, name: str, version: str, by: Caller) -> None:
        """An admin."""
        rules.require(by, Role.ADMIN)
        self._is.automation.store.sign_runbook(name, version, by.name, self._is.clock.now_unix_nano())

    def set_autonomy(self, name: str, level: Autonomy, reason: str, by: Caller) -> None:
        """Down: any responder. Up: an admin, with a reason where the record does not earn it."""
        _person(by)
        row = self._row(name)
        if level > row.autonomy:
            rules.require(by, Role.ADMIN)
            if level > row.runbook.autonomy:
                raise StateError(
                    f"the runbook {name} asks for {row.runbook.autonomy.word} at most; change its file first"
                )
            if not row.signed_version:
                raise StateError(f"nobody has signed the runbook {name} off; do that first")
            if level is Autonomy.AUTO and not self._earned(row) and not reason.strip():
                raise StateError(f"the record of {name} does not earn auto yet: give a reason for the ledger")
        now = self._is.clock.now_unix_nano()
        self._is.automation.store.set_autonomy(name, level, by.name, now, reason[:500])

    def judge_run(self, run_id: str, opinion: str, by: Caller) -> None:
        """A responder."""
        _person(by)
        if opinion not in OPINIONS:
            raise StateError(f"{opinion[:40]!r} is not one of {', '.join(OPINIONS)}")
        self._is.automation.run(run_id)
        self._is.automation.store.add_opinion(run_id, by.name, opinion, self._is.clock.now_unix_nano())

    def close_breaker(self, reason: str, by: Caller) -> None:
        """A responder."""
        _person(by)
        self._is.automation.store.close_breaker(by.name, self._is.clock.now_unix_nano(), reason[:500])

    def _behind(self, by: Caller) -> Caller:
        """The person who answers: a token of scope approve speaks for whoever made it, as they are now."""
        if by.role is None and Scope.APPROVE in by.scopes:
            found = self._is.access.caller_of_user(by.person)
            if found is None:
                raise AuthError("the person who made this token is gone; nobody answers with it")
            by = found
        _person(by)
        return by

    # -------------------------------------------------------------------------------------- showing

    def _row(self, name: str) -> RunbookRow:
        for row in self._is.automation.store.runbooks():
            if row.runbook.name == name:
                return row
        raise NotFoundError(f"there is no runbook {name[:60]}")

    def _earned(self, row: RunbookRow) -> bool:
        return earned(row.track, self._is.automation.limits, self._is.clock.now_unix_nano())

    def _runbook(self, row: RunbookRow) -> RunbookView:
        versions = self._is.automation.store.runbook_versions(row.runbook.name)
        signed = next((one for one in versions if one.version == row.signed_version), None)
        now, limits = self._is.clock.now_unix_nano(), self._is.automation.limits
        return RunbookView(
            runbook=row.runbook,
            autonomy=row.autonomy,
            signed_version=row.signed_version,
            signed_by=row.signed_by,
            raised_by=row.raised_by,
            track=row.track,
            usefulness_bound=wilson_lower(row.track.useful, row.track.judged) if row.track.judged else 0.0,
            earned=self._earned(row),
            missing=_missing(row, limits, now),
            versions=tuple((one.version, one.version == row.signed_version) for one in versions),
            change="" if signed == row.runbook else difference(signed, row.runbook),
        )

    def _actuators(self) -> tuple[ActuatorView, ...]:
        inventory = self._is.automation.inventory
        entities = inventory.entities()
        return tuple(
            ActuatorView(
                name,
                tuple(entity for entity, owners in entities.items() if name in owners)[:200],
                tuple((schema.kind, schema.effect.word) for schema in actuator.actions()),
                inventory.faults.get(name, ""),
            )
            for name, actuator in inventory.actuators.items()
        )

    def _lines(self, states: tuple[RunState, ...]) -> tuple[RunLine, ...]:
        return tuple(_line(one) for one in self._is.automation.store.list_runs(states, limit=_SHOWN))


def _person(by: Caller) -> None:
    """A person of role responder: a machine's token decides nothing about automation."""
    if by.role is None:
        raise AuthError("a token may not decide about automation; sign in as a person")
    rules.require(by, Role.RESPONDER)


def _line(run: Run) -> RunLine:
    return RunLine(
        run.run_id,
        run.plan.runbook,
        run.plan.incident_id,
        tuple(one.entity for one in run.plan.targets),
        run.state,
        run.why,
        run.plan.requester,
        run.automatic,
        run.begun_unix_nano,
        run.ended_unix_nano,
    )


def _missing(row: RunbookRow, limits: Limits, now_unix_nano: int) -> tuple[str, ...]:
    """What a record still lacks for the level auto, in words."""
    track = row.track
    lacks = []
    if track.judged < limits.judged_proposals:
        lacks.append(f"{limits.judged_proposals - track.judged} more proposals that people judged")
    if track.judged and wilson_lower(track.useful, track.judged) < limits.usefulness_bound:
        lacks.append(f"a lower bound of its usefulness of {limits.usefulness_bound:.0%}")
    against = demoted(track, limits, now_unix_nano)
    if against:
        lacks.append(f"time: {against}")
    if track.replay_days < REPLAY_DAYS:
        lacks.append(f"a flight of this version over {REPLAY_DAYS:g} days of the past")
    return tuple(lacks)
