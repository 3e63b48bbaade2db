"""What the calendar does to findings: held back in maintenance, expected while a job runs, put to a change.

Nothing is lost: a finding that is held back and still open when its window ends is told then, and an
expected one that outlasts its time gets its severity back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from stormpetrel.context.telling import NAME
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Once
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.resource import UNKNOWN_ENTITY, root_of
from stormpetrel.model.time import to_seconds

T = TypeVar("T")

# Findings remembered of each sort, and changes; the oldest are forgotten beyond it.
_REMEMBERED = 10_000
_CHANGES = 500
_DEPLOY = "deploy"


@dataclass(frozen=True, slots=True)
class Expectation:
    """Why a finding is expected: the job, whether anybody said so, and until when."""

    key: str
    title: str
    presumed: bool
    until_unix_nano: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """A change that findings soon after it may come from; `kind` as whoever told of it calls it."""

    time_unix_nano: int
    until_unix_nano: int
    entity: str
    text: str
    entry: CalendarEntry
    kind: str = "deploy"

    def about(self, entity: str) -> bool:
        """Whether it concerns an entity; one that names nobody concerns all."""
        return self.entity in ("", UNKNOWN_ENTITY) or root_of(self.entity) == root_of(entity)


class Marks:
    """Goes over finding changes, in order. One thread.

    Args:
        maintained: the title of the maintenance window that covers (entity, series, time), or None.
        expected: why a finding is expected at a time, or None.
        accounted: whether a job's own run accounts for a time: it still runs, or was overlong.
    """

    def __init__(
        self,
        maintained: Callable[[str, int, int], str | None],
        expected: Callable[[Finding], Expectation | None],
        accounted: Callable[[str, int], bool],
    ) -> None:
        self._maintained = maintained
        self._expected = expected
        self._accounted = accounted
        self._held: OrderedDict[str, tuple[Finding, str]] = OrderedDict()
        self._marked: OrderedDict[str, tuple[Finding, Expectation]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._changes: deque[Deployed] = deque(maxlen=_CHANGES)
        self.held_total = 0
        self.expected_total = 0

    def deployed(self, change: Deployed) -> None:
        """Remember a change."""
        self._changes.append(change)

    def deploys(self) -> list[CalendarEntry]:
        """The changes remembered, as entries of the calendar."""
        return [change.entry for change in self._changes]

    def deploying(self, entity: str, time_unix_nano: int) -> CalendarEntry | None:
        """The newest deploy that concerns an entity and is kept in mind at a moment; None without one."""
        for change in reversed(self._changes):
            inside = change.time_unix_nano <= time_unix_nano < change.until_unix_nano
            if inside and change.kind == _DEPLOY and change.about(entity):
                return change.entry
        return None

    def over(self, changes: list[Finding], now_unix_nano: int) -> list[Finding]:
        """The changes as they are to be told; those held back are left out."""
        kept = [self._one(finding, now_unix_nano) for finding in changes]
        return [finding for finding in kept if finding is not None]

    def _one(self, finding: Finding, now: int) -> Finding | None:
        key, closed = finding.finding_id, finding.state is FindingState.CLOSED
        if key in self._held:
            if closed:
                del self._held[key]
            else:
                self._held[key] = (finding, self._held[key][1])
            return None
        if key in self._marked:
            expectation = self._marked[key][1]
            self._keep(self._marked, key, (finding, expectation), closed)
            return _lowered(finding, expectation)
        if key in self._told:
            self._keep(self._told, key, None, closed)
            return finding
        return self._new(finding, now)

    def _new(self, finding: Finding, now: int) -> Finding | None:
        key, closed = finding.finding_id, finding.state is FindingState.CLOSED
        window = self._maintained(finding.entity, finding.evidence.series, now)
        if window is not None:
            self.held_total += 1
            self._keep(self._held, key, (finding, window), closed)
            return None
        finding = self._named(finding)
        # That a job misbehaves is never expected by the job.
        expectation = self._expected(finding) if finding.detector != NAME else None
        if expectation is None:
            self._keep(self._told, key, None, closed)
            return finding
        self.expected_total += 1
        self._keep(self._marked, key, (finding, expectation), closed)
        return _lowered(finding, expectation)

    @staticmethod
    def _keep(table: OrderedDict[str, T], key: str, value: T, closed: bool) -> None:
        if closed:
            table.pop(key, None)
            return
        table[key] = value
        if len(table) > _REMEMBERED:
            table.popitem(last=False)

    def _named(self, finding: Finding) -> Finding:
        """The finding with the newest change that may be behind it."""
        start = finding.start_unix_nano
        for change in reversed(self._changes):
            near = change.time_unix_nano <= start < change.until_unix_nano
            if near and change.about(finding.entity):
                ago = to_seconds(start - change.time_unix_nano)
                text = f"{change.text}, {ago:.0f} seconds before"
                return replace(finding, attributes={**(finding.attributes or {}), "change": text})
        return finding

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """What is to be told now that time is here: held findings whose window ended, outlasting ones."""
        changes = []
        for key, (finding, window) in list(self._held.items()):
            if self._maintained(finding.entity, finding.evidence.series, now_unix_nano) is None:
                del self._held[key]
                noted = {**(finding.attributes or {}), "held_by": window}
                why = f"{finding.why} It began while {window} was under way, and outlasts it."
                self._keep(self._told, key, None, False)
                changes.append(replace(finding, attributes=noted, why=why))
        for key, (finding, expectation) in list(self._marked.items()):
            late = now_unix_nano > expectation.until_unix_nano
            if late and not self._accounted(expectation.key, now_unix_nano):
                del self._marked[key]
                noted = {**(finding.attributes or {}), "outlasted": expectation.title}
                why = f"{finding.why} It outlasts {expectation.title}, in whose time it began."
                self._keep(self._told, key, None, False)
                changes.append(replace(finding, attributes=noted, why=why))
        return changes


def _lowered(finding: Finding, expectation: Expectation) -> Finding:
    """The finding as expected: it opens no incident, and says why."""
    who = "learned, not confirmed yet" if expectation.presumed else "in the calendar"
    noted = {**(finding.attributes or {}), "expected": f"expected by {expectation.title} ({who})"}
    return replace(finding, severity=min(finding.severity, Severity.INFO), attributes=noted)


def deploy_entry(
    change_id: str, title: str, entity: str, span: tuple[int, int], source: str
) -> CalendarEntry:
    """A change as an entry of the calendar."""
    return CalendarEntry(
        entry_id=f"deploy:{change_id}",
        kind=EntryKind.DEPLOY,
        title=title,
        scopes=("*",) if entity in ("", UNKNOWN_ENTITY) else (entity,),
        recurrence=Once(*span),
        source=source,
        train=True,
    )
