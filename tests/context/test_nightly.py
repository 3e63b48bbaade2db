"""A nightly job: not a page once it is known; a page, with the reason, when it does not do what it does."""

from __future__ import annotations

import pytest
from tests.context.nightly import DAY, MINUTE, SERIES, START, Host
from tests.context.times import BERLIN, at

from stormpetrel.app.config import Config
from stormpetrel.model.calendar import Decided, Decision
from stormpetrel.model.finding import Severity
from stormpetrel.model.page import PageDecision

NIGHT_8 = START + 7 * DAY


def test_after_seven_nights_it_does_not_page() -> None:
    host = Host()
    seen = host.live(0, 10)
    assert [i.sentence for i in seen.opened(NIGHT_8)] == []
    assert seen.opened(START, NIGHT_8), "the first nights were strange, and rightly"
    expected = [f for f in seen.findings.values() if "expected" in (f.attributes or {})]
    assert all(f.severity is Severity.INFO for f in expected)
    (proposal,) = host.pipeline.context.roster.proposals(START + 10 * DAY)
    assert proposal.title == "daily job at 02:00 UTC"
    assert (proposal.seen, proposal.possible, proposal.presumed) == (7, 7, True)
    assert len(proposal.series) == SERIES
    assert 1600 < proposal.rule.duration_seconds < 1900


@pytest.mark.parametrize(("minutes", "reason"), [(0, "job missing"), (90, "job overlong")])
def test_the_night_that_is_not_like_the_others_is_one_incident_with_that_reason(
    minutes: int, reason: str
) -> None:
    seen = Host(lengths={8: minutes}).live(0, 10)
    (incident,) = seen.opened(NIGHT_8)
    assert incident.start_unix_nano // DAY == (START + 8 * DAY) // DAY
    assert f"{reason}: daily job at 02:00 UTC on host:batch-1" in incident.sentence
    assert incident.severity is Severity.WARNING
    assert incident.page is not None
    assert incident.page.decision is PageDecision.PAGED, incident.page.reason
    told = next(f for f in incident.findings if f.detector == "jobs")
    assert "it usually takes 29 minutes" in told.why or "it usually takes 30 minutes" in told.why
    assert "Learned by itself: it ran in 7 of the last 7 days" in told.why


def test_a_night_without_data_is_unknown_not_missing() -> None:
    night = START + 8 * DAY
    seen = Host(lengths={8: 0}).live(0, 10, silent=[(night + 100 * MINUTE, night + 200 * MINUTE)])
    assert [i.sentence for i in seen.opened(NIGHT_8)] == []


def test_a_rejected_slot_pages_again_and_is_not_watched() -> None:
    host = Host(lengths={9: 0})
    host.live(0, 8)
    context = host.pipeline.context
    (proposal,) = context.roster.proposals(START + 8 * DAY)
    period, offset = proposal.rule.period_seconds, proposal.rule.offset_seconds
    said = Decided(proposal.proposal_id, proposal.entity, period, offset, Decision.REJECTED, "ada", 1)
    host.pipeline.book.decide([said])
    seen = host.live(8, 10)
    assert not [f for f in seen.findings.values() if f.detector == "jobs"]
    assert [
        f
        for f in seen.findings.values()
        if f.start_unix_nano > NIGHT_8 + DAY and "expected" in (f.attributes or {})
    ] == []


def test_what_was_learned_outlives_a_restart() -> None:
    host = Host(lengths={8: 0})
    host.live(0, 7)
    kept = host.pipeline.context.snapshot()
    again = Host(lengths={8: 0})
    again.pipeline.recall = lambda: kept
    again.pipeline.forget()
    seen = again.live(7, 9)
    assert [i.sentence[:30] for i in seen.opened(START + 8 * DAY)] == ["job missing: daily job at 02:0"]


def test_the_same_nights_give_the_same_findings() -> None:
    one, two = Host(lengths={3: 90}).live(0, 4), Host(lengths={3: 90}).live(0, 4)
    assert one.findings == two.findings
    assert one.incidents == two.incidents


def test_nights_are_those_of_the_zone_when_the_clocks_change() -> None:
    """From ten days before the change to three after it: 02:00 in Berlin, which is another hour of UTC."""
    config = Config.model_validate({"context": {"time_zone": "Europe/Berlin"}})
    starts = [at(f"2026-10-{15 + night}T02:00", BERLIN) for night in range(14)]
    first = at("2026-10-15")
    host = Host(
        config, {12: 0}, lambda night: starts[night] if 0 <= night < 14 else first - DAY, origin=first
    )
    seen = host.live(0, 14)
    # The first run began with the first sample: seven that were seen end with the eighth night.
    (incident,) = seen.opened(first + 8 * DAY)
    assert "job missing: daily job at 02:00 Europe/Berlin" in incident.sentence
    assert abs(incident.start_unix_nano - starts[12]) < 5 * MINUTE
