"""Automation on its pages and by the API: who may do what, and that nothing hostile is let through."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from tests.web import content
from tests.web.estate import Estate
from tests.web.estate_automation import INCIDENT
from tests.web.serve import csrf_of, run, sign_in

from stormpetrel.act.judge import judge
from stormpetrel.act.scene import calm_action, calm_facts, calm_plan, calm_step, calm_target
from stormpetrel.errors import StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.action import Autonomy
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.run import RunState
from stormpetrel.web.automation_words import entry_text

PATHS = ("/automation", "/automation/runs/r1", "/automation/runs/r2", "/automation/runs/r3",
         "/automation/runbooks/restart-failed-service", "/automation/ledger")  # fmt: skip
READ, RESPOND, APPROVE = (
    {"Authorization": f"Bearer {scope}-token"} for scope in ("read", "respond", "approve")
)


def test_every_page_is_shown_and_escapes_what_it_shows() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        for path in PATHS:
            page = await client.get(path)
            assert page.status_code == 200, (path, page.text[-2000:])
            assert "<script>window.owned" not in page.text, path
        text = (await client.get("/automation/runs/r1")).text
        assert text.count('<td class="num">') >= 20, "all twenty guardrails are listed"

    run(test)


def test_an_empty_installation_says_what_to_do() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/automation")).text
        assert "No actuator is configured" in text
        assert "No runbook is in use" in text
        assert "Nothing waits for an answer" in text
        assert "Stop automation" not in text

    run(test, Estate(empty=True))


def test_the_kill_switch_is_on_every_page_and_anybody_on_call_engages_it() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        for path in ("/", "/incidents", "/explore", "/about", *PATHS):
            assert "Stop automation" in (await client.get(path)).text, path
        token = await csrf_of(client, "/")
        answer = await client.post("/automation/switch/engage", data={"csrf": token, "scope": "global"})
        assert answer.status_code == 303
        assert [(one.scope, one.by) for one in estate.engaged] == [("global", "rob")]
        assert "automation stopped" in (await client.get("/logs")).text
        first = await client.post(
            "/automation/switch/release", data={"csrf": token, "scope": "global", "reason": "x"}
        )
        assert first.headers["location"] == "/automation?second=wanted"
        assert estate.engaged, "one person alone does not release it"
        assert "somebody else" in (await client.get("/automation?second=wanted")).text

    run(test, estate)


def test_a_viewer_looks_and_does_nothing() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        token = await csrf_of(client, "/")
        for path in PATHS:
            text = (await client.get(path)).text
            assert 'action="/automation' not in text, path
        assert "Answering takes the role responder" in (await client.get("/automation/runs/r1")).text
        for path, form in (
            ("/automation/switch/engage", {"scope": "global"}),
            ("/automation/runs/r1/answer", {"plan_hash": "a", "agreed": "true"}),
            ("/automation/runs/r1/opinion", {"opinion": "useful"}),
            ("/automation/runs/r3/decide", {"decision": "undo", "reason": "x"}),
            ("/automation/breaker/close", {}),
            (f"/incidents/{INCIDENT}/propose", {"runbook": "scale-out"}),
            ("/automation/runbooks/scale-out/sign", {"version": "1"}),
            ("/automation/runbooks/scale-out/autonomy", {"level": "3"}),
        ):
            assert (await client.post(path, data={"csrf": token, **form})).status_code == 403, path
        assert not estate.engaged
        assert not estate.answers

    run(test, estate)


def test_an_answer_is_for_exactly_the_plan_that_was_shown() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/automation/runs/r1")
        other = {"csrf": token, "plan_hash": "f" * 64, "agreed": "true"}
        assert (await client.post("/automation/runs/r1/answer", data=other)).status_code == 409
        digest = estate.automation_runs["r1"].plan_hash
        good = {"csrf": token, "plan_hash": digest, "agreed": "true", "reason": "sure"}
        assert (await client.post("/automation/runs/r1/answer", data=good)).status_code == 303
        assert estate.answers == [("r1", digest, True, "rob", "page")]
        without = {"plan_hash": digest, "agreed": "true"}
        assert (await client.post("/automation/runs/r1/answer", data=without)).status_code == 403

    run(test, estate)


def test_a_held_run_is_decided_and_judged_by_a_person() -> None:
    estate = Estate()

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/automation/runs/r3")
        form = {"csrf": token, "decision": "go on", "reason": "it is fine"}
        assert (await client.post("/automation/runs/r3/decide", data=form)).status_code == 303
        assert estate.automation_runs["r3"].state is RunState.READY
        said = {"csrf": token, "opinion": "harmful"}
        assert (await client.post("/automation/runs/r2/opinion", data=said)).status_code == 303
        assert estate.opinions == [("r2", "harmful", "rob")]

    run(test, estate)


def test_only_an_admin_signs_and_raises() -> None:
    estate = Estate()
    name = "restart-failed-service"
    version = estate.runbook(name).runbook.version

    async def as_rob(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        token = await csrf_of(client, "/automation")
        path = f"/automation/runbooks/{name}"
        signed = await client.post(f"{path}/sign", data={"csrf": token, "version": version})
        assert signed.status_code == 403
        up = {"csrf": token, "level": "3", "reason": "x"}
        assert (await client.post(f"{path}/autonomy", data=up)).status_code == 403
        down = {"csrf": token, "level": "0"}
        assert (await client.post(f"{path}/autonomy", data=down)).status_code == 303
        assert estate.levels[name] is Autonomy.OBSERVE

    async def as_ada(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        token = await csrf_of(client, "/automation")
        path = f"/automation/runbooks/{name}"
        stale = await client.post(f"{path}/sign", data={"csrf": token, "version": "0" * 16})
        assert stale.status_code == 404
        signed = await client.post(f"{path}/sign", data={"csrf": token, "version": version})
        assert signed.status_code == 303
        up = {"csrf": token, "level": "3", "reason": "x"}
        assert (await client.post(f"{path}/autonomy", data=up)).status_code == 303

    run(as_rob, estate)
    run(as_ada, estate)
    assert estate.levels[name] is Autonomy.AUTO


def test_the_api_looks_stops_and_answers_each_with_its_own_scope() -> None:
    estate = Estate()
    digest = estate.automation_runs["r1"].plan_hash
    body = {"plan_hash": digest, "agreed": True}

    async def test(client: httpx.AsyncClient) -> None:
        shown = (await client.get("/api/v1/automation", headers=READ)).json()
        assert [one["run_id"] for one in shown["waiting"]] == ["r1", "r3"]
        one = (await client.get("/api/v1/automation/runs/r1", headers=READ)).json()
        assert len(one["judgement"]["verdicts"]) == 20
        assert one["run"]["plan_hash"] == digest
        entries = (await client.get("/api/v1/automation/ledger?after=2", headers=READ)).json()["entries"]
        assert [entry["seq"] for entry in entries] == [3, 4]
        for headers in (READ, RESPOND):
            refused = await client.put("/api/v1/automation/runs/r1/answer", headers=headers, json=body)
            assert refused.status_code == 403
        answer = await client.put("/api/v1/automation/runs/r1/answer", headers=APPROVE, json=body)
        assert answer.status_code == 200
        switch = "/api/v1/automation/switches/service:host:web-1"
        assert (await client.put(switch, headers=READ, json={})).status_code == 403
        assert (await client.put(switch, headers=RESPOND, json={"reason": "x"})).status_code == 200
        assert [one.scope for one in estate.engaged] == ["service:host:web-1"]
        assert (await client.get("/api/v1/automation")).status_code == 401

    run(test, estate)
    assert [(one, channel) for one, _, _, _, channel in estate.answers] == [("r1", "api")]


def test_an_incident_shows_its_plans_and_a_responder_asks_for_one() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        text = (await client.get(f"/incidents/{INCIDENT}")).text
        assert "/automation/runs/r1" in text
        token = await csrf_of(client, f"/incidents/{INCIDENT}")
        form = {"csrf": token, "runbook": "restart-failed-service"}
        answer = await client.post(f"/incidents/{INCIDENT}/propose", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/automation/runs/r1")
        form = {"csrf": token, "runbook": "format-everything"}
        assert (await client.post(f"/incidents/{INCIDENT}/propose", data=form)).status_code == 404

    run(test)


def test_the_ledger_says_where_a_run_came_to_and_no_exponents() -> None:
    entry = LedgerEntry(
        1,
        0,
        EntryKind.STATE,
        "r1",
        "restart",
        "i1",
        "petrel",
        '{"to":"waiting","why":"it is at suggest"}',
        "",
        "",
    )
    assert entry_text(entry) == "waits for you: it is at suggest"
    assert entry_text(replace(entry, body='{"held":"a","decided":"go on"}')) == "went on: go on"
    for kind, body, told in (
        (EntryKind.RUNBOOK, '{"loaded":"7cc7","text":"name: x"}', "runbook loaded, version 7cc7"),
        (EntryKind.RUNBOOK, '{"signed":"7cc7","before":""}', "runbook signed off, version 7cc7"),
        (EntryKind.AUTONOMY, '{"from":"suggest","to":"auto","reason":"x"}', "level suggest made auto: x"),
        (EntryKind.SWITCH, '{"scope":"global","engaged":true,"reason":"x"}', "kill switch global engaged: x"),
        (EntryKind.SWITCH, '{"scope":"x","engaged":false,"asked_before_by":""}', "kill switch x released"),
        (EntryKind.VERIFIED, '{"verification":"fixed","reasons":[]}', "verified: fixed"),
    ):  # fmt: skip
        assert entry_text(replace(entry, kind=kind, body=body)) == told
    plan = calm_plan(calm_step(calm_action((calm_target(),))))
    facts = calm_facts(plan)
    assert facts.health is not None
    facts = replace(
        facts, health=replace(facts.health, telemetry_age_seconds=0.836805, clock_skew_seconds=3e-6)
    )
    (verdict,) = [one for one in judge(plan, facts).verdicts if one.guardrail == "dead man"]
    assert verdict.reason == "telemetry is 0.8 s old, the clock is off by 0.0 s, ledger and stores are well"


def test_a_refusal_that_names_a_plan_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate()

    def refused(text: str, by: Caller) -> RunView:
        raise StateError("this link was used (/automation/runs/r2)")

    monkeypatch.setattr(estate, "open_consent", refused)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get("/consent/x")
        assert page.status_code == 409
        assert "<bdi>this link was used</bdi>" in page.text
        assert '<a href="/automation/runs/r2">The plan</a>' in page.text

    run(test, estate)


def test_what_waits_for_a_person_is_on_the_first_page_too() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        text = (await client.get("/")).text
        assert "Plans that wait for a person" in text
        assert 'href="/automation/runs/r1"' in text

    for estate in (Estate(), Estate(quiet=True)):
        run(test, estate)

    async def nothing(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        assert "Plans that wait" not in (await client.get("/")).text

    run(nothing, Estate(empty=True))


def test_a_plan_is_followed_until_it_has_ended() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "rob")
        assert 'hx-get="/automation/runs/r1"' in (await client.get("/automation/runs/r1")).text
        assert 'hx-get="/automation/runs/r2"' not in (await client.get("/automation/runs/r2")).text

    run(test)


def test_a_yes_counts_for_the_plan_that_was_shown_and_as_long_as_it_lasts() -> None:
    estate = Estate()
    digest = estate.automation_runs["r1"].plan_hash
    answers = [("jo", digest, True), ("bo", digest, False), ("cy", "0" * 64, True)]
    estate.answers += [("r1", one, agreed, name, "page") for name, one, agreed in answers]
    view = estate.automation_run("r1")
    assert [view.yes(content.NOW + shift) for shift in (-1, 0, 900 * 10**9 - 1, 900 * 10**9)] == [0, 1, 1, 0]
