"""What people do in a closed loop: sign a runbook, agree to a plan, look at what became of it."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from typing import Any

import httpx
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.sent import csrf

from stormpetrel.act.library import shipped

Json = dict[str, Any]


def library(name: str, *changes: tuple[str, str]) -> str:
    """A runbook that comes along, with some of its words changed: looked at sooner, as a rule."""
    text = next(one for one in shipped() if one.name == name).text
    for was, instead in changes:
        assert was in text, f"{name} does not say {was!r}"
        text = text.replace(was, instead)
    return text


def sign(admin: httpx.Client, runbook: str) -> None:
    """An admin signs the version that is there."""
    path = f"/automation/runbooks/{runbook}"
    page = admin.get(path).text
    version = re.findall(r'name="version" value="([0-9a-f]+)"', page)[0]
    assert admin.post(f"{path}/sign", data={"version": version, **csrf(page)}).is_success


def runs(petrel: Petrel, runbook: str = "") -> list[Json]:
    """All runs, of one runbook or of all."""
    view = petrel.get("/api/v1/automation").json()
    found = [*view["waiting"], *view["running"], *view["ended"]]
    return [one for one in found if runbook in ("", one["runbook"])]


def run_of(petrel: Petrel, run_id: str) -> Json:
    """One run with its entries of the ledger and its judgement."""
    found: Json = petrel.get(f"/api/v1/automation/runs/{run_id}").json()
    return found


def waiting(petrel: Petrel, runbook: str, seconds: float = 60) -> Json:
    """The plan of a runbook that waits for people, once it is there."""
    found: list[Json] = []

    def is_there() -> bool:
        found[:] = [one for one in runs(petrel, runbook) if one["state"] == "waiting"]
        return bool(found)

    wait_until(is_there, seconds, lambda: told(petrel))
    return found[0]


def agree(admin: httpx.Client, run: Json, reason: str) -> str:
    """A person looks at the plan and agrees to it; the page as it was."""
    page = admin.get(f"/automation/runs/{run['run_id']}").text
    digest = re.findall(r'name="plan_hash" value="([0-9a-f]{64})"', page)[0]
    answer = {"plan_hash": digest, "agreed": "true", "reason": reason, **csrf(page)}
    assert admin.post(f"/automation/runs/{run['run_id']}/answer", data=answer).is_success
    return html.unescape(page)


def incident_of(petrel: Petrel, run: Json) -> Json:
    """The incident that a run is for."""
    found: Json = petrel.get(f"/api/v1/incidents/{run['incident_id']}").json()
    return found


def ended(petrel: Petrel, run: Json, seconds: float = 60) -> Json:
    """The run once it is over."""
    over = ("finished", "compensated", "escalated", "refused", "expired")
    wait_until(lambda: run_of(petrel, run["run_id"])["run"]["state"] in over, seconds, lambda: told(petrel))
    return run_of(petrel, run["run_id"])


def went_well(petrel: Petrel, view: Json) -> None:
    """It is fixed by the numbers, and the ledger tells all of it in order, in an unbroken chain."""
    assert view["run"]["state"] == "finished", told(petrel)
    assert [one["verified"] for one in view["run"]["records"]] == ["fixed"], told(petrel)
    kinds = [one["kind"] for one in view["entries"]]
    in_order = ["proposed", "judged", "approved", "judged", "begun", "result", "verified", "settled"]
    rest = iter(kinds)
    assert all(kind in rest for kind in in_order), kinds


def chain_is_whole(petrel: Petrel) -> None:
    """The whole ledger, walked by the command that people use; Storm Petrel may run meanwhile."""
    command = [sys.executable, "-m", "stormpetrel.cli.main", "ledger", "verify"]
    command += ["--config", str(petrel.directory / "stormpetrel.toml")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def verdict_on(view: Json, guardrail: str) -> Json:
    """What one guardrail said at the last judgement."""
    found: Json = next(one for one in view["judgement"]["verdicts"] if one["guardrail"] == guardrail)
    return found


def samples(petrel: Petrel, metric: str) -> int:
    """The least number of stored samples of any series of a metric; 0 when it has none."""
    found = petrel.get("/api/v1/series", text=metric).json()["series"]
    wanted = [one["series"] for one in found if one["text"].partition("{")[0] == metric]
    counts = [int(petrel.get(f"/api/v1/series/{one}/points").json()["samples"]) for one in wanted]
    return min(counts, default=0)


def wait_for_samples(petrel: Petrel, count: int, *metrics: str) -> None:
    """Until there is a past to compare with."""

    def counts() -> dict[str, int]:
        return {metric: samples(petrel, metric) for metric in metrics}

    wait_until(lambda: min(counts().values()) >= count, 180, lambda: f"{counts()}\n{petrel.output[-2000:]}")


def look_closely(petrel: Petrel, metric: str, more: int = 6) -> None:
    """A person looks long enough to see the trouble: what is undone at once cannot be measured."""
    wait_for_samples(petrel, samples(petrel, metric) + more, metric)


def told(petrel: Petrel) -> str:
    """What was found, planned and said: for the message of a test that fails."""
    found = petrel.get("/api/v1/findings").json()["findings"]
    lines = [f"{one['state']} {one['detector']} {one['title']}: {one['why'][:160]}" for one in found]
    for one in runs(petrel):
        view = run_of(petrel, one["run_id"])
        lines.append(f"{one['runbook']}: {view['run']['state']}, {view['run']['why']}")
        against = [one for one in view["judgement"]["verdicts"] if one["outcome"]]
        lines += [f"  {one['guardrail']}: {one['outcome']} {one['reason']}" for one in against]
    return "\n".join([*lines, petrel.output[-3000:]])
