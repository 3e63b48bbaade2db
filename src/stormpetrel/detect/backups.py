"""Backups that failed, are overdue, or could not be restored, as findings."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import xxhash

from stormpetrel.detect import wording
from stormpetrel.model.backup import BackupReport, BackupStanding
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity, closed_unheard
from stormpetrel.model.time import to_iso, to_seconds

NAME, VERSION = "backups", 1
FAILED, OVERDUE, NOT_RESTORED = "failed", "overdue", "not_restored"
_NEVER = 1 << 62
_SEVERITY = {FAILED: Severity.WARNING, OVERDUE: Severity.ERROR, NOT_RESTORED: Severity.ERROR}

Key = tuple[str, str]  # entity, head


class BackupBook:
    """How all entities stand by their backups; whoever takes reports writes it, the watch reads it.

    Thread-safe. It is bounded by whoever writes: as many entities as the control store keeps.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: dict[str, BackupStanding] = {}
        self._version = 0

    def put(self, standings: Iterable[BackupStanding]) -> None:
        """Replace what is known of these entities."""
        with self._lock:
            self._standings.update((one.entity, one) for one in standings)
            self._version += 1

    def read(self) -> tuple[int, list[BackupStanding]]:
        """A number that grows with every change, and all of them by entity."""
        with self._lock:
            return self._version, [self._standings[name] for name in sorted(self._standings)]

    @property
    def version(self) -> int:
        """That number alone."""
        return self._version


class BackupWatch:
    """At most one open finding an entity of each head; deterministic, in event time.

    `failed`: the newest backup did not succeed. `overdue`: no good backup finished within the recovery point
    objective. `not_restored`: the newest restore test did not succeed. Each closes with the report that says
    otherwise. An entity of which nothing was ever reported is not watched, so a backup that never told of
    itself is not missed. Fails where a sender's clock is wrong: age is measured from what it says.

    Cost: O(entities) when a report came or an objective passes, else O(1).

    Args:
        book: the standings.
        objective: the recovery point objective of an entity in nanoseconds; 0: none.
    """

    name = NAME

    def __init__(self, book: BackupBook, objective: Callable[[str], int]) -> None:
        self._book = book
        self._objective = objective
        self._open: dict[Key, Finding] = {}
        self._version = -1
        self._now = self._next = 0

    def resume(self, findings: Iterable[Finding]) -> set[str]:
        """Take over what was told before a restart and is still open; the ids of what is taken over.

        What the reports no longer bear out closes with the next `advance`, in the usual words.
        """
        taken = set()
        for finding in findings:
            if finding.detector == NAME and finding.head in _SEVERITY:
                self._open[finding.entity, finding.head] = finding
                taken.add(finding.finding_id)
        self._version = -1
        return taken

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Finding changes at `now`."""
        went_back = now_unix_nano < self._now
        self._now = now_unix_nano
        if self._book.version == self._version and now_unix_nano < self._next and not went_back:
            return []
        self._version, standings = self._book.read()
        self._next = min((self._due(one, now_unix_nano) for one in standings), default=_NEVER)
        wanted = {(one.entity, one.head): one for s in standings for one in self._findings(s, now_unix_nano)}
        by_entity = {one.entity: one for one in standings}
        changes = []
        for key in sorted(self._open):
            before, after = self._open[key], wanted.get(key)
            if after is None or after.finding_id != before.finding_id:
                changes.append(_closed(before, by_entity.get(key[0]), now_unix_nano))
                del self._open[key]
        for key in sorted(wanted.keys() - self._open.keys()):
            self._open[key] = wanted[key]
            changes.append(wanted[key])
        return changes

    def _due(self, standing: BackupStanding, now: int) -> int:
        """When an objective that still holds will have passed."""
        objective = self._objective(standing.entity)
        if standing.newest is None or not objective:
            return _NEVER
        due = _basis(standing) + objective
        return due if due > now else _NEVER

    def _findings(self, standing: BackupStanding, now: int) -> Iterator[Finding]:
        if standing.newest is not None and not standing.newest.ok:
            yield _failed(standing.newest, standing, now)
        objective = self._objective(standing.entity)
        if standing.newest is not None and objective and _basis(standing) + objective <= now:
            yield _overdue(standing, objective, now)
        if standing.test is not None and not standing.test.ok:
            yield _not_restored(standing.test, now)


def _basis(standing: BackupStanding) -> int:
    """Since when there is no good backup: the end of the last one, else the first that was heard of."""
    return standing.since_unix_nano if standing.good is None else standing.good.finished_unix_nano


def _failed(report: BackupReport, standing: BackupStanding, now: int) -> Finding:
    good = (
        f"The last good one ended at {to_iso(standing.good.finished_unix_nano)}."
        if standing.good is not None
        else "No good one is known."
    )
    why = (
        f"{_name(report)} of {report.entity} ended at {to_iso(report.finished_unix_nano)} and did not succeed"
    )
    return _finding(
        FAILED, report.finished_unix_nano, now, report,
        (f"backup failed: {report.entity}", f"{why}{_said(report)}. {good}"), (0.0, 1.0),
    )  # fmt: skip


def _overdue(standing: BackupStanding, objective: int, now: int) -> Finding:
    basis = _basis(standing)
    last = (
        f"the last good backup of {standing.entity} ended at {to_iso(basis)}"
        if standing.good is not None
        else f"no backup of {standing.entity} succeeded since {to_iso(basis)}"
    )
    allowed = wording.duration(to_seconds(objective))
    why = f"A good backup should be no older than {allowed}; {last}."
    report = standing.good or standing.newest
    assert report is not None  # noqa: S101 - `newest` is there wherever this is called
    return _finding(
        OVERDUE, basis + objective, now, report,
        (f"backup overdue: {standing.entity}", why), (to_seconds(now - basis), to_seconds(objective)),
    )  # fmt: skip


def _not_restored(report: BackupReport, now: int) -> Finding:
    which = "the newest backup" if report.proves == "latest" else f"the backup {report.proves}"
    why = (
        f"Restoring {which} of {report.entity} was tried with {report.tool} until"
        f" {to_iso(report.finished_unix_nano)} and did not succeed{_said(report)}."
    )
    return _finding(
        NOT_RESTORED, report.finished_unix_nano, now, report,
        (f"backup cannot be restored: {report.entity}", why), (0.0, 1.0),
    )  # fmt: skip


def _finding(
    head: str,
    start: int,
    now: int,
    report: BackupReport,
    words: tuple[str, str],
    measured: tuple[float, float],
) -> Finding:
    entity = report.entity
    observed, expected = measured
    seconds = head == OVERDUE
    return Finding(
        finding_id=xxhash.xxh128_hexdigest(f"{NAME}\0{entity}\0{head}\0{start}".encode()),
        detector=NAME,
        model_version=VERSION,
        head=head,
        entity=entity,
        title=words[0],
        why=words[1],
        severity=_SEVERITY[head],
        state=FindingState.OPEN,
        start_unix_nano=start,
        end_unix_nano=max(start, now),
        evidence=Evidence(
            signal="backup", query=entity, series=-1, start_unix_nano=start, end_unix_nano=max(start, now),
            observed=observed, expected=expected, low=0.0 if seconds else math.nan,
            high=expected if seconds else math.nan,
            p_value=1.0,  # a rule, not a statistic
            unit="seconds" if seconds else "",
        ),
        attributes={"tool": report.tool, "backup_id": report.backup_id, "source": report.source},
    )  # fmt: skip


def _closed(finding: Finding, standing: BackupStanding | None, now: int) -> Finding:
    report = None
    if standing is not None:
        report = standing.test if finding.head == NOT_RESTORED else standing.newest
    ended = replace(finding, end_unix_nano=now, evidence=replace(finding.evidence, end_unix_nano=now))
    if report is None:
        return closed_unheard(ended, now, "It is no longer known.")
    if report.ok:
        what = f"{_name(report)} succeeded at {to_iso(report.finished_unix_nano)}."
    else:
        what = "A later one is told of in its place."
    return replace(ended, state=FindingState.CLOSED, why=f"{finding.why} {what}")


def _name(report: BackupReport) -> str:
    return f"{report.tool} {report.backup_id[:60]}"


def _said(report: BackupReport) -> str:
    return f" ({report.detail[:200]})" if report.detail else ""
