"""The alarm budget holds in whatever order things come, and what is weak never holds what is severe."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.correlate.budget import FAINT, PageBudget
from stormpetrel.correlate.page_bar import LEAST, MOST, PageBar
from stormpetrel.correlate.page_ledger import TIERS, WEEK_NANOS, Allowance, PageLedger
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.page import PageAccount, PageDecision
from stormpetrel.model.page_view import PageRecord

T0 = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
PAGED, HELD, NOT = PageDecision.PAGED, PageDecision.HELD, PageDecision.NOT_A_CANDIDATE


def finding(
    name: str, p: float = 1e-9, severity: Severity = Severity.WARNING, start: int = T0, metric: str = "m0"
) -> Finding:
    evidence = Evidence("metric", f"{metric}{{}}", 1, start, start, 9.0, 1.0, 0.0, 2.0, p)
    return Finding(
        name, "robust", 1, "residual", "host:a", f"{name} high", "9 against 0 to 2", severity,
        FindingState.OPEN, start, start, evidence,
    )  # fmt: skip


def incident(
    name: str, p: float = 1e-9, severity: Severity = Severity.WARNING, start: int = T0, signals: int = 1
) -> Incident:
    findings = tuple(finding(f"{name}{k}", p, severity, start, f"m{k}") for k in range(signals))
    return Incident(
        f"i{name}", f"{name} high", IncidentState.OPEN, severity, ("host:a",), start, start, 0, findings, ()
    )


def decision(budget: PageBudget, one: Incident, now: int) -> Incident:
    return budget.update([one], now)[0]


def most_in_a_week(times: list[int]) -> int:
    return max((sum(1 for t in times if s <= t < s + WEEK_NANOS) for s in times), default=0)


# --------------------------------------------------------------------------------------- the promise

STEPS = st.one_of(
    st.integers(0, 2 * DAY),
    st.sampled_from([0, 1, WEEK_NANOS, WEEK_NANOS - 1, -1, -WEEK_NANOS, -3 * DAY, 40 * DAY, -40 * DAY]),
)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.tuples(STEPS, st.sampled_from(TIERS)), max_size=80),
    per_week=st.integers(0, 6),
    shares=st.sampled_from([(0.0, 0.0), (0.2, 0.2), (0.5, 0.5), (0.34, 0.34)]),
)
def test_no_seven_days_ever_hold_more_than_promised(
    steps: list[tuple[int, Severity]], per_week: int, shares: tuple[float, float]
) -> None:
    ledger = PageLedger(Allowance(per_week, *shares), most=25)
    now, written = T0, list[tuple[int, Severity]]()
    for step, tier in steps:
        now += step
        if ledger.write(now, tier):
            written.append((now, tier))
    assert most_in_a_week([time for time, _ in written]) <= per_week
    for tier in TIERS:  # a week with nothing worse than this holds no more than its limit
        times = [time for time, paid in written if paid <= tier]
        assert most_in_a_week(times) <= ledger.allowance.limit(tier)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(STEPS, st.sampled_from(TIERS)), max_size=60))
def test_what_is_critical_is_written_while_its_reserve_remains(steps: list[tuple[int, Severity]]) -> None:
    ledger = PageLedger(Allowance(10, 0.2, 0.3))
    now, written = T0, list[tuple[int, Severity]]()
    for step, tier in steps:
        now += step
        near = [time for time, paid in written if abs(time - now) < WEEK_NANOS and paid is tier]
        done = ledger.write(now, tier)
        if tier is Severity.CRITICAL:
            assert done or len(near) >= 3
        written += [(now, tier)] if done else []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            STEPS,
            st.integers(0, 12),
            st.floats(1e-14, 1e-2),
            st.sampled_from(TIERS),
            st.integers(1, 8),
            st.booleans(),
        ),
        max_size=50,
    )
)
def test_the_stage_keeps_the_promise_over_restarts_and_clock_jumps_and_replays_alike(
    script: list[tuple[int, int, float, Severity, int, bool]],
) -> None:
    allowance = Allowance(4)

    def play() -> list[Incident]:
        budget, now = PageBudget(allowance), T0
        stored: dict[str, Incident] = {}
        for step, name, p, severity, signals, restart in script:
            now += step
            if restart:
                budget = PageBudget(allowance)
                budget.restore(records(stored))
            one = incident(str(name), p, severity, now, signals)
            before = stored.get(one.incident_id)
            if before is not None:
                one = dataclasses.replace(one, page=before.page, timeline=before.timeline)
            decided = decision(budget, one, now)
            if before is not None and before.page is not None and before.page.decision is PAGED:
                assert decided.page is not None
                assert decided.page.decision is PAGED
                assert decided.page.time_unix_nano == before.page.time_unix_nano
                assert decided.page.tier >= before.page.tier
            stored[one.incident_id] = decided
        return list(stored.values())

    first = play()
    assert play() == first
    times = [
        one.page.time_unix_nano
        for one in first
        if one.page is not None and one.page.account is PageAccount.BUDGET
    ]
    assert most_in_a_week(times) <= 4


def records(stored: dict[str, Incident]) -> list[PageRecord]:
    return [
        PageRecord(i.incident_id, i.sentence, i.severity, i.state, i.start_unix_nano, i.page)
        for i in stored.values()
        if i.page is not None
    ]


def test_a_time_before_what_is_forgotten_is_refused() -> None:
    ledger = PageLedger(Allowance(5), most=3)
    for day in range(0, 80, 8):
        assert ledger.write(T0 + day * DAY, Severity.CRITICAL)
    assert not ledger.write(T0, Severity.CRITICAL)


def test_what_is_free_next_is_told() -> None:
    ledger = PageLedger(Allowance(1, 0, 0))
    assert ledger.next_free(T0, Severity.WARNING) == T0
    ledger.write(T0, Severity.WARNING)
    assert ledger.next_free(T0 + DAY, Severity.WARNING) == T0 + WEEK_NANOS
    assert PageLedger(Allowance(0)).next_free(T0, Severity.CRITICAL) == 0


# -------------------------------------------------------------------------------------- deciding


def test_a_strong_incident_is_paged_with_its_reason() -> None:
    paged = decision(PageBudget(Allowance(5)), incident("a", 1e-11), T0)
    assert paged.page is not None
    assert (paged.page.decision, paged.page.account, paged.page.rank) == (PAGED, PageAccount.BUDGET, 1)
    assert "reaches the bar" in paged.page.reason
    assert [entry.kind for entry in paged.timeline] == ["page"]


def test_a_weak_one_is_held_and_paged_when_it_grows() -> None:
    budget = PageBudget(Allowance(5))
    weak = decision(budget, incident("a", 1e-4), T0)
    assert weak.page is not None
    assert weak.page.decision is HELD
    assert "below the bar" in weak.page.reason
    grown = dataclasses.replace(weak, findings=incident("a", 1e-9, signals=4).findings)
    paged = decision(budget, grown, T0 + HOUR)
    assert paged.page is not None
    assert paged.page.decision is PAGED
    assert [entry.text.split(":")[0] for entry in paged.timeline] == ["held", "paged"]


def test_what_lasts_is_looked_at_again_and_told_only_when_it_is_paged() -> None:
    budget = PageBudget(Allowance(5))
    held = decision(budget, incident("a", 1e-6), T0)
    assert budget.revisit([held], T0 + HOUR // 600) == []
    (paged,) = budget.revisit([held], T0 + HOUR)
    assert paged.page is not None
    assert paged.page.decision is PAGED
    assert budget.revisit([held], T0 + HOUR + 1) == []  # once a minute


def test_weak_ones_leave_the_reserve_alone() -> None:
    budget = PageBudget(Allowance(5))
    weak = [decision(budget, incident(f"w{k}", 1e-9), T0 + k) for k in range(20)]
    assert 1 <= sum(one.page is not None and one.page.decision is PAGED for one in weak) <= 3
    while budget.ledger.room(T0, Severity.WARNING) > 0:
        budget.ledger.write(T0, Severity.WARNING)
    full = decision(budget, incident("full", 1e-9), T0 + 30)
    assert full.page is not None
    assert "the other 2 are kept for what is worse" in full.page.reason
    for number, (severity, expected) in enumerate(
        [(Severity.ERROR, PAGED), (Severity.ERROR, HELD), (Severity.CRITICAL, PAGED)]
    ):
        one = decision(budget, incident(f"s{number}", 1e-9, severity), T0 + HOUR)
        assert one.page is not None
        assert one.page.decision is expected


def test_a_paged_incident_that_grows_is_ranked_as_what_it_is() -> None:
    budget = PageBudget(Allowance(5))
    paged = decision(budget, incident("a", 1e-9), T0)
    grown = dataclasses.replace(paged, findings=incident("a", 1e-9, signals=6).findings)
    worse = decision(budget, grown, T0 + HOUR)
    assert paged.page is not None
    assert worse.page is not None
    assert (paged.page.tier, worse.page.tier) == (Severity.WARNING, Severity.CRITICAL)
    assert (worse.page.time_unix_nano, budget.ledger.used(T0 + HOUR)) == (T0, 1)


def test_overwhelming_evidence_counts_as_critical() -> None:
    one = decision(PageBudget(Allowance(5)), incident("a", 1e-12, signals=10), T0)
    assert one.page is not None
    assert (one.page.tier, one.page.bar) == (Severity.CRITICAL, 0.0)


def test_a_critical_rule_without_a_p_value_is_paged() -> None:
    one = decision(PageBudget(Allowance(5)), incident("a", 1.0, Severity.CRITICAL), T0)
    assert one.page is not None
    assert one.page.decision is PAGED


def test_of_several_at_once_the_strongest_are_paged() -> None:
    budget = PageBudget(Allowance(3, 0, 0))
    many = [incident(f"{k:02d}", 10 ** -(6.5 + 0.5 * k)) for k in range(8)]
    decided = budget.update(many, T0)
    assert [one.incident_id for one in decided] == [one.incident_id for one in many]
    paged = [k for k, one in enumerate(decided) if one.page is not None and one.page.decision is PAGED]
    assert 1 <= len(paged) <= 3
    assert paged == list(range(8 - len(paged), 8))


def test_a_repeat_of_what_was_paged_is_folded_unless_it_is_worse() -> None:
    budget = PageBudget(Allowance(20))
    first = decision(budget, incident("a", 1e-11), T0)
    again = dataclasses.replace(incident("b", 1e-11), follows=first.incident_id)
    third = dataclasses.replace(incident("c", 1e-11), follows="ib")
    for one in (again, third):
        held = decision(budget, one, T0 + HOUR)
        assert held.page is not None
        assert held.page.decision is HELD
        assert first.incident_id in held.page.reason
    worse = dataclasses.replace(incident("d", 1e-11, Severity.CRITICAL), follows="ia")
    late = dataclasses.replace(incident("e", 1e-11), follows="ia")
    for one, now in ((worse, T0 + HOUR), (late, T0 + 9 * HOUR)):
        paged = decision(budget, one, now)
        assert paged.page is not None
        assert paged.page.decision is PAGED


def test_what_is_faint_or_over_is_no_candidate() -> None:
    budget = PageBudget(Allowance(5))
    faint = decision(budget, incident("a", 10**-FAINT * 1.2), T0)
    whole = incident("b")
    over = decision(
        budget,
        dataclasses.replace(
            whole, findings=tuple(dataclasses.replace(f, state=FindingState.CLOSED) for f in whole.findings)
        ),
        T0,
    )
    for one in (faint, over):
        assert one.page is not None
        assert one.page.decision is NOT
    assert budget.ledger.used(T0) == 0


def test_objectives_page_on_their_own_account_however_empty_the_budget() -> None:
    budget = PageBudget(Allowance(0))
    burn = dataclasses.replace(
        finding("x", severity=Severity.CRITICAL), detector="slo", attributes={"page": "yes", "slo": "shop"}
    )
    slow = dataclasses.replace(burn, severity=Severity.WARNING, attributes={"page": "no", "slo": "shop"})
    paged = decision(budget, dataclasses.replace(incident("a"), findings=(burn,)), T0)
    ticket = decision(budget, dataclasses.replace(incident("b"), findings=(slow,)), T0)
    assert paged.page is not None
    assert ticket.page is not None
    assert (paged.page.decision, paged.page.account) == (PAGED, PageAccount.SLO)
    assert ticket.page.decision is NOT
    assert budget.ledger.used(T0) == 0


def test_a_person_may_page_what_is_held_outside_the_budget() -> None:
    budget = PageBudget(Allowance(0))
    held = decision(budget, incident("a"), T0)
    paged = budget.by_hand(held, T0 + HOUR, "ann", "looks bad")
    assert paged.page is not None
    assert paged.page.account is PageAccount.BY_HAND
    assert paged.timeline[-1].actor == "ann"
    assert decision(budget, paged, T0 + 2 * HOUR) == paged


# --------------------------------------------------------------------------------------- the bar


def test_the_bar_spends_about_half_the_allowance_on_the_strongest() -> None:
    bar, asked = PageBar(), list[float]()
    for k in range(8 * 7 * 20):  # twenty a day, for eight weeks
        now = T0 + k * DAY // 20
        strength = 4.0 + 1.2 * (((k + 1) * 0.6180339887) % 1.0) ** -0.4
        asked.append(bar.bar(now, 10, 10))
        bar.note(str(k), now, strength)
    late = [4.0 + 1.2 * (((k + 1) * 0.6180339887) % 1.0) ** -0.4 >= asked[k] for k in range(4 * 140, 8 * 140)]
    assert 14 <= sum(late) <= 30  # half of the forty that four weeks may hold


@given(st.lists(st.tuples(st.integers(-10 * DAY, 10 * DAY), st.floats(0, 30)), max_size=50))
def test_the_bar_stays_between_its_bounds_and_rises_as_room_is_used(steps: list[tuple[int, float]]) -> None:
    bar, now = PageBar(most=20), T0
    for number, (step, strength) in enumerate(steps):
        now += step
        bar.note(str(number % 7), now, strength)
        asked = [bar.bar(now, 5, room) for room in (5, 3, 1, 0)]
        assert all(LEAST <= one <= MOST for one in asked)
        assert all(left <= right for left, right in pairwise(asked))


@pytest.mark.parametrize(
    ("per_week", "limits"), [(0, (0, 0, 0)), (1, (1, 1, 1)), (5, (3, 4, 5)), (40, (24, 32, 40))]
)
def test_limits_are_nested(per_week: int, limits: tuple[int, int, int]) -> None:
    assert Allowance(per_week).limits == limits
