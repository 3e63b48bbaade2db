"""The use-cases, live: the one implementation of `app.service.Service`."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future

import numpy as np

from stormpetrel import __version__
from stormpetrel.app import access as rules
from stormpetrel.app.points import MAX_BAND_SAMPLES, admit_alone, band_of, downsample, lead_in
from stormpetrel.app.selfmon import cpu_seconds, memory_bytes
from stormpetrel.app.usecases_automation import AutomationUseCases
from stormpetrel.app.usecases_backups import BackupUseCases
from stormpetrel.app.usecases_bonds import BondUseCases
from stormpetrel.app.usecases_calendar import CalendarUseCases
from stormpetrel.app.usecases_flights import FlightUseCases
from stormpetrel.app.usecases_knowledge import KnowledgeUseCases
from stormpetrel.app.usecases_notify import NotifyUseCases
from stormpetrel.app.usecases_pages import PageUseCases
from stormpetrel.app.usecases_patterns import PatternUseCases
from stormpetrel.app.usecases_people import PeopleUseCases
from stormpetrel.app.usecases_shares import ShareUseCases
from stormpetrel.app.usecases_topology import TopologyUseCases
from stormpetrel.app.warm import UNRESOLVED
from stormpetrel.errors import DecodeError, NotFoundError
from stormpetrel.model.access import ApiToken, Caller, Role, Scope
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.push import PushRequest, Receipt
from stormpetrel.model.quality import Quality
from stormpetrel.model.query import LogCounts, LogQuery
from stormpetrel.model.signal import LogRecord, MetricKind, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import (
    AboutView,
    LiveMessage,
    NowView,
    QualityView,
    SeriesPage,
    SeriesView,
)

_DAY = from_seconds(86400)
# Incidents on the first page, and those it chooses from.
_SHOWN_OPEN, _MOST_OPEN = 50, 200


class LiveService(
    PatternUseCases,
    PageUseCases,
    CalendarUseCases,
    TopologyUseCases,
    BondUseCases,
    KnowledgeUseCases,
    ShareUseCases,
    AutomationUseCases,
    FlightUseCases,
    BackupUseCases,
    NotifyUseCases,
    PeopleUseCases,
):
    """See `app.service.Service`; methods are documented there."""

    def now_unix_nano(self) -> int:
        """The clock of the runtime."""
        return self._is.clock.now_unix_nano()

    # ------------------------------------------------------------------------------------- receiving

    def push_paths(self) -> dict[str, str]:
        """URL path to protocol name."""
        return {path: name for name, decoder in self._is.decoders.items() for path in decoder.paths}

    def receive(self, protocol: str, request: PushRequest) -> Receipt:
        """Decode a pushed request and queue what it holds.

        Raises:
            DecodeError: nothing was kept, the sender must not repeat it unchanged.
            OverloadedError: nothing was kept, the sender should repeat it later.
        """
        source = f"{request.source}/{protocol}"
        try:
            decoded = self._is.decoders[protocol].decode(dataclasses.replace(request, source=source))
        except DecodeError as error:
            self._is.writer.rejected(source, error.reason, 1, str(error))
            raise
        for refused in decoded.rejected:
            self._is.writer.rejected(source, refused.reason, refused.rows, refused.example)
        stored: list[Future[None]] = []
        if decoded.metrics is not None:
            stored.append(self._is.writer.metrics(decoded.metrics, source))
        if decoded.logs is not None:
            stored.append(self._is.writer.logs(decoded.logs, source))
        if decoded.spans is not None:
            stored.append(self._is.writer.spans(decoded.spans, source))
        others = (decoded.flows, decoded.alerts, decoded.changes)
        if decoded.backups:
            self._is.backups.take(decoded.backups, source)
        stored += [self._is.writer.records(batch, source) for batch in others if batch is not None]
        return Receipt(decoded, stored)

    # --------------------------------------------------------------------------------------- reading

    def now(self) -> NowView:
        """The first page."""
        now = self.now_unix_nano()
        sources = self._is.tally.views(now)
        rates = {"samples": 0.0, "logs": 0.0}
        for view in sources:
            kind = (
                "logs" if view.kind in ("file", "journald") or view.name.endswith("otlp_logs") else "samples"
            )
            rates[kind] += view.rows_per_second
        gate = self._is.pipeline.gate
        return NowView(
            now_unix_nano=now,
            open_incidents=self._open_incidents(),
            resolved_today=self._is.control.count_incidents((IncidentState.RESOLVED,), now // _DAY * _DAY),
            sources=sources,
            series_total=len(self._is.pipeline.registry),
            series_unknown=int(np.count_nonzero(gate.unknown(now))),
            series_warming_up=sum(bank.warming_up() for bank in self._is.pipeline.banks[:1]),
            quarantined_last_hour=self._is.writer.stats.quarantined_since(now - from_seconds(3600)),
            samples_per_second=rates["samples"],
            log_records_per_second=rates["logs"],
        )

    def _open_incidents(self) -> list[IncidentLine]:
        """What is not resolved, what should be looked at first first; of more than can be shown the first."""
        found = self._is.control.list_incident_lines(UNRESOLVED, limit=_MOST_OPEN)
        return sorted(found, key=lambda one: one.priority.level if one.priority else 5)[:_SHOWN_OPEN]

    def list_incidents(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[Incident]:
        """Incidents, newest first."""
        return self._is.control.list_incidents(states, text, limit, offset)

    def list_incident_lines(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[IncidentLine]:
        """The same as lines of a list."""
        return self._is.control.list_incident_lines(states, text, limit, offset)

    def incident(self, incident_id: str) -> Incident:
        """One incident, whole."""
        found = self._is.control.incident(incident_id)
        if found is None:
            raise NotFoundError(f"there is no incident {incident_id}")
        return found

    def finding_series(self, finding: Finding, margin_seconds: float = 1800.0) -> SeriesView:
        """The series that a finding is about, around the time of the finding."""
        if finding.evidence.series < 0:
            raise NotFoundError(f"finding {finding.finding_id} is not about a single series")
        margin = from_seconds(margin_seconds)
        end = min(self.now_unix_nano(), finding.end_unix_nano + margin)
        start = finding.start_unix_nano - margin
        return self.series(finding.evidence.series, Window(start, max(start, end)), 2000)

    def search_series(self, text: str, limit: int = 50, offset: int = 0) -> SeriesPage:
        """Series by words of their selector."""
        return SeriesPage(*self._is.pipeline.registry.search(text, limit, offset))

    def series_info(self, series: int) -> SeriesInfo:
        """What is known of one series."""
        registry = self._is.pipeline.registry
        if not 0 <= series < len(registry):
            raise NotFoundError(f"there is no series {series}; search for it by name")
        return registry.info(series)

    def series(self, series: int, window: Window, max_points: int = 4000, band: bool = True) -> SeriesView:
        """One series over a window: a counter as its rate per second, everything else as it is."""
        info = self.series_info(series)
        max_points = max(10, min(max_points, 100_000))
        rate = info.kind in (MetricKind.COUNTER, MetricKind.DELTA)
        findings = [f for f in self._is.store.read_findings(window, 2000) if f.evidence.series == series]
        if not (band or rate):
            return SeriesView(info, self._is.store.read_points(series, window, max_points), None, findings)
        raw = self._is.store.scan_series([series], lead_in(self._is.config, window) if band else window)
        admitted = admit_alone(self._is.config, info, raw)
        points = downsample(admitted.batch.time_unix_nano, admitted.signal, window, max_points)
        if not band or len(raw) > MAX_BAND_SAMPLES:
            return SeriesView(info, points, None, findings)
        return SeriesView(
            info, points, band_of(self._is.config, info, admitted, window, max_points), findings
        )

    def logs(self, query: LogQuery) -> list[LogRecord]:
        """Log records."""
        return self._is.store.read_logs(self.all_named(query))

    def log_counts(self, query: LogQuery, buckets: int = 60) -> LogCounts:
        """Log records over time by severity."""
        return self._is.store.count_logs(self.all_named(query), buckets)

    def findings(self, window: Window, limit: int = 500) -> list[Finding]:
        """Findings that overlap a window."""
        return self._is.store.read_findings(window, limit)

    def quality(self) -> QualityView:
        """The page *Data quality*."""
        now = self.now_unix_nano()
        registry = self._is.pipeline.registry
        kept_apart = self._is.store.read_quarantine(Window(now - 7 * _DAY, now + _DAY), 200)
        rows = zip(
            kept_apart.verdict.tolist(),
            kept_apart.batch.series.tolist(),
            kept_apart.batch.time_unix_nano.tolist(),
            kept_apart.batch.value.tolist(),
            strict=True,
        )
        limit = registry.max_series_per_source
        return QualityView(
            counts=self._is.tally.quality_counts(),
            rejected=self._is.tally.rejections(),
            quarantined=[
                (Quality(verdict).name.lower(), registry.info(series), time, value)
                for verdict, series, time, value in rows
                if series < len(registry)
            ],
            series_total=len(registry),
            series_by_source=[(name, count, limit) for name, count in sorted(registry.by_source().items())],
        )

    def about(self) -> AboutView:
        """The page *About this system*."""
        stats, writer, judge = self._is.writer.stats, self._is.writer, self._is.judge
        views = self._is.tally.views(self.now_unix_nano())
        held = len(self._is.pipeline.registry)
        return AboutView(
            version=__version__,
            started_unix_nano=self._is.started_unix_nano,
            data_directory=str(self._is.config.data_dir.resolve()),
            store_engine="remote ClickHouse" if self._is.config.store.url else "in this process (chDB)",
            tables=[(t.table, t.rows, t.bytes_on_disk) for t in self._is.store.table_sizes()],
            memory_bytes=memory_bytes(),
            cpu_seconds=cpu_seconds(),
            queue_rows=writer.queue.rows,
            queue_capacity_rows=writer.queue.capacity_rows,
            ingest_lag_seconds=max(
                [writer.queue.waiting_seconds(), *(v.lag_seconds for v in views if v.state == "healthy")]
            ),
            insert_p99_seconds=stats.insert_p99_seconds(),
            detector_lag_seconds=judge.lag_seconds(),
            samples_total=stats.samples_total,
            log_records_total=stats.log_records_total,
            spans_total=stats.spans_total,
            dropped_total=stats.refused_rows_total + sum(v.rejected_total for v in views),
            detectors=[
                (bank.name, bank.version, held, held * bank.bytes_per_series)
                for bank in self._is.pipeline.banks
            ],
            spill_rows=writer.spill.rows if writer.spill is not None else 0,
            spill_bytes=writer.spill.bytes if writer.spill is not None else 0,
        )

    def live(self) -> AsyncIterator[LiveMessage]:
        """The live stream of one page."""
        return self._is.hub.subscribe()

    def own_metrics(self) -> bytes:
        """This system's metrics in the Prometheus text format."""
        return self._is.own_metrics.text()

    def ready(self) -> tuple[bool, str]:
        """Whether requests can be served, and if not, why; "ready", or what is degraded meanwhile."""
        for name, part in (("store writer", self._is.writer), ("judge", self._is.judge)):
            if not part.running:
                return False, f"the {name} is not running: start again, and look into the log for the reason"
        if not self._is.judge.warm.is_set():
            return False, "warming up: the stored past is being read"
        trouble = self._is.writer.trouble() or self._is.judge.trouble()
        return not trouble, trouble or self._is.writer.degraded() or self._is.notices.trouble() or "ready"

    # ---------------------------------------------------------------------------------------- acting

    def move_incident(self, incident_id: str, to: IncidentState, by: Caller, note: str = "") -> Incident:
        """A responder moves an incident to another state."""
        rules.require(by, Role.RESPONDER)
        self.incident(incident_id)
        return self._is.judge.move(incident_id, to, by.name, note[:2000])

    # ---------------------------------------------------------------------------------------- access

    def setup_needed(self) -> bool:
        """Whether nobody can sign in yet."""
        return self._is.access.setup_needed()

    def create_admin(self, setup_secret: str, name: str, password: str) -> Caller:
        """Use the one-time set-up link."""
        return self._is.access.create_admin(setup_secret, name, password)

    def sign_in(self, name: str, password: str, address: str) -> Caller:
        """Check a password."""
        return self._is.access.sign_in(name, password, address)

    def caller_of_session(self, name: str, mark: str) -> Caller | None:
        """The person of a session cookie."""
        return self._is.access.caller_of_session(name, mark)

    def caller_of_token(self, secret: str) -> Caller | None:
        """The machine of an API token."""
        return self._is.access.caller_of_token(secret)

    def session_key(self) -> bytes:
        """The key that signs session cookies."""
        return self._is.access.session_key()

    def add_user(self, name: str, role: Role, password: str, by: Caller) -> None:
        """An admin adds a person."""
        self._is.access.add_user(name, role, password, by)

    def list_tokens(self, by: Caller) -> list[ApiToken]:
        """All tokens."""
        return self._is.access.list_tokens(by)

    def add_token(self, name: str, scopes: frozenset[Scope], by: Caller) -> tuple[ApiToken, str]:
        """A new token and its secret."""
        return self._is.access.add_token(name, scopes, by)

    def revoke_token(self, token_id: str, by: Caller) -> None:
        """Refuse a token from now on."""
        self._is.access.revoke_token(token_id, by)
