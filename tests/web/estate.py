"""A small estate in memory behind the `Service` protocol: deterministic, partly hostile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from tests.web import content
from tests.web.estate_automation import AutomationEstate
from tests.web.estate_backups import BackupEstate
from tests.web.estate_bonds import BondEstate
from tests.web.estate_calendar import CalendarEstate
from tests.web.estate_flights import FlightEstate
from tests.web.estate_knowledge import KnowledgeEstate
from tests.web.estate_learning import LearningEstate
from tests.web.estate_notify import NotifyEstate
from tests.web.estate_pages import PageEstate
from tests.web.estate_patterns import PatternEstate
from tests.web.estate_people import PeopleEstate
from tests.web.estate_shares import ShareEstate
from tests.web.estate_sources import SourceEstate
from tests.web.estate_topology import TopologyEstate

from stormpetrel.errors import AuthError, NotFoundError, StateError
from stormpetrel.model.access import ApiToken, Caller, Role, Scope
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import (
    TRANSITIONS,
    Incident,
    IncidentLine,
    IncidentState,
    TimelineEntry,
    line_of,
)
from stormpetrel.model.push import Decoded, PushRequest, Receipt
from stormpetrel.model.query import LogCounts, LogQuery
from stormpetrel.model.signal import LogRecord, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import (
    AboutView,
    LiveMessage,
    NowView,
    QualityView,
    SeriesPage,
    SeriesView,
)

PASSWORD = "correct horse battery"
SETUP_SECRET = "one-time-secret"
_LADDER = [Role.VIEWER, Role.RESPONDER, Role.ADMIN]


class Estate(
    SourceEstate, PageEstate, CalendarEstate, LearningEstate, PatternEstate, TopologyEstate, BondEstate,
    KnowledgeEstate, ShareEstate, AutomationEstate, FlightEstate, BackupEstate, NotifyEstate, PeopleEstate,
):  # fmt: skip
    """Everything in dictionaries; `receiver` is what a test wants to happen to pushed requests."""

    def __init__(self, *, quiet: bool = False, empty: bool = False, set_up: bool = True) -> None:
        SourceEstate.__init__(self)
        CalendarEstate.__init__(self)
        LearningEstate.__init__(self)
        BondEstate.__init__(self)
        KnowledgeEstate.__init__(self)
        ShareEstate.__init__(self)
        AutomationEstate.__init__(self)
        FlightEstate.__init__(self)
        BackupEstate.__init__(self)
        NotifyEstate.__init__(self)
        self.quiet, self.empty = quiet, empty
        self.incidents = {one.incident_id: one for one in content.INCIDENTS}
        people = (("vera", Role.VIEWER), ("rob", Role.RESPONDER), ("ada", Role.ADMIN))
        self.people = dict(people) if set_up else {}
        self.tokens: dict[str, ApiToken] = {}
        for scope in Scope:
            self._token(f"{scope}-token", f"agent-{scope}", frozenset({scope}), "ada")
        self.received: list[tuple[str, PushRequest]] = []
        self.messages = [LiveMessage("incident", "x", content.HOSTILE), LiveMessage("tick", "", "")]
        self.receiver: Callable[[PushRequest], Receipt] = accept
        self.is_ready = (True, "")
        self.linger = False  # keep live streams open, as a real estate does

    def now_unix_nano(self) -> int:
        return content.NOW

    # receiving ----------------------------------------------------------------------------------
    def push_paths(self) -> dict[str, str]:
        return {"/api/v1/write": "remote_write", "/v1/logs": "otlp_logs", "/v1/metrics": "otlp_metrics"}

    def receive(self, protocol: str, request: PushRequest) -> Receipt:
        self.received.append((protocol, request))
        return self.receiver(request)

    # reading ------------------------------------------------------------------------------------
    def now(self) -> NowView:
        shown = [] if self.empty else content.SOURCES[: 2 if self.quiet else None]
        still = [i for i in self.incidents.values() if i.state is not IncidentState.RESOLVED]
        return NowView(
            content.NOW,
            [] if self.quiet or self.empty else [line_of(one) for one in still],
            0 if self.empty else 2,
            shown,
            0 if self.empty else 21_408,
            0 if self.empty else 31,
            0 if self.empty else 204,
            0 if self.quiet or self.empty else 16,
            0.0 if self.empty else 15_262.8,
            0.0 if self.empty else 41.2,
        )

    def list_incidents(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[Incident]:
        found = [
            one
            for one in self.incidents.values()
            if (not states or one.state in states) and text.lower() in one.sentence.lower() and not self.empty
        ]
        return sorted(found, key=lambda one: -one.start_unix_nano)[offset : offset + limit]

    def list_incident_lines(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[IncidentLine]:
        return [line_of(one) for one in self.list_incidents(states, text, limit, offset)]

    def incident(self, incident_id: str) -> Incident:
        if incident_id not in self.incidents:
            raise NotFoundError(f"there is no incident {incident_id}")
        return self.incidents[incident_id]

    def finding_series(self, finding: Finding, margin_seconds: float = 1800.0) -> SeriesView:
        margin = from_seconds(margin_seconds)
        end = min(finding.end_unix_nano + margin, content.NOW)
        return self.series(finding.evidence.series, Window(finding.start_unix_nano - margin, end))

    def search_series(self, text: str, limit: int = 50, offset: int = 0) -> SeriesPage:
        words = text.lower().split()
        known = [] if self.empty else content.SERIES
        found = [info for info in known if all(word in info.text().lower() for word in words)]
        return SeriesPage(found[offset : offset + limit], len(found))

    def series_info(self, series: int) -> SeriesInfo:
        if not 0 <= series < len(content.SERIES):
            raise NotFoundError(f"there is no series {series}")
        return content.SERIES[series]

    def series(self, series: int, window: Window, max_points: int = 4000, band: bool = True) -> SeriesView:
        info = self.series_info(series)
        marks = [f for f in content.FINDINGS if f.evidence.series == series]
        expected = content.band(info, window) if band else None
        return SeriesView(info, content.points(info, window, max_points), expected, marks)

    def logs(self, query: LogQuery) -> list[LogRecord]:
        return self._matching(query)[query.skip : query.skip + query.limit]

    def _matching(self, query: LogQuery) -> list[LogRecord]:
        window, before = query.window, query.before_unix_nano
        return (
            []
            if self.empty
            else [
                record
                for record in content.logs()
                if window.start_unix_nano <= record.time_unix_nano < window.end_unix_nano
                and (not before or record.time_unix_nano < before)
                and query.text.lower() in record.body.lower()
                and record.severity_number >= query.min_severity
                and query.entity in ("", record.entity)
                and query.source in ("", record.source)
                and query.trace_id in ("", record.trace_id)
            ]
        )

    def log_counts(self, query: LogQuery, buckets: int = 60) -> LogCounts:
        window = query.window
        edges = np.linspace(window.start_unix_nano, window.end_unix_nano, buckets + 1).astype(np.int64)
        count = np.zeros((buckets, 25), np.int64)
        for record in self._matching(replace(query, before_unix_nano=0)):
            at = min(int(np.searchsorted(edges, record.time_unix_nano, "right")) - 1, buckets - 1)
            count[at, record.severity_number] += 1
        return LogCounts(edges[:-1], count)

    def findings(self, window: Window, limit: int = 500) -> list[Finding]:
        overlapping = [f for f in content.FINDINGS if f.end_unix_nano >= window.start_unix_nano]
        return overlapping[:limit]

    def quality(self) -> QualityView:
        if self.empty:
            return QualityView([], [], [], 0, [])
        kept = [
            ("KIND_CHANGED", content.SERIES[2], content.NOW, 4.0),
            ("FUTURE", content.SERIES[4], content.NOW, 1.0),
        ]
        rooms = [("prometheus-eu", 20_991, 250_000), ("otel", 250_000, 250_000)]
        return QualityView(content.QUALITY, [("otel", "malformed", 12)], kept, 21_408, rooms)

    def about(self) -> AboutView:
        tables = [("samples", 918_220_100, 2_938_304_320), ("logs", 412_004, 61_000_000), ("spans", 0, 0)]
        return AboutView(
            "0.1.0",
            content.NOW - from_seconds(86_400 * 6.3),
            "/var/lib/petrel",
            "ClickHouse 26.5 in this process",
            tables,
            812_000_000,
            40_211.0,
            50_000,
            4_000_000,
            0.41,
            0.122,
            0.6,
            918_220_100,
            412_004,
            0,
            412,
            [("robust", 1, 21_408, 13_700_000), ("error_surge", 1, 12, 96_000)],
        )

    async def live(self) -> AsyncIterator[LiveMessage]:
        for message in self.messages:
            yield message
        while self.linger:
            await asyncio.sleep(0.02)

    def own_metrics(self) -> bytes:
        return b"# TYPE petrel_up gauge\npetrel_up 1\n"

    def ready(self) -> tuple[bool, str]:
        return self.is_ready

    # acting -------------------------------------------------------------------------------------
    def move_incident(self, incident_id: str, to: IncidentState, by: Caller, note: str = "") -> Incident:
        incident = self.incident(incident_id)
        if to not in TRANSITIONS[incident.state]:
            raise StateError(f"an incident that is {incident.state} cannot become {to}")
        entry = TimelineEntry(content.NOW, "state", f"{to} {note}".strip(), by.name)
        moved = replace(incident, state=to, timeline=(*incident.timeline, entry))
        self.incidents[incident_id] = moved
        return moved

    # access -------------------------------------------------------------------------------------
    def setup_needed(self) -> bool:
        return not self.people

    def create_admin(self, setup_secret: str, name: str, password: str) -> Caller:
        if setup_secret != SETUP_SECRET or self.people:
            raise AuthError("this set-up link is not valid (any more)")
        self.people[name] = Role.ADMIN
        return Caller(name, Role.ADMIN)

    def sign_in(self, name: str, password: str, address: str) -> Caller:
        if name not in self.people or password != PASSWORD:
            raise AuthError("wrong name or password")
        return Caller(name, self.people[name])

    def caller_of_session(self, name: str, mark: str) -> Caller | None:
        return Caller(name, self.people[name]) if name in self.people else None

    def caller_of_token(self, secret: str) -> Caller | None:
        token = self.tokens.get(secret)
        return (
            Caller(token.name, None, token.scopes, token.created_by) if token and not token.revoked else None
        )

    def session_key(self) -> bytes:
        return b"k" * 32

    def add_user(self, name: str, role: Role, password: str, by: Caller) -> None:
        self.people[name] = role

    def list_tokens(self, by: Caller) -> list[ApiToken]:
        return list(reversed(self.tokens.values()))

    def add_token(self, name: str, scopes: frozenset[Scope], by: Caller) -> tuple[ApiToken, str]:
        secret = f"petrel_{len(self.tokens)}_secret"
        return self._token(secret, name, scopes, by.name), secret

    def _token(self, secret: str, name: str, scopes: frozenset[Scope], by: str) -> ApiToken:
        number = f"t{len(self.tokens)}"
        token = ApiToken(number, name, scopes, "hash", secret[-4:], content.NOW, by)
        self.tokens[secret] = token
        return token

    def revoke_token(self, token_id: str, by: Caller) -> None:
        for secret, token in self.tokens.items():
            if token.token_id == token_id:
                self.tokens[secret] = replace(token, revoked=True)
                return
        raise NotFoundError(f"there is no token {token_id}")


def accept(request: PushRequest) -> Receipt:
    """Everything is taken and stored at once."""
    stored: Future[None] = Future()
    stored.set_result(None)
    return Receipt(Decoded(answer=b"", status=204), [stored])
