"""Query parameters as values: which log records, which series, which window."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stormpetrel.model.query import LogQuery
from stormpetrel.web.windows import Span, span


class LogFilter(BaseModel):
    """Query parameters of `/logs` and `/api/v1/logs`; empty ones do not restrict.

    `text` is a case-insensitive substring; `severity` the least OpenTelemetry severity number; `before`
    (Unix nanoseconds) continues a list towards the past; `mark` is a record to point out on the page.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    start: str = Field("", alias="from", max_length=40)
    to: str = Field("", max_length=40)
    text: str = Field("", max_length=400)
    entity: str = Field("", max_length=400)
    source: str = Field("", max_length=100)
    severity: int = Field(0, ge=0, le=24)
    trace: str = Field("", max_length=64)
    before: int = Field(0, ge=0, le=(1 << 63) - 1)
    mark: int = Field(0, ge=0, le=(1 << 63) - 1)
    limit: int = Field(100, ge=1, le=1000)

    def span(self, now_unix_nano: int) -> Span:
        """The window asked for, the last hour when none was."""
        return span(self.start, self.to, now_unix_nano)

    def log_query(self, now_unix_nano: int) -> LogQuery:
        """The question to the store."""
        return LogQuery(
            window=self.span(now_unix_nano).window,
            text=self.text,
            entity=self.entity,
            source=self.source,
            min_severity=self.severity,
            trace_id=self.trace,
            limit=self.limit,
            before_unix_nano=self.before,
        )

    def parameters(self) -> dict[str, Any]:
        """What links of the page carry on: everything but the position in the list."""
        given: dict[str, Any] = {"from": self.start, "to": self.to, "text": self.text, "entity": self.entity}
        given |= {"source": self.source, "severity": self.severity or "", "trace": self.trace}
        return {name: value for name, value in given.items() if value}


class ExploreFilter(BaseModel):
    """Query parameters of `/explore`: the series shown (-1: none), its window, the words searched for."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    series: int = Field(-1, ge=-1, lt=1 << 32)
    start: str = Field("", alias="from", max_length=40)
    to: str = Field("", max_length=40)
    text: str = Field("", max_length=400)
    band: bool = True

    def parameters(self) -> dict[str, Any]:
        """What links of the page carry on."""
        given = {"from": self.start, "to": self.to, "text": self.text, "band": "" if self.band else "0"}
        return {**given, "series": self.series} if self.series >= 0 else {**given}
