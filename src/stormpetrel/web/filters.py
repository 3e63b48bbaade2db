"""Query parameters as values: which log records, which series, which window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import LogRecord
from stormpetrel.model.time import Window, to_iso
from stormpetrel.web.windows import Span, moment, span

_LATEST = (1 << 63) - 1


class LogFilter(BaseModel):
    """Query parameters of `/logs` and `/api/v1/logs`; empty ones do not restrict.

    `text` is a case-insensitive substring; `severity` the least OpenTelemetry severity number; `before`
    continues a list towards the past (Unix nanoseconds, or what the page before gave as `next_before`);
    `mark` is a record to point out on the page.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    start: str = Field("", alias="from", max_length=40)
    to: str = Field("", max_length=40)
    text: str = Field("", max_length=400)
    entity: str = Field("", max_length=400)
    source: str = Field("", max_length=100)
    severity: int = Field(0, ge=0, le=24)
    trace: str = Field("", max_length=64)
    pattern: str = Field("", pattern=r"^([0-7][0-9a-f]{15}|[0-9a-f]{1,15})?$")
    before: str = Field("", pattern=r"^([0-9]{1,19}(\.[0-9]{1,7})?)?$")
    mark: int = Field(0, ge=0, le=(1 << 63) - 1)
    limit: int = Field(100, ge=1, le=1000)

    def span(self, now_unix_nano: int) -> Span:
        """The window asked for, the last hour when none was."""
        return span(self.start, self.to, now_unix_nano)

    def log_query(self, now_unix_nano: int) -> LogQuery:
        """The question to the store."""
        before, skip = self._place()
        return LogQuery(
            window=self.span(now_unix_nano).window,
            text=self.text,
            entity=self.entity,
            source=self.source,
            min_severity=self.severity,
            trace_id=self.trace,
            patterns=(int(self.pattern, 16),) if self.pattern else (),
            limit=self.limit,
            before_unix_nano=before,
            skip=skip,
        )

    def next_before(self, found: Sequence[LogRecord]) -> str | None:
        """Where the list goes on after this page of it; None where it ends.

        Records of one moment may fill more than a page: the place is a time, and how many of the records
        that are older were on a page already.

        >>> LogFilter().next_before([])
        """
        if len(found) < self.limit:
            return None
        before, skip = self._place()
        last = found[-1].time_unix_nano
        given = sum(record.time_unix_nano == last for record in found)
        return f"{last + 1}.{given + skip if before == last + 1 else given}"

    def _place(self) -> tuple[int, int]:
        before, _, skip = self.before.partition(".")
        return min(int(before or 0), _LATEST), int(skip or 0)

    def parameters(self) -> dict[str, Any]:
        """What links of the page carry on: everything but the position in the list."""
        given: dict[str, Any] = {"from": self.start, "to": self.to, "text": self.text, "entity": self.entity}
        given |= {"source": self.source, "severity": self.severity or "", "trace": self.trace}
        given |= {"pattern": self.pattern}
        return {name: value for name, value in given.items() if value}


class PairFilter(BaseModel):
    """The other window of `/compare`: the one of equal length before, when nothing is said."""

    model_config = ConfigDict(frozen=True)

    before_from: str = Field("", max_length=40)
    before_to: str = Field("", max_length=40)

    def first(self, second: Window) -> Window:
        """The window to compare with.

        Raises:
            BadRequestError: a text is no time, or the end is before the start.
        """
        length = second.end_unix_nano - second.start_unix_nano
        if not self.before_from and not self.before_to:
            return Window(max(second.start_unix_nano - length, 0), second.start_unix_nano)
        start = self.before_from or to_iso(max(moment(self.before_to, second.end_unix_nano) - length, 0))
        end = self.before_to or to_iso(second.start_unix_nano)
        return span(start, end, second.end_unix_nano).window

    def parameters(self) -> dict[str, Any]:
        """What links of the page carry on."""
        given = {"before_from": self.before_from, "before_to": self.before_to}
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
