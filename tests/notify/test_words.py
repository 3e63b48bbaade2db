"""What is told of pages, plans, runs and switches, and that nothing hostile in it can be followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notify.rig import BASE, START, Rig, paged_incident, rig_in

from stormpetrel.app.notify import words
from stormpetrel.model.facts import Switch
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.notification import NotificationKind
from stormpetrel.model.page import PageAccount, PageDecision
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, StepRecord, Verification
from stormpetrel.model.text import harmless
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.testing.automation_samples import sample_plan, sample_run

HOSTILE = (
    "<!channel> <https://evil.example|click> [click](http://evil.example) @everyone `x` *y* "
    "javascript:alert(1) gopher://evil mailto:a@evil.example www.evil.example ||hidden|| "
    "\u202egnp.exe\r\nBcc: x@y.z"
)
# What chat and mail programs make links or mentions of: schemes, host names, addresses, markup.
FOLLOWED = re.compile(
    r"://|(?i:\b(?:https?|ftp|javascript|mailto|tel|data|file):\S)|@|[<>`|*\[]\w|\]\(|\w\.[^\W\d_]|[\r\u202e]"
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as one:
        yield one


def ended(state: RunState, verified: Verification | None = None, why: str = "the numbers say so") -> Run:
    run = sample_run(sample_plan("r1"))
    step = run.plan.steps[0]
    record = StepRecord(
        "k",
        "s0",
        0,
        step.action,
        step.inverse,
        False,
        START,
        START,
        ActResult(ActOutcome.DONE, "x"),
        verified,
    )
    return replace(run, state=state, records=(record,), why=why, ended_unix_nano=START)


def test_a_page_says_what_how_bad_since_when_why_and_where(rig: Rig) -> None:
    notice = words.page_notice(paged_incident(1))
    assert notice is not None
    message = rig.writer.write(notice, [])
    assert message.title == "checkout fails"
    for line in ("Severity: critical", "Since: 2026-", "On: service:checkout", "the 1st of 5 this week"):
        assert line in message.body
    assert message.body.endswith(f"{BASE}/incidents/i1")
    late = words.page_notice(replace(paged_incident(1), state=IncidentState.RESOLVED))
    assert late is not None
    assert "It is resolved by now." in late.lines


def test_what_does_not_page_is_not_told() -> None:
    incident = paged_incident(1)
    assert incident.page is not None
    held = replace(incident, page=replace(incident.page, decision=PageDecision.HELD))
    assert words.page_notice(held) is None
    assert words.page_notice(replace(incident, page=None)) is None


def test_a_plan_says_what_it_would_do_and_who_has_to_agree_until_when() -> None:
    run = sample_run(sample_plan("r1"))
    notice = words.plan_notice(run, None, paged_incident(1), START)
    told = "\n".join(notice.lines)
    assert "It would: service.scale on service:r1 with replicas 3; can be undone" in told
    assert "One person has to agree before 2026-" in told
    assert notice.severity is Severity.CRITICAL
    assert words.plan_notice(replace(run, plan_hash="c" * 64), None, None, START).key != notice.key
    half_way = replace(ended(RunState.WAITING), plan=run.plan, plan_hash=run.plan_hash)
    assert words.plan_notice(half_way, None, None, START).key != notice.key, "it asks anew"


@pytest.mark.parametrize(
    ("run", "title"),
    [
        (ended(RunState.FINISHED, Verification.FIXED), "Fixed: restart-it on service:r1"),
        (ended(RunState.FINISHED, Verification.NO_EFFECT), "No effect: restart-it on service:r1"),
        (ended(RunState.COMPENSATED), "Made things worse, and was undone: restart-it on service:r1"),
        (ended(RunState.ESCALATED), "Given to people: restart-it on service:r1"),
        (replace(ended(RunState.EXPIRED), records=()), "Nobody answered in time: restart-it on service:r1"),
        (replace(ended(RunState.REFUSED), records=()), None),
        (ended(RunState.ACTING), None),
    ],
)
def test_outcomes_are_told_by_what_came_of_them(run: Run, title: str | None) -> None:
    notice = words.outcome_notice(run, None)
    assert (notice.title if notice is not None else None) == title


def test_a_refusal_that_wakes_somebody_is_a_page_once_an_incident() -> None:
    run = replace(ended(RunState.REFUSED), records=())
    calm = Verdict(1, "kill switch", Outcome.ALLOW, "off")
    brake = Verdict(13, "fleet brake", Outcome.DENY, "5 of 8 are unhealthy: the cause is shared", page=True)
    judged = Judgement(run.plan, run.plan_hash, (calm, brake))
    notice = words.refusal_notice(run, judged, None)
    assert notice is not None
    assert (notice.kind, notice.severity) == (NotificationKind.PAGE, Severity.ERROR)
    assert "the cause is shared" in notice.title
    again = words.refusal_notice(replace(run, run_id="r2"), judged, None)
    assert again is not None
    assert again.key == notice.key
    assert words.refusal_notice(run, replace(judged, verdicts=(calm,)), None) is None
    assert words.refusal_notice(run, None, None) is None


def test_a_switch_is_told_when_it_is_engaged_and_when_it_is_released() -> None:
    one = Switch("global", "ann", START, "restoring")
    engaged, released = words.switch_notice(one), words.switch_notice(one, START + 5)
    assert engaged.title == "Kill switch engaged: all automation is stopped"
    assert released.title == "Kill switch released: all automation may go on"
    assert (engaged.severity, released.severity) == (Severity.CRITICAL, Severity.CRITICAL)
    assert engaged.key != released.key
    small = words.switch_notice(Switch("service:service:shop", "ann", START, ""))
    assert (small.severity, small.entities) == (Severity.WARNING, ("service:shop",))


def test_nothing_hostile_in_any_message_can_be_followed(rig: Rig) -> None:
    incident = replace(paged_incident(1, HOSTILE), entities=(HOSTILE,), incident_id="../x?y#z\nq")
    assert incident.page is not None
    incident = replace(incident, page=replace(incident.page, reason=HOSTILE))
    run = replace(ended(RunState.ESCALATED, why=HOSTILE), run_id="r/../1")
    plan = replace(run.plan, runbook=HOSTILE, requester=HOSTILE)
    run = replace(run, plan=plan)
    notices = [
        words.page_notice(incident),
        words.plan_notice(run, None, incident, START),
        words.held_notice(run, incident),
        words.outcome_notice(run, incident),
        words.switch_notice(Switch(f"service:{HOSTILE}", HOSTILE, START, HOSTILE)),
        words.trial_notice("chat", HOSTILE, START),
    ]
    for notice in [*notices, words.digest_of([one for one in notices if one is not None], START)]:
        assert notice is not None
        message = rig.writer.write(notice, ["ann", HOSTILE])
        ours = [line for line in message.body.split("\n") if line.startswith(f"{BASE}/")]
        assert ours == ([message.link] if message.link else [])
        rest = "\n".join(line for line in message.body.split("\n") if line not in ours)
        for text in (message.title, rest):
            found = FOLLOWED.search(text)
            assert found is None, (notice.kind, found, text)
        assert "\n" not in message.title
        assert re.fullmatch(rf"{BASE}(/[A-Za-z0-9_.~%-]+)+", message.link), message.link


@given(st.text(max_size=400))
def test_harmless_is_one_line_that_nothing_follows_and_bounded(text: str) -> None:
    told = harmless(text, 100)
    assert FOLLOWED.search(told) is None
    assert "\n" not in told
    assert len(told) <= 100


@given(st.text("abc <>()./:@[]*|`~\\\u3002\uff0e\r\nhtps", max_size=60))
def test_harmless_holds_for_what_attackers_write(text: str) -> None:
    assert FOLLOWED.search(harmless(text)) is None


def test_a_digest_names_the_worst_first_and_counts_the_rest() -> None:
    pages = [
        replace(page, severity=Severity.CRITICAL if number == 30 else Severity.ERROR)
        for number in range(40)
        if (page := words.page_notice(paged_incident(number, f"trouble {number}"))) is not None
    ]
    digest = words.digest_of(pages, START)
    assert digest.kind is NotificationKind.DIGEST
    assert digest.lines[0] == "critical page: trouble 30"
    assert digest.lines[-1] == "And 20 more notifications."


def test_a_page_that_was_sent_for_another_incident_is_not_sent_once_more() -> None:
    sent = paged_incident(1)
    assert sent.page is not None
    assert words.page_notice(sent) is not None
    assert words.page_notice(replace(sent, page=replace(sent.page, account=PageAccount.NONE))) is None
