"""Backups as findings: told once, closed by the report that says otherwise, the same after any restart."""

from __future__ import annotations

import dataclasses
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stormpetrel.detect.backups import FAILED, NAME, NOT_RESTORED, OVERDUE, BackupBook, BackupWatch
from stormpetrel.model.backup import LATEST, BackupKind, BackupReport, BackupStanding, standing_of
from stormpetrel.model.finding import Finding, FindingState, Severity, unheard_since
from stormpetrel.model.time import from_seconds

HOUR = from_seconds(3600)
T0 = 1_700_000_000_000_000_000
OBJECTIVE = 24 * HOUR


def report(
    hours: float, *, ok: bool = True, proves: str = "", entity: str = "database:orders", tool: str = "borg",
    name: str = "",
) -> BackupReport:  # fmt: skip
    """A backup, or a test of one, that finished so many hours after T0."""
    kind = BackupKind.RESTORE_TEST if proves else BackupKind.BACKUP
    end = T0 + int(hours * HOUR)
    return BackupReport(
        entity,
        tool,
        name or f"{kind.value} {hours}",
        kind,
        end - HOUR // 2,
        end,
        7,
        ok,
        proves,
        "cron",
        "said",
    )


def watch_of(*reports: BackupReport) -> tuple[BackupWatch, BackupBook]:
    book = BackupBook()
    put(book, *reports)
    return BackupWatch(book, lambda _: OBJECTIVE), book


def put(book: BackupBook, *reports: BackupReport) -> None:
    book.put(standing_of(one, [r for r in reports if r.entity == one]) for one in {r.entity for r in reports})


def test_an_entity_that_never_reported_is_not_watched() -> None:
    watch, _ = watch_of()
    assert watch.advance(T0 + 1000 * HOUR) == []


def test_a_backup_is_overdue_from_its_objective_on_and_a_good_one_ends_it() -> None:
    watch, book = watch_of(report(0))
    assert watch.advance(T0 + OBJECTIVE - 1) == []
    (opened,) = watch.advance(T0 + OBJECTIVE)
    assert (opened.head, opened.severity, opened.state) == (OVERDUE, Severity.ERROR, FindingState.OPEN)
    assert opened.start_unix_nano == T0 + OBJECTIVE
    assert opened.why == (
        "A good backup should be no older than 24 hours; the last good backup of database:orders ended at"
        " 2023-11-14T22:13:20.000Z."
    )
    assert watch.advance(T0 + OBJECTIVE + HOUR) == []
    put(book, report(0), report(26))
    (closed,) = watch.advance(T0 + 27 * HOUR)
    assert (closed.finding_id, closed.state) == (opened.finding_id, FindingState.CLOSED)
    assert closed.why.endswith("borg backup 26 succeeded at 2023-11-16T00:13:20.000Z.")
    assert [one.head for one in watch.advance(T0 + 50 * HOUR)] == [OVERDUE]


def test_a_backup_that_failed_is_told_at_once_and_each_failure_anew() -> None:
    watch, book = watch_of(report(0), report(1, ok=False))
    (opened,) = watch.advance(T0 + 2 * HOUR)
    assert (opened.head, opened.severity) == (FAILED, Severity.WARNING)
    assert "did not succeed (said). The last good one ended at 2023-11-14T22:13:20.000Z." in opened.why
    put(book, report(0), report(1, ok=False), report(3, ok=False))
    closed, again = watch.advance(T0 + 3 * HOUR)
    assert (closed.state, again.state) == (FindingState.CLOSED, FindingState.OPEN)
    assert closed.finding_id != again.finding_id
    assert closed.why.endswith("A later one is told of in its place.")


def test_where_none_ever_succeeded_it_is_overdue_since_the_first() -> None:
    watch, _ = watch_of(report(0, ok=False), report(20, ok=False))
    found = {one.head: one for one in watch.advance(T0 + OBJECTIVE)}
    assert set(found) == {FAILED, OVERDUE}
    assert "No good one is known." in found[FAILED].why
    assert "no backup of database:orders succeeded since 2023-11-14T22:13:20.000Z" in found[OVERDUE].why


def test_a_backup_that_cannot_be_restored_is_told_until_one_can() -> None:
    watch, book = watch_of(report(0), report(1, ok=False, proves="backup 0"))
    (opened,) = watch.advance(T0 + 2 * HOUR)
    assert (opened.head, opened.severity) == (NOT_RESTORED, Severity.ERROR)
    assert opened.why.startswith("Restoring the backup backup 0 of database:orders was tried with borg until")
    put(book, report(0), report(1, ok=False, proves="backup 0"), report(3, proves=LATEST))
    (closed,) = watch.advance(T0 + 4 * HOUR)
    assert closed.state is FindingState.CLOSED


def test_objectives_differ_and_may_be_none() -> None:
    book = BackupBook()
    put(book, report(0, entity="host:a"), report(0, entity="host:b"), report(0, entity="host:c"))
    objective = {"host:a": HOUR, "host:b": 3 * HOUR, "host:c": 0}
    watch = BackupWatch(book, objective.__getitem__)
    assert [one.entity for one in watch.advance(T0 + 2 * HOUR)] == ["host:a"]
    assert [one.entity for one in watch.advance(T0 + 3 * HOUR)] == ["host:b"]
    assert watch.advance(T0 + 9000 * HOUR) == []


def test_a_restore_test_alone_is_no_backup_that_could_be_overdue() -> None:
    watch, _ = watch_of(report(0, proves="elsewhere"))
    assert watch.advance(T0 + 9000 * HOUR) == []


def test_a_clock_that_went_back_takes_back_what_it_told() -> None:
    watch, _ = watch_of(report(0))
    (opened,) = watch.advance(T0 + 30 * HOUR)
    (closed,) = watch.advance(T0 + HOUR)
    assert closed.finding_id == opened.finding_id
    assert [one.finding_id for one in watch.advance(T0 + 30 * HOUR)] == [opened.finding_id]


def test_what_no_report_is_left_of_is_unknown() -> None:
    watch, _ = watch_of(report(0))
    (opened,) = watch.advance(T0 + 30 * HOUR)
    again = BackupWatch(BackupBook(), lambda _: OBJECTIVE)
    again.resume([opened])
    (closed,) = again.advance(T0 + 31 * HOUR)
    assert closed.why.endswith("It is no longer known.")
    assert unheard_since(closed) == T0 + 31 * HOUR


def test_findings_of_others_are_not_taken_over() -> None:
    watch, _ = watch_of(report(0))
    (opened,) = watch.advance(T0 + 30 * HOUR)
    other = dataclasses.replace(opened, detector="jobs")
    assert BackupWatch(BackupBook(), lambda _: 0).resume([other]) == set()


# ------------------------------------------------------------------------------------------- standing

reports = st.builds(
    BackupReport,
    st.just("host:a"), st.sampled_from(["borg", "restic"]), st.sampled_from(["1", "2", "3", "4"]),
    st.sampled_from(BackupKind), st.integers(0, 20), st.integers(0, 20), st.just(0), st.booleans(),
    st.sampled_from(["1", "2", "3", LATEST]),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(reports, max_size=12, unique_by=lambda one: one.key), st.randoms(use_true_random=False))
def test_a_standing_is_what_its_words_say(held: list[BackupReport], shuffling: Random) -> None:
    standing = standing_of("host:a", held)
    shuffled = list(held)
    shuffling.shuffle(shuffled)
    assert standing_of("host:a", shuffled) == standing
    good = [one for one in held if one.kind is BackupKind.BACKUP and one.ok]
    assert (standing.good is None) == (not good)
    if standing.good is not None:
        assert standing.good.finished_unix_nano == max(one.finished_unix_nano for one in good)
        assert standing.good_age_nanos(1000) == 1000 - standing.good.finished_unix_nano
    if standing.verified is None:
        assert standing.verified_age_nanos(0) is None
        return
    assert standing.verified in good
    tests = [
        one for one in held if one.kind is BackupKind.RESTORE_TEST and one.tool == standing.verified.tool
    ]
    assert any(
        one.ok and one.proves in (standing.verified.backup_id, LATEST)
        and one.finished_unix_nano >= standing.verified.finished_unix_nano
        for one in tests
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tests", "verified"),
    [
        ([], False),
        ([report(5, proves="backup 0")], True),
        ([report(5, proves="backup 0", ok=False)], False),
        ([report(5, proves="another")], False),
        ([report(5, proves="backup 0", tool="restic")], False),
        ([report(5, proves="backup 0", name="x"), report(6, proves="backup 0", ok=False, name="y")], False),
        ([report(5, proves="backup 0", ok=False, name="x"), report(6, proves="backup 0", name="y")], True),
        ([report(-1, proves="backup 0")], False),  # before there was one
        ([report(0.6, proves=LATEST)], True),
        ([report(0.4, proves=LATEST)], False),  # it began before the backup had finished
    ],
)
def test_what_a_restore_proves(tests: list[BackupReport], verified: bool) -> None:
    assert (standing_of("database:orders", [report(0), *tests]).verified is not None) is verified


# -------------------------------------------------------------------------------------------- machine


class Watching(RuleBasedStateMachine):
    """Reports, time and restarts in any order beside the plain words of the docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.book = BackupBook()
        self.watch = BackupWatch(self.book, lambda entity: OBJECTIVE if entity == "host:a" else HOUR)
        self.held: dict[tuple[str, str, str, str], BackupReport] = {}
        self.open: dict[str, Finding] = {}
        self.hours = 0.0

    @rule(
        entity=st.sampled_from(["host:a", "host:b"]), ok=st.booleans(),
        proves=st.sampled_from(["", "", LATEST]), ago=st.sampled_from([0.0, 0.25, 3.0]),
    )  # fmt: skip
    def told(self, entity: str, ok: bool, proves: str, ago: float) -> None:
        one = report(self.hours - ago, ok=ok, proves=proves, entity=entity)
        self.held[one.key] = one
        put(self.book, *self.held.values())

    @rule(hours=st.sampled_from([0.1, 0.9, 5.0, 30.0]))
    def passes(self, hours: float) -> None:
        self.hours += hours

    @rule()
    def restart(self) -> None:
        self.watch = BackupWatch(self.book, lambda entity: OBJECTIVE if entity == "host:a" else HOUR)
        assert self.watch.resume(self.open.values()) == set(self.open)

    @invariant()
    def what_is_open_is_what_holds(self) -> None:
        now = T0 + int(self.hours * HOUR)
        for change in self.watch.advance(now):
            if change.state is FindingState.OPEN:
                assert change.finding_id not in self.open
                self.open[change.finding_id] = change
            else:
                del self.open[change.finding_id]
        assert self.watch.advance(now) == []
        found = sorted((one.entity, one.head) for one in self.open.values())
        standings = [
            standing_of(name, [one for one in self.held.values() if one.entity == name])
            for name in ("host:a", "host:b")
        ]
        assert found == sorted(key for one in standings for key in self._expected(one, now))

    def _expected(self, standing: BackupStanding, now: int) -> list[tuple[str, str]]:
        heads = []
        objective = OBJECTIVE if standing.entity == "host:a" else HOUR
        if standing.newest is not None:
            since = standing.good.finished_unix_nano if standing.good else standing.since_unix_nano
            heads += [FAILED] if not standing.newest.ok else []
            heads += [OVERDUE] if now - since >= objective else []
        if standing.test is not None and not standing.test.ok:
            heads.append(NOT_RESTORED)
        return [(standing.entity, head) for head in heads]


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_the_name_is_that_of_its_findings() -> None:
    watch, _ = watch_of(report(0))
    assert {one.detector for one in watch.advance(T0 + 30 * HOUR)} == {NAME} == {BackupWatch.name}
