"""GitHub's deliveries: what is a change, what it is known by, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.github import GithubDecoder
from stormpetrel.model.push import Decoded, PushRequest

COMMON: dict[str, Any] = {
    "repository": {
        "name": "checkout",
        "full_name": "shop/checkout",
        "html_url": "https://github.com/shop/checkout",
        "default_branch": "main",
        "pushed_at": 1_699_999_990,
    },
    "sender": {"login": "ann"},
}
DEPLOYMENT: dict[str, Any] = {
    "id": 42,
    "sha": "abc123",
    "ref": "v2.1",
    "task": "deploy",
    "environment": "production",
    "description": "Deploy v2.1",
    "creator": {"login": "bot"},
    "created_at": "2023-11-14T22:13:00Z",
}
STATUS: dict[str, Any] = {
    "id": 1,
    "state": "success",
    "description": "done",
    "target_url": "",
    "log_url": "https://github.com/shop/checkout/actions/runs/5",
    "environment_url": "https://shop",
    "created_at": "2023-11-14T22:13:10Z",
}
RUN: dict[str, Any] = {
    "id": 5,
    "run_attempt": 2,
    "name": "CI",
    "path": ".github/workflows/ci.yml",
    "head_branch": "main",
    "head_sha": "abc123",
    "status": "completed",
    "conclusion": "timed_out",
    "html_url": "https://github.com/shop/checkout/actions/runs/5",
    "actor": {"login": "ann"},
    "created_at": "2023-11-14T22:10:00Z",
    "run_started_at": "2023-11-14T22:11:00Z",
    "updated_at": "2023-11-14T22:13:00Z",
}
RELEASE: dict[str, Any] = {
    "id": 9,
    "tag_name": "v2.1",
    "name": "Spring",
    "html_url": "https://github.com/shop/checkout/releases/tag/v2.1",
    "author": {"login": "ann"},
    "published_at": "2023-11-14T22:13:05Z",
}
PUSH: dict[str, Any] = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "f" * 40,
    "deleted": False,
    "compare": "https://github.com/shop/checkout/compare/a...f",
    "pusher": {"name": "ann"},
    "head_commit": {"message": "Fix the cart\n\nlong text", "timestamp": "2023-10-01T00:00:00Z"},
    "commits": [{}, {}],
}


def delivery(kind: str, body: Any) -> PushRequest:
    headers = {"x-github-event": kind, "x-github-delivery": "72d3162e"} if kind else {}
    return hook("github", COMMON | body if isinstance(body, dict) else body, headers)


VALID_REQUESTS = [
    delivery("deployment", {"action": "created", "deployment": DEPLOYMENT}),
    delivery("deployment_status", {"deployment": DEPLOYMENT, "deployment_status": STATUS}),
    delivery("workflow_run", {"action": "completed", "workflow_run": RUN}),
    delivery("release", {"action": "published", "release": RELEASE}),
    delivery("push", PUSH),
]


def taken(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    (row,) = rows(decoded(GithubDecoder, delivery(kind, body)).changes)
    return row


def nothing(kind: str, body: Any) -> Decoded:
    outcome = decoded(GithubDecoder, delivery(kind, body))
    assert outcome.changes is None
    assert refused(outcome) == {"not_a_change": 1}
    assert outcome.status == 200
    return outcome


def test_a_deployment_and_its_status_are_one_change() -> None:
    begun = taken("deployment", {"action": "created", "deployment": DEPLOYMENT})
    over = taken("deployment_status", {"deployment": DEPLOYMENT, "deployment_status": STATUS})
    assert begun["change_id"] == over["change_id"] == "shop/checkout deployment/42"
    assert (begun["state"], begun["time_unix_nano"]) == ("started", RECEIVED - 20 * SECOND)
    assert over.pop("request_token") > 0
    assert over == {
        "time_unix_nano": RECEIVED - 10 * SECOND,
        "entity": "service:checkout",
        "source": "ci",
        "change_id": "shop/checkout deployment/42",
        "kind": "deploy",
        "state": "succeeded",
        "title": "checkout v2.1 to production: success",
        "environment": "production",
        "version": "v2.1",
        "actor": "bot",
        "url": "https://github.com/shop/checkout/actions/runs/5",
        "attributes": {
            "repository": "shop/checkout",
            "sha": "abc123",
            "task": "deploy",
            "description": "done",
        },
    }


@pytest.mark.parametrize(
    ("said", "state"),
    [("pending", "started"), ("in_progress", "started"), ("queued", "started"), ("failure", "failed"),
     ("error", "failed"), ("unheard_of", "unknown")],
)  # fmt: skip
def test_states_of_deployments(said: str, state: str) -> None:
    body = {"deployment": DEPLOYMENT, "deployment_status": STATUS | {"state": said}}
    assert taken("deployment_status", body)["state"] == state


def test_a_workflow_run_by_attempt() -> None:
    over = taken("workflow_run", {"workflow_run": RUN})
    assert (over["kind"], over["state"], over["change_id"]) == (
        "job",
        "failed",
        "shop/checkout workflow_run/5/2",
    )
    assert (over["time_unix_nano"], over["version"]) == (RECEIVED - 20 * SECOND, "abc123")
    assert over["title"] == "CI on main: timed_out"
    begun = taken("workflow_run", {"workflow_run": RUN | {"status": "in_progress", "conclusion": None}})
    assert (begun["state"], begun["time_unix_nano"]) == ("started", RECEIVED - 140 * SECOND)
    skipped = taken("workflow_run", {"workflow_run": RUN | {"conclusion": "skipped"}})
    assert skipped["state"] == "unknown"


def test_a_release_and_a_push() -> None:
    release = taken("release", {"action": "published", "release": RELEASE})
    assert [release[name] for name in ("kind", "state", "title", "version", "change_id")] == [
        "other", "succeeded", "release Spring", "v2.1", "shop/checkout release/9",
    ]  # fmt: skip
    push = taken("push", PUSH)
    assert [push[name] for name in ("title", "version", "actor", "time_unix_nano")] == [
        "push to main: Fix the cart", "f" * 12, "ann", RECEIVED - 10 * SECOND,
    ]  # fmt: skip
    assert push["attributes"] == {"repository": "shop/checkout", "branch": "main", "commits": "2"}


def test_deliveries_that_are_no_change_are_answered_with_success() -> None:
    nothing("ping", {"zen": "Keep it logically awesome."})
    nothing("issues", {"action": "opened"})
    nothing("release", {"action": "edited", "release": RELEASE})
    nothing("push", PUSH | {"ref": "refs/heads/feature"})
    nothing("push", PUSH | {"deleted": True})
    inactive = {"deployment": DEPLOYMENT, "deployment_status": STATUS | {"state": "inactive"}}
    outcome = nothing("deployment_status", inactive)
    assert json.loads(outcome.answer) == {"accepted": 0, "rejected": {"not_a_change": 1}}


def test_the_kind_makes_a_request_another_one() -> None:
    body = {"deployment": DEPLOYMENT}
    one, two = taken("deployment", body), taken("deployment_status", body)
    assert one["request_token"] != two["request_token"]


@pytest.mark.parametrize(("kind", "body"), [("", PUSH), ("push", []), ("push", b"{"), ("push", b"")])
def test_what_is_no_delivery_is_refused(kind: str, body: Any) -> None:
    with pytest.raises(DecodeError):
        decoded(GithubDecoder, delivery(kind, body))


def test_a_delivery_without_what_it_is_about_still_says_something() -> None:
    row = taken("deployment_status", {"repository": None, "deployment": "x", "deployment_status": 5})
    assert (row["entity"], row["state"], row["time_unix_nano"]) == ("unknown:unknown", "unknown", RECEIVED)
