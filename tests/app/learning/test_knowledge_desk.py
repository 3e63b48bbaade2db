"""Verdicts are about what was told, the last one counts, and what is refused changes nothing."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.knowledge import MOST_STATEMENTS, KnowledgeDesk
from stormpetrel.errors import NotFoundError, StateError, StoreError
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis
from stormpetrel.model.cause_verdict import CauseOutcome, CauseSaying, CauseStatement, CauseVerdict
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.scoreboard import Measure, ScoreFilter
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.knowledge import KEPT_TOLD
from stormpetrel.testing.check_control_store import sample_incident
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

HOUR = from_seconds(3600)
IT, NOT_IT, ELSE, NONE = CauseSaying.IT, CauseSaying.NOT_IT, CauseSaying.SOMETHING_ELSE, CauseSaying.NO_CAUSE


def diagnosis(*entities: str, found: bool = True) -> Diagnosis:
    causes = tuple(Cause(one, "", CauseClass.CODE, 3.0, ()) for one in entities)
    return Diagnosis(1, causes, (), "", 0.7, found, ())


def resolved(incident: Incident, at: int) -> Incident:
    return replace(incident, state=IncidentState.RESOLVED, resolved_unix_nano=at)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def desk(control: SqlControlStore, clock: FakeClock) -> KnowledgeDesk:
    return KnowledgeDesk(control, clock)


def test_a_verdict_keeps_what_was_told_then(desk: KnowledgeDesk, clock: FakeClock) -> None:
    incident = sample_incident(1)
    with pytest.raises(StateError, match="look at it first"):
        desk.say(incident, CauseStatement(NONE), "jo")
    desk.tell(incident, diagnosis("a", "b"))
    clock.advance(60.0)
    desk.tell(incident, diagnosis("b", "a"))
    desk.say(incident, CauseStatement(IT, "a"), "jo")
    clock.advance(60.0)
    desk.tell(incident, diagnosis("a", "b"))
    known = desk.of("i1")
    assert known.verdict is not None
    assert [one.entity for one in known.verdict.told.causes] == ["b", "a"]
    assert desk.scoreboard().overall[Measure.FIRST].right == 0, (
        "a later diagnosis is right, the told one was not"
    )
    assert desk.scoreboard().overall[Measure.THREE].right == 1
    assert (known.verdict.actor, known.verdict.time_unix_nano) == ("jo", NOW + from_seconds(60))
    desk.say(incident, CauseStatement(IT, "a"), "al")
    assert desk.scoreboard().overall[Measure.FIRST].right == 1, "said again, it is about what is told by now"


def test_a_verdict_is_of_the_ranking_that_its_author_looked_at(desk: KnowledgeDesk, clock: FakeClock) -> None:
    incident = sample_incident(1)
    desk.tell(incident, diagnosis("a", "b"))
    looked_at = desk.of("i1").told
    assert looked_at is not None
    for order in ("ba", "ca", "da"):
        clock.advance(60.0)
        desk.tell(incident, diagnosis(*order))
    said = desk.say(incident, CauseStatement(IT, "b", seen=looked_at.version), "jo")
    assert said.told == looked_at
    assert desk.scoreboard().overall[Measure.THREE].right == 1
    with pytest.raises(NotFoundError):
        desk.say(incident, CauseStatement(IT, "b"), "jo")
    with pytest.raises(StateError, match="look at it again"):
        desk.say(incident, CauseStatement(IT, "a", seen="0123456789abcdef"), "jo")
    for number in range(KEPT_TOLD):
        desk.tell(incident, diagnosis("a", f"z{number}"))
    with pytest.raises(StateError, match="look at it again"):
        desk.say(incident, CauseStatement(IT, "b", seen=looked_at.version), "jo")


def test_a_later_diagnosis_of_a_resolved_incident_changes_nothing(
    desk: KnowledgeDesk, clock: FakeClock
) -> None:
    over = resolved(sample_incident(1), NOW)
    clock.advance(60.0)
    desk.tell(over, diagnosis("a", "b"))
    clock.advance(40 * 86_400.0)
    desk.tell(over, diagnosis(found=False))
    desk.tell(over, diagnosis("b"))
    desk.say(over, CauseStatement(IT, "a"), "jo")
    assert desk.scoreboard().overall[Measure.FIRST].right == 1
    with pytest.raises(NotFoundError):
        desk.say(over, CauseStatement(IT, "elsewhere"), "jo")


def test_hypotheses_may_have_any_characters(desk: KnowledgeDesk) -> None:
    odd = "service:\u202e\x1b[31m\x00<b>"
    desk.tell(sample_incident(1), diagnosis(odd))
    assert desk.say(sample_incident(1), CauseStatement(IT, odd), "jo").entity == odd
    other = CauseStatement(ELSE, "host:\x00a", "because\x00 \ud800of")
    said = desk.say(sample_incident(1), other, "jo")
    assert (said.entity, said.text) == ("host:a", "because of")


def test_what_helped_is_bounded_and_may_be_taken_away(desk: KnowledgeDesk) -> None:
    incident = sample_incident(1)
    note = desk.write_helped(incident, "  \x00" + "x" * 2000, "jo")
    assert note is not None
    assert len(note.text) == 1000
    assert desk.of("i1").helped == note
    assert desk.write_helped(incident, " \n ", "jo") is None
    assert desk.of("i1").helped is None


def test_a_store_that_refuses_does_not_hold_a_diagnosis_up(
    desk: KnowledgeDesk, control: SqlControlStore
) -> None:
    control.close()
    desk.tell(sample_incident(1), diagnosis("a"))
    with pytest.raises(StoreError):
        desk.say(sample_incident(1), CauseStatement(NONE), "jo")


def test_the_incidents_behind_a_number(desk: KnowledgeDesk, clock: FakeClock) -> None:
    for number in range(3):
        clock.advance(1.0)
        desk.tell(sample_incident(number), diagnosis("a", "b"))
        desk.say(sample_incident(number), CauseStatement(IT if number else NOT_IT, "a"), "jo")
    found = desk.scored(ScoreFilter(Measure.FIRST, right=True))
    assert [one.incident_id for one in found] == ["i2", "i1"]
    assert [one.incident_id for one in desk.scored(ScoreFilter(Measure.FIRST, False))] == ["i0"]


class Verdicts(RuleBasedStateMachine):
    """People say things of two incidents in any order, over restarts; a plain model says what holds."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock(NOW)
        self.open()
        self.counts: dict[int, CauseVerdict] = {}
        self.statements = {0: 0, 1: 0}
        for number in (0, 1):
            self.desk.tell(sample_incident(number), diagnosis("a", "b", "c"))

    def open(self) -> None:
        self.control = open_control_store(f"sqlite:///{self.folder.name}/control.sqlite")
        self.desk = KnowledgeDesk(self.control, self.clock)

    def teardown(self) -> None:
        self.control.close()
        self.folder.cleanup()

    @rule(
        number=st.integers(0, 1),
        said=st.sampled_from(CauseSaying),
        entity=st.sampled_from(["a", "b", "c", "elsewhere", ""]),
        actor=st.sampled_from(["jo", "al"]),
    )
    def say(self, number: int, said: CauseSaying, entity: str, actor: str) -> None:
        self.clock.advance(1.0)
        before = self.desk.of(f"i{number}")
        try:
            given = self.desk.say(sample_incident(number), CauseStatement(said, entity), actor)
        except (NotFoundError, StateError):
            assert self.desk.of(f"i{number}") == before, "what is refused changes nothing"
            return
        self.counts[number] = given
        self.statements[number] += 1
        assert given.actor == actor
        if said is IT:
            assert (given.outcome, given.entity) == (CauseOutcome.IT, entity)

    @rule(number=st.integers(0, 1))
    def take_back(self, number: int) -> None:
        if number not in self.counts:
            with pytest.raises(StateError):
                self.desk.take_back(sample_incident(number), "al")
            return
        self.desk.take_back(sample_incident(number), "al")
        del self.counts[number]
        self.statements[number] += 1

    @rule()
    def restart(self) -> None:
        self.control.close()
        self.open()

    @invariant()
    def the_last_word_counts(self) -> None:
        for number in (0, 1):
            known = self.desk.of(f"i{number}")
            assert known.verdict == self.counts.get(number)
            assert len(known.history) == min(self.statements[number], MOST_STATEMENTS)
        assert self.desk.scoreboard().verdicts == len(self.counts)


TestVerdicts = Verdicts.TestCase
TestVerdicts.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
