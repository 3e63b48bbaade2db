"""What follows from what people say of a cause, and what of it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explain.verdict_scenes import MARCH, told, verdict

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.explain.scoreboard import BANDS, behind, scoreboard_of, scored, share_of
from stormpetrel.explain.verdicts import (
    MOST_RULED_OUT,
    MOST_TOLD,
    counting,
    follow,
    replaces,
    taken_back,
    told_of,
)
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis
from stormpetrel.model.cause_verdict import CauseOutcome, CauseSaying, CauseStatement, CauseVerdict
from stormpetrel.model.scoreboard import Measure, ScoreFilter

IT, NOT_IT, ELSE, NONE = CauseSaying.IT, CauseSaying.NOT_IT, CauseSaying.SOMETHING_ELSE, CauseSaying.NO_CAUSE
START = verdict(CauseOutcome.UNDECIDED, number=0)
ENTITIES = ("a", "b", "c", "d", "elsewhere", "")
statements = st.builds(
    CauseStatement,
    st.sampled_from(CauseSaying),
    st.sampled_from(ENTITIES),
    st.sampled_from(("", "words", " x ")),
)
outcomes = st.sampled_from([one for one in CauseOutcome if one is not CauseOutcome.TAKEN_BACK])
verdicts = st.lists(
    st.builds(
        lambda outcome, entity, ranking, out, number: verdict(
            outcome, entity if outcome is CauseOutcome.IT else "", ranking, out, number
        ),
        outcomes,
        st.sampled_from("abcd"),
        st.builds(
            lambda found, certainty: told("a", "b", "c", "d", found=found, certainty=certainty),
            st.booleans(),
            st.floats(0.0, 1.0),
        ),
        st.lists(st.sampled_from("abcd"), unique=True),
        st.integers(1, 10**6),
    ),
    max_size=40,
)


def after(*said: CauseStatement) -> CauseVerdict:
    now = START
    for one in said:
        now = follow(now, one)
    return now


@given(st.lists(st.one_of(st.none(), statements), max_size=30))
def test_whatever_is_said_the_state_is_sound(said: list[CauseStatement | None]) -> None:
    now = START
    for one in said:
        before = now
        try:
            now = taken_back(now) if one is None else follow(now, one)
        except (NotFoundError, StateError):
            continue
        assert len(now.ruled_out) == len(set(now.ruled_out)) <= MOST_RULED_OUT
        assert set(now.ruled_out) <= {cause.entity for cause in now.told.causes}
        assert now.entity not in now.ruled_out or not now.entity
        assert (now.outcome is CauseOutcome.IT) == (now.told.place(now.entity) > 0)
        assert bool(now.entity) <= (now.outcome in (CauseOutcome.IT, CauseOutcome.SOMETHING_ELSE))
        if one is None:
            assert counting([now]) is None
            assert (now.entity, now.text, now.ruled_out) == ("", "", ())
        else:
            assert counting([now, before]) is now
            assert follow(now, one) == now, "to say it once more changes nothing"
            expected = {IT: CauseOutcome.IT, ELSE: CauseOutcome.SOMETHING_ELSE, NONE: CauseOutcome.NO_CAUSE}
            assert now.outcome is expected.get(one.said, now.outcome)


def test_the_last_word_counts() -> None:
    assert after(CauseStatement(IT, "a"), CauseStatement(IT, "b")).entity == "b"
    assert after(CauseStatement(IT, "a"), CauseStatement(NOT_IT, "a")).outcome is CauseOutcome.UNDECIDED
    kept = after(CauseStatement(NOT_IT, "a"), CauseStatement(NOT_IT, "b"), CauseStatement(IT, "b"))
    assert (kept.outcome, kept.entity, kept.ruled_out) == (CauseOutcome.IT, "b", ("a",))
    other = after(CauseStatement(IT, "a"), CauseStatement(NOT_IT, "b"))
    assert (other.entity, other.ruled_out) == ("a", ("b",)), "what is said of b says nothing of a"
    again = follow(taken_back(other), CauseStatement(NOT_IT, "c"))
    assert again.ruled_out == ("c",), "what was taken back does not come back"


def test_what_cannot_be_said() -> None:
    for statement, error in (
        (CauseStatement(IT, "elsewhere"), NotFoundError),
        (CauseStatement(NOT_IT, ""), NotFoundError),
        (CauseStatement(ELSE, "b"), StateError),
        (CauseStatement(ELSE, " ", "  "), StateError),
    ):
        with pytest.raises(error):
            follow(START, statement)
    with pytest.raises(StateError):
        taken_back(taken_back(START))
    long = follow(START, CauseStatement(ELSE, "x" * 999, "y" * 999))
    assert (len(long.entity), len(long.text)) == (300, 500)


def test_what_is_kept_of_a_diagnosis_is_bounded() -> None:
    causes = tuple(Cause("e" * 999 + str(n), "", CauseClass.CODE, 1.0, (), "c" * 999) for n in range(20))
    kept = told_of(Diagnosis(1, causes, (), "c" * 999, 0.6, True, ()), MARCH)
    assert (len(kept.causes), len(kept.causes[0].entity), len(kept.change_id)) == (MOST_TOLD, 300, 300)
    assert not told_of(Diagnosis(1, (), (), "", 0.6, True, ()), MARCH).found


def test_what_was_told_of_a_whole_incident_stays() -> None:
    before, new, gone = told("a", at=10), told("b", at=30), told(at=30)
    assert replaces(new, None, 0, judged=False)
    assert replaces(new, before, 0, judged=False), "it is under way"
    assert not replaces(replace(before, time_unix_nano=30), before, 0, judged=False), "nothing new"
    assert replaces(new, before, 20, judged=False), "the first answer after it was resolved"
    assert not replaces(new, before, 5, judged=False), "there was one already"
    assert not replaces(new, before, 20, judged=True), "people said something of it"
    assert not replaces(gone, before, 0, judged=False), "its rows are gone"


def test_a_verdict_decides_what_it_decides() -> None:
    first, three, none = Measure.FIRST, Measure.THREE, Measure.NO_CAUSE
    silent = told("a", "b", "c", "d", found=False)
    for one, right in (
        (verdict(CauseOutcome.IT, "a"), {first: True, three: True}),
        (verdict(CauseOutcome.IT, "c"), {first: False, three: True}),
        (verdict(CauseOutcome.IT, "d"), {first: False, three: False}),
        (verdict(CauseOutcome.SOMETHING_ELSE, "x"), {first: False, three: False}),
        (verdict(CauseOutcome.NO_CAUSE), {first: False, three: False}),
        (verdict(CauseOutcome.UNDECIDED, ruled_out="b"), {}),
        (verdict(CauseOutcome.UNDECIDED, ruled_out="a"), {first: False}),
        (verdict(CauseOutcome.UNDECIDED, ruled_out="abc"), {first: False, three: False}),
        (verdict(CauseOutcome.NO_CAUSE, ranking=silent), {none: True}),
        (verdict(CauseOutcome.IT, "a", silent), {none: False}),
        (verdict(CauseOutcome.SOMETHING_ELSE, "x", silent), {none: False}),
        (verdict(CauseOutcome.UNDECIDED, ranking=silent, ruled_out="a"), {}),
    ):
        assert scored(one).right == right, one


@given(verdicts)
def test_every_number_is_the_count_of_the_incidents_behind_it(given_: list[CauseVerdict]) -> None:
    board = scoreboard_of(given_, 100)
    assert board.verdicts == len(given_)
    for measure in Measure:
        share = board.overall[measure]
        found = behind(given_, ScoreFilter(measure))
        assert (share.total, share.right) == (len(found), len(behind(given_, ScoreFilter(measure, True))))
        for rows in (board.by_class, board.by_month):
            assert sum(row.shares[measure].total for row in rows) == share.total
        for row in board.by_class:
            chosen = ScoreFilter(measure, cause_class=CauseClass(row.group))
            assert row.shares[measure].total == len(behind(given_, chosen))
    told_first = board.overall[Measure.FIRST]
    assert sum(row.share.total for row in board.reliability) == told_first.total
    assert sum(row.share.right for row in board.reliability) == told_first.right
    for band in board.reliability:
        assert band.least <= band.mean <= band.most
        inside = behind(given_, ScoreFilter(Measure.FIRST, certainty=band.least))
        assert len(inside) == band.share.total


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_share_and_narrows(right: int, wrong: int) -> None:
    share = share_of(right, right + wrong)
    assert 0.0 <= share.low <= share.high <= 1.0
    if share.total:
        assert share.low <= share.ratio + 1e-12
        assert share.ratio <= share.high + 1e-12
        more = share_of(10 * right, 10 * share.total)
        assert more.high - more.low < share.high - share.low
    assert share.enough == (right + wrong >= 10)


def test_months_are_bounded_and_newest_first() -> None:
    many = [
        replace(verdict(CauseOutcome.IT, "a"), incident_start_unix_nano=n * 31 * 86_400 * 10**9)
        for n in range(60)
    ]
    months = [row.group for row in scoreboard_of(many, 100).by_month]
    assert len(months) == 24
    assert months == sorted(months, reverse=True)
    assert BANDS[0] == 0.0
