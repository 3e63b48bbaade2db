"""The use-cases of automation, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.action import Autonomy
from stormpetrel.model.automation_view import AutomationView, RunbookView, RunLine, RunView
from stormpetrel.model.facts import Switch
from stormpetrel.model.ledger import LedgerEntry


class AutomationService(Protocol):
    """What the pages, the API and the command line ask and do about automation."""

    def automation(self) -> AutomationView:
        """The page *Automation*."""
        ...

    def automation_state(self) -> str:
        """ "off" (nothing could be acted on), "on", or "stopped" by a global kill switch; for every page."""
        ...

    def switches(self) -> tuple[Switch, ...]:
        """The engaged kill switches; quick, for every page."""
        ...

    def plans_open(self) -> tuple[RunLine, ...]:
        """The runs that have not ended, newest first; quick, for the first page."""
        ...

    def runs_of(self, incident_id: str) -> list[RunLine]:
        """The runs of an incident, newest first."""
        ...

    def runbook_titles(self) -> tuple[tuple[str, str], ...]:
        """(name, title) of the runbooks that a person may ask a plan of; empty where nothing can be done."""
        ...

    def automation_run(self, run_id: str) -> RunView:
        """One run. NotFoundError."""
        ...

    def runbook(self, name: str) -> RunbookView:
        """One runbook. NotFoundError."""
        ...

    def ledger(self, after_seq: int = 0, run_id: str = "", limit: int = 200) -> list[LedgerEntry]:
        """Entries of the ledger, in order."""
        ...

    def answer_plan(
        self, run_id: str, plan_hash: str, agreed: bool, by: Caller, channel: str, reason: str = ""
    ) -> RunView:
        """A responder agrees to a plan, or does not. NotFoundError, StateError, AuthError."""
        ...

    def decide_held(self, run_id: str, decision: str, by: Caller, reason: str) -> RunView:
        """A responder ends the doubt of a held run: "go on", "undo" or "stop". NotFoundError, StateError,
        AuthError."""
        ...

    def propose(self, runbook: str, incident_id: str, by: Caller) -> RunView:
        """A responder asks for a plan. NotFoundError, StateError (it does not fit, and why), AuthError."""
        ...

    def engage_switch(self, scope: str, reason: str, by: Caller) -> None:
        """Any responder stops automation: "global", "service:ENTITY" or "runbook:NAME". AuthError."""
        ...

    def release_switch(self, scope: str, reason: str, by: Caller) -> bool:
        """Release it; the global one only when a second person asks too. NotFoundError, AuthError."""
        ...

    def sign_runbook(self, name: str, version: str, by: Caller) -> None:
        """An admin signs a version off. NotFoundError, AuthError."""
        ...

    def set_autonomy(self, name: str, level: Autonomy, reason: str, by: Caller) -> None:
        """Lower a level (a responder), or raise it (an admin, with a reason where the record does not earn
        it). NotFoundError, StateError, AuthError."""
        ...

    def judge_run(self, run_id: str, opinion: str, by: Caller) -> None:
        """A responder says of a proposal or run: "useful", "useless" or "harmful". NotFoundError, StateError,
        AuthError."""
        ...

    def close_breaker(self, reason: str, by: Caller) -> None:
        """A responder lets automatic runs go on after the breaker fell. StateError, AuthError."""
        ...
