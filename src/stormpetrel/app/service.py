"""The use-cases: everything the page, the API and the command line may ask or do.

`web` sees only this module and `model`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from stormpetrel.app.service_automation import AutomationService
from stormpetrel.app.service_backups import BackupService
from stormpetrel.app.service_calendar import CalendarService
from stormpetrel.app.service_flights import FlightService
from stormpetrel.app.service_knowledge import KnowledgeService
from stormpetrel.app.service_notify import NotifyService
from stormpetrel.app.service_people import PeopleService
from stormpetrel.app.service_shares import ShareService
from stormpetrel.model.access import ApiToken, Caller, Role, Scope
from stormpetrel.model.backtest import Backtest, Tunable
from stormpetrel.model.bond import Bond
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.explanation import Explanation
from stormpetrel.model.feedback import Feedback, FeedbackPage, Opinion
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.page_view import BudgetView, SloView
from stormpetrel.model.pattern_view import Comparison, PatternList, PatternOrder, PatternPage
from stormpetrel.model.push import PushRequest, Receipt
from stormpetrel.model.query import LogCounts, LogQuery
from stormpetrel.model.records import Alert, Change, Flow
from stormpetrel.model.signal import LogRecord, SeriesInfo
from stormpetrel.model.time import Window
from stormpetrel.model.topology import Topology
from stormpetrel.model.view import (
    AboutView,
    LiveMessage,
    ModelStateView,
    NowView,
    QualityView,
    QuarantineEntry,
    QuarantinePreview,
    SeriesPage,
    SeriesView,
    Snippet,
    SourcePage,
    SourceView,
    TailMessage,
)


class Service(
    AutomationService,
    FlightService,
    BackupService,
    CalendarService,
    KnowledgeService,
    NotifyService,
    PeopleService,
    ShareService,
    Protocol,
):
    """What `web` and `cli` program against; `app.usecases.LiveService` is the one implementation.

    All methods are synchronous and may take as long as a query; web handlers call them in a thread.
    """

    def now_unix_nano(self) -> int: ...

    # receiving -------------------------------------------------------------------------------------
    def push_paths(self) -> dict[str, str]: ...  # URL path -> protocol name, for every push decoder
    def receive(self, protocol: str, request: PushRequest) -> Receipt: ...  # DecodeError, OverloadedError

    # reading ---------------------------------------------------------------------------------------
    def now(self) -> NowView: ...
    def list_incidents(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[Incident]: ...
    def list_incident_lines(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[IncidentLine]: ...
    def incident(self, incident_id: str) -> Incident: ...  # NotFoundError
    def finding_series(self, finding: Finding, margin_seconds: float = 1800.0) -> SeriesView: ...
    def search_series(self, text: str, limit: int = 50, offset: int = 0) -> SeriesPage: ...
    def series_info(self, series: int) -> SeriesInfo: ...  # NotFoundError
    def series(
        self, series: int, window: Window, max_points: int = 4000, band: bool = True
    ) -> SeriesView: ...
    def logs(self, query: LogQuery) -> list[LogRecord]: ...
    def log_counts(self, query: LogQuery, buckets: int = 60) -> LogCounts: ...
    def patterns(
        self, query: LogQuery, limit: int = 500, order: PatternOrder = PatternOrder.COUNT
    ) -> PatternList: ...
    def pattern(self, pattern: int, query: LogQuery) -> PatternPage: ...  # NotFoundError
    def compare_patterns(
        self, query: LogQuery, first: Window, second: Window, limit: int = 200
    ) -> Comparison: ...
    def findings(self, window: Window, limit: int = 500) -> list[Finding]: ...
    def quality(self) -> QualityView: ...
    def about(self) -> AboutView: ...
    def alarm_budget(self) -> BudgetView: ...
    def slos(self) -> list[SloView]: ...
    def sources(self) -> list[SourceView]: ...
    def source(self, name: str) -> SourcePage: ...  # NotFoundError
    def explain_finding(self, finding: Finding) -> Explanation: ...  # OverloadedError
    def diagnose(self, incident: Incident) -> Diagnosis: ...  # what caused it; OverloadedError
    def explain_point(self, series: int, time_unix_nano: int) -> Explanation: ...  # also NotFoundError
    def topology(self, time_unix_nano: int) -> Topology: ...  # as it was at a moment
    def bonds(self) -> list[Bond]: ...  # rules about what belongs together, newest first
    def feedback(self) -> FeedbackPage: ...
    def tunables(self) -> list[Tunable]: ...  # what a backtest may change
    def backtests(self) -> list[Backtest]: ...  # newest first
    def backtest(self, backtest_id: str) -> Backtest: ...  # NotFoundError
    def model_state(self) -> ModelStateView: ...
    def snippets(self) -> list[Snippet]: ...  # how to connect each kind of sender
    def quarantine(self) -> list[QuarantineEntry]: ...
    def quarantine_preview(self, series: int) -> QuarantinePreview: ...  # NotFoundError
    def alerts(self, window: Window, limit: int = 200) -> list[Alert]: ...  # of other systems
    def changes(self, window: Window, limit: int = 200) -> list[Change]: ...
    def flows(self, window: Window, limit: int = 200, address: str = "") -> list[Flow]: ...
    def tail(self, query: LogQuery) -> AsyncIterator[TailMessage]: ...  # records as they are stored
    def live(self) -> AsyncIterator[LiveMessage]: ...  # bounded per client: a slow one loses the oldest
    def own_metrics(self) -> bytes: ...  # Prometheus text format
    def ready(self) -> tuple[bool, str]: ...  # and why not, or what is degraded

    # acting ----------------------------------------------------------------------------------------
    def move_incident(
        self, incident_id: str, to: IncidentState, by: Caller, note: str = ""
    ) -> Incident: ...  # NotFoundError, StateError, AuthError (role below responder)
    def page_incident(
        self, incident_id: str, by: Caller, note: str = ""
    ) -> Incident: ...  # NotFoundError, StateError (paged already), AuthError
    def merge_incidents(
        self, into_id: str, other_id: str, by: Caller
    ) -> Incident: ...  # NotFoundError, StateError, AuthError, OverloadedError
    def split_incident(
        self, incident_id: str, finding_ids: Sequence[str], by: Caller
    ) -> Incident: ...  # the new one; NotFoundError, StateError, AuthError, OverloadedError
    def delete_bond(self, bond_id: str, by: Caller) -> None: ...  # NotFoundError, AuthError
    def give_feedback(
        self, incident_id: str, finding_id: str, opinion: Opinion, by: Caller, note: str = ""
    ) -> Feedback: ...  # NotFoundError, AuthError, OverloadedError
    def undo_feedback(self, feedback_id: str, by: Caller) -> Feedback: ...  # NotFoundError, StateError
    def watch_variable(
        self, pattern: int, variable: str, by: Caller
    ) -> None: ...  # NotFoundError, StateError (too many), AuthError
    def unwatch_variable(self, pattern: int, variable: str, by: Caller) -> None: ...  # NotFoundError
    def start_backtest(
        self, window: Window, settings: Mapping[str, float], by: Caller
    ) -> Backtest: ...  # ConfigError, OverloadedError, AuthError
    def cancel_backtest(self, backtest_id: str, by: Caller) -> Backtest: ...  # NotFoundError, StateError
    def release_quarantine(self, series: int, by: Caller) -> int: ...  # samples let in; NotFoundError
    def drop_quarantine(self, series: int, by: Caller) -> int: ...  # samples deleted; NotFoundError

    # access ----------------------------------------------------------------------------------------
    def setup_needed(self) -> bool: ...
    def create_admin(self, setup_secret: str, name: str, password: str) -> Caller: ...  # AuthError
    def sign_in(self, name: str, password: str, address: str) -> Caller: ...  # AuthError; slowed down
    def caller_of_session(self, name: str, mark: str) -> Caller | None: ...  # for a session cookie
    def caller_of_token(self, secret: str) -> Caller | None: ...  # for Authorization: Bearer
    def session_key(self) -> bytes: ...  # signs session cookies; kept in the control store
    def add_user(self, name: str, role: Role, password: str, by: Caller) -> None: ...
    def list_tokens(self, by: Caller) -> list[ApiToken]: ...
    def add_token(self, name: str, scopes: frozenset[Scope], by: Caller) -> tuple[ApiToken, str]: ...
    def revoke_token(self, token_id: str, by: Caller) -> None: ...
