"""The watch: late, missing, overlong, failed, unknown; each told once, and taken back when it is over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.times import at, entry

from stormpetrel.context.jobs import Duty, JobWatch, around
from stormpetrel.model.calendar import Cron, EntryKind, Every, Watch
from stormpetrel.model.finding import Finding, FindingState, Severity

DAY, HOUR, MINUTE = 86_400 * 10**9, 3600 * 10**9, 60 * 10**9
MIDNIGHT = at("2026-05-04")
TWO = MIDNIGHT + 2 * HOUR


def duty(late: float = 600.0, usual: float = 1800.0, overlong: float = 900.0) -> Duty:
    watch = Watch("backup", (), late, overlong)
    return Duty(
        entry(Cron("0 2 * * *", "UTC", usual), EntryKind.EXPECTED_JOB, ("host:h",), "job", watch),
        "host:h", "It is in the calendar (config).",
    )  # fmt: skip


def watching(observed: bool = True, since: int = MIDNIGHT, **rest: float) -> JobWatch:
    watch = JobWatch(lambda *_: observed)
    assert watch.watch([duty(**rest)], since) == []
    return watch


def run_to(watch: JobWatch, start: int, end: int, step: int = MINUTE) -> list[Finding]:
    return [finding for now in range(start, end, step) for finding in watch.advance(now)]


def test_a_job_in_time_says_nothing() -> None:
    watch = watching()
    found = run_to(watch, MIDNIGHT, TWO)
    found += watch.began("job", TWO + MINUTE) + run_to(watch, TWO + MINUTE, TWO + 30 * MINUTE)
    found += watch.ended("job", TWO + 30 * MINUTE) + run_to(watch, TWO + 30 * MINUTE, MIDNIGHT + DAY)
    assert found == []
    view = watch.views(MIDNIGHT + DAY)[0]
    assert view.state == "ran"
    assert view.next_unix_nano == TWO + DAY


def test_a_job_that_does_not_come_is_late_then_missing_under_one_id() -> None:
    watch = watching()
    late, missing = run_to(watch, MIDNIGHT, MIDNIGHT + DAY)
    assert (late.head, missing.head) == ("late", "missing")
    assert late.finding_id == missing.finding_id
    assert late.end_unix_nano == TWO + 10 * MINUTE
    assert missing.end_unix_nano == TWO + 40 * MINUTE
    assert missing.severity is Severity.WARNING
    assert "was due at 02:00 UTC and did not run by 02:40 UTC; it usually takes 30 minutes" in missing.why
    assert "no heartbeat backup came" in missing.why
    closed = watch.began("job", TWO + DAY)
    assert [f.state for f in closed] == [FindingState.CLOSED]
    assert closed[0].finding_id == missing.finding_id


def test_a_late_job_that_comes_closes_with_how_late_it_was() -> None:
    watch = watching()
    assert len(run_to(watch, MIDNIGHT, TWO + 20 * MINUTE)) == 1
    closed = watch.began("job", TWO + 20 * MINUTE)
    assert "It began at 02:20 UTC, 20 minutes after that time." in closed[0].why
    assert run_to(watch, TWO + 20 * MINUTE, TWO + HOUR) == []


def test_an_overlong_job_is_told_once_and_accounts_for_its_after_effects() -> None:
    watch = watching()
    run_to(watch, MIDNIGHT, TWO)
    watch.began("job", TWO)
    told = run_to(watch, TWO, TWO + 2 * HOUR)
    assert [f.head for f in told] == ["overlong"]
    assert told[0].end_unix_nano == TWO + 46 * MINUTE
    assert watch.accounts_for("job", TWO + HOUR)
    closed = watch.ended("job", TWO + 2 * HOUR)
    assert closed[0].state is FindingState.CLOSED
    assert "It ended at 04:00 UTC after 2 hours." in closed[0].why
    assert watch.accounts_for("job", TWO + 2 * HOUR + 5 * MINUTE)
    assert not watch.accounts_for("job", TWO + 3 * HOUR)


def test_what_could_not_be_seen_is_unknown_not_missing() -> None:
    watch = watching(observed=False)
    assert run_to(watch, MIDNIGHT, MIDNIGHT + DAY) == []
    assert watch.views(MIDNIGHT + DAY)[0].state == "unknown"


def test_what_was_due_before_anybody_watched_is_not_judged() -> None:
    watch = watching(since=TWO + 5 * MINUTE)
    assert run_to(watch, TWO + 5 * MINUTE, TWO + DAY) == []
    assert run_to(watch, TWO + DAY, TWO + DAY + HOUR) != []


def test_two_missing_nights_are_two_findings_and_the_first_closes() -> None:
    watch = watching()
    found = run_to(watch, MIDNIGHT, MIDNIGHT + 2 * DAY)
    assert [f.head for f in found if f.state is FindingState.OPEN] == ["late", "missing", "late", "missing"]
    assert [f.why[-20:] for f in found if f.state is FindingState.CLOSED] == ["It is missing again."]
    assert len({f.finding_id for f in found}) == 2


def test_a_failed_job_is_told_and_closes_when_it_begins_again() -> None:
    watch = watching()
    watch.began("job", TWO)
    failed = watch.ended("job", TWO + 10 * MINUTE, failed=True)
    assert [f.head for f in failed] == ["failed"]
    assert "It began again at 02:15 UTC." in watch.began("job", TWO + 15 * MINUTE)[0].why


def test_a_job_that_leaves_the_calendar_takes_its_finding_along() -> None:
    watch = watching()
    run_to(watch, MIDNIGHT, TWO + HOUR)
    closed = watch.watch([], TWO + HOUR)
    assert closed[0].state is FindingState.CLOSED
    assert run_to(watch, TWO + HOUR, TWO + 2 * DAY) == []


def test_a_missing_job_goes_on_after_a_restart_until_it_is_seen() -> None:
    missing = run_to(watching(), MIDNIGHT, TWO + HOUR)[-1]
    again = watching(since=TWO + HOUR)
    assert again.resume([missing]) == {missing.finding_id}
    assert run_to(again, TWO + HOUR, TWO + 5 * HOUR) == []
    closed = again.began("job", TWO + 5 * HOUR)
    assert [(f.finding_id, f.state) for f in closed] == [(missing.finding_id, FindingState.CLOSED)]
    assert JobWatch(lambda *_: True).resume([missing]) == set()


steps = st.lists(
    st.tuples(st.sampled_from(["advance", "began", "ended", "failed"]), st.integers(1, 400)), max_size=40
)


@settings(deadline=None)
@given(steps=steps)
def test_whatever_happens_at_most_one_finding_is_open_and_the_same_input_gives_the_same(
    steps: list[tuple[str, int]],
) -> None:
    def live() -> list[Finding]:
        watch, now, told = watching(), MIDNIGHT, list[Finding]()
        for what, minutes in steps:
            now += minutes * MINUTE
            if what == "advance":
                told += watch.advance(now)
            elif what == "began":
                told += watch.began("job", now)
            else:
                told += watch.ended("job", now, what == "failed")
        return told

    told = live()
    assert told == live()
    open_now: set[str] = set()
    for finding in told:
        (open_now.discard if finding.state is FindingState.CLOSED else open_now.add)(finding.finding_id)
        assert len(open_now) <= 1


def test_around_finds_what_recurs_often_and_rarely() -> None:
    often = entry(Every(120.0, 15.0, "UTC", 20.0))
    assert around(often, MIDNIGHT) == (MIDNIGHT - 105 * 10**9, MIDNIGHT + 15 * 10**9)
    yearly = entry(Cron("0 0 24 12 *", "UTC", 60.0))
    assert around(yearly, MIDNIGHT) == (at("2025-12-24"), at("2026-12-24"))
