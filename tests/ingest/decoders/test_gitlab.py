"""GitLab's hooks: what is a change, what it is known by, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.gitlab import GitlabDecoder
from stormpetrel.model.push import PushRequest

PROJECT: dict[str, Any] = {
    "id": 30,
    "name": "The Checkout",
    "web_url": "https://gitlab/shop/checkout",
    "path_with_namespace": "shop/checkout",
    "default_branch": "main",
}
DEPLOYMENT: dict[str, Any] = {
    "object_kind": "deployment",
    "status": "success",
    "status_changed_at": "2023-11-14 23:13:10 +0100",
    "deployment_id": 15,
    "deployable_url": "https://gitlab/shop/checkout/-/jobs/796",
    "environment": "production",
    "environment_tier": "production",
    "project": PROJECT,
    "short_sha": "279484c0",
    "ref": "v2.1",
    "user": {"name": "Ann", "username": "ann"},
    "commit_title": "Add new file",
}
PIPELINE: dict[str, Any] = {
    "object_kind": "pipeline",
    "object_attributes": {
        "id": 31,
        "ref": "main",
        "sha": "bcbb5ec3",
        "source": "push",
        "status": "failed",
        "created_at": "2023-11-14 22:12:00 UTC",
        "finished_at": "2023-11-14 22:13:00 UTC",
    },
    "user": {"username": "ann"},
    "project": PROJECT,
    "commit": {"title": "Add new file"},
}
RELEASE: dict[str, Any] = {
    "object_kind": "release",
    "action": "create",
    "id": 1,
    "name": "Spring",
    "tag": "v2.1",
    "released_at": "2023-11-14 22:13:00 UTC",
    "created_at": "2020-11-02 12:55:12 UTC",
    "project": PROJECT,
    "url": "https://gitlab/shop/checkout/-/releases/v2.1",
    "commit": {"author": {"name": "Ann"}},
}
TAG: dict[str, Any] = {
    "object_kind": "tag_push",
    "ref": "refs/tags/v2.1",
    "checkout_sha": "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7",
    "user_name": "Ann",
    "project": PROJECT,
    "commits": [],
    "total_commits_count": 0,
}
PUSH: dict[str, Any] = TAG | {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "user_username": "ann",
    "commits": [{"title": "older"}, {"title": "Fix the cart", "url": "https://gitlab/commit/1"}],
    "total_commits_count": 2,
}
FLAG: dict[str, Any] = {
    "object_kind": "feature_flag",
    "project": PROJECT,
    "user": {"username": "ann"},
    "object_attributes": {"id": 6, "name": "new-cart", "active": True},
}


def sent(body: Any, delivery: str = "") -> PushRequest:
    return hook("gitlab", body, {"x-gitlab-event": "Some Hook", "x-gitlab-event-uuid": delivery})


VALID_REQUESTS = [sent(body) for body in (DEPLOYMENT, PIPELINE, RELEASE, TAG, PUSH, FLAG)]


def taken(body: dict[str, Any], delivery: str = "") -> dict[str, Any]:
    (row,) = rows(decoded(GitlabDecoder, sent(body, delivery)).changes)
    return row


def test_a_deployment() -> None:
    row = taken(DEPLOYMENT)
    assert row.pop("request_token") > 0
    assert row == {
        "time_unix_nano": RECEIVED - 10 * SECOND,
        "entity": "service:checkout",
        "source": "ci",
        "change_id": "shop/checkout deployment/15",
        "kind": "deploy",
        "state": "succeeded",
        "title": "checkout v2.1 to production: success",
        "environment": "production",
        "version": "v2.1",
        "actor": "ann",
        "url": "https://gitlab/shop/checkout/-/jobs/796",
        "attributes": {
            "repository": "shop/checkout",
            "sha": "279484c0",
            "tier": "production",
            "commit": "Add new file",
        },
    }
    begun = taken(DEPLOYMENT | {"status": "running", "status_changed_at": "2023-11-14 22:13:00 UTC"})
    assert (begun["state"], begun["change_id"]) == ("started", row["change_id"])
    assert taken(DEPLOYMENT | {"status": "canceled"})["state"] == "failed"


def test_a_pipeline() -> None:
    row = taken(PIPELINE)
    assert [row[name] for name in ("kind", "state", "change_id", "time_unix_nano", "title", "url")] == [
        "job", "failed", "shop/checkout pipeline/31", RECEIVED - 20 * SECOND,
        "pipeline of checkout on main: failed", "https://gitlab/shop/checkout/-/pipelines/31",
    ]  # fmt: skip
    about = PIPELINE["object_attributes"] | {"status": "preparing", "finished_at": None, "name": "nightly"}
    begun = taken(PIPELINE | {"object_attributes": about})
    assert (begun["state"], begun["time_unix_nano"]) == ("started", RECEIVED - 80 * SECOND)
    assert begun["title"] == "nightly on main: preparing"


def test_a_release_a_tag_a_push_and_a_flag() -> None:
    release, tag, push, flag = taken(RELEASE), taken(TAG), taken(PUSH), taken(FLAG)
    assert [(row["kind"], row["title"]) for row in (release, tag, push, flag)] == [
        ("other", "release Spring"),
        ("other", "tag v2.1"),
        ("other", "push to main: Fix the cart"),
        ("flag", "feature flag new-cart turned on"),
    ]
    assert release["time_unix_nano"] == RECEIVED - 20 * SECOND
    assert (tag["version"], push["version"], push["actor"]) == ("v2.1", "82b3d5ae55f7", "ann")
    assert push["time_unix_nano"] == RECEIVED


def test_equal_bodies_of_two_deliveries_are_two_changes() -> None:
    on, again = taken(FLAG, "one"), taken(FLAG, "two")
    assert on["change_id"] != again["change_id"]
    assert on["request_token"] != again["request_token"]
    assert taken(FLAG, "one") == on


@pytest.mark.parametrize(
    "body",
    [
        {"object_kind": "issue", "object_attributes": {}},
        {"event_name": "project_create"},
        RELEASE | {"action": "update"},
        PUSH | {"ref": "refs/heads/feature"},
        TAG | {"checkout_sha": None},  # a tag was deleted
    ],
)
def test_hooks_that_are_no_change_are_answered_with_success(body: dict[str, Any]) -> None:
    outcome = decoded(GitlabDecoder, sent(body))
    assert outcome.changes is None
    assert refused(outcome) == {"not_a_change": 1}


def test_the_header_says_what_a_body_does_not() -> None:
    body = {name: value for name, value in TAG.items() if name != "object_kind"}
    request = hook("gitlab", body, {"x-gitlab-event": "Tag Push Hook"})
    assert rows(decoded(GitlabDecoder, request).changes)[0]["title"] == "tag v2.1"


@pytest.mark.parametrize("body", [b"[]", b"7", b"", b"{}"])
def test_what_is_no_hook_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decoded(GitlabDecoder, hook("gitlab", body))
