"""GitLab's webhooks to changes.

Specification: https://docs.gitlab.com/user/project/integrations/webhook_events/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.changes_rows import ChangeRow, change_batch, service_entity, state_of
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, answered, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, filled, text_at
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import ChangeKind, ChangeState

_SHA_LETTERS = 12


class GitlabDecoder:
    """Decodes project, group and system hooks.

    | hook | change | known by | state |
    | --- | --- | --- | --- |
    | deployment | deploy | deployment id | of the status |
    | pipeline | job | pipeline id | of the status |
    | release, created | other | release id | succeeded |
    | tag push, push to the default branch | other | the commit | succeeded |
    | feature flag | flag | flag id and delivery | succeeded |

    The entity is the service with the last part of the project's path. Any other hook is answered with
    success and counted as `not_a_change`.

    Args:
        registry: not used by changes; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "gitlab"
    paths = ("/hooks/gitlab",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """The change of one hook; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON object, or neither a member `object_kind` nor a header that says what it is.
        """
        # Some bodies carry no time: a flag turned on, off and on again is three changes by this alone.
        webhook = read_webhook(request, self._limit, request.headers.get("x-gitlab-event-uuid", ""))
        header = request.headers.get("x-gitlab-event", "")
        kind = text_at(webhook.tree, "object_kind", letters=40) or text_at(
            webhook.tree, "event_name", letters=40
        )
        kind = kind or header.lower().removesuffix(" hook").replace(" ", "_")
        if not kind or not isinstance(webhook.tree, dict):
            raise DecodeError("no hook of GitLab: it is a JSON object with a member `object_kind`")
        tally = RejectTally()
        row = _ROWS.get(kind, _no_change)
        rows = each([webhook.tree], lambda body: row(body, webhook), tally)
        return answered(Decoded(changes=change_batch(rows, webhook)), tally, len(rows))


def _no_change(body: dict[str, Any], _: Webhook) -> ChangeRow:
    raise RowRefusedError("not_a_change", f"a hook of kind {text_at(body, 'object_kind', letters=40)!r}")


def _project_name(body: dict[str, Any]) -> str:
    path = text_at(body, "project", "path_with_namespace")
    return path.rpartition("/")[2] or text_at(body, "project", "name")


def _row(body: dict[str, Any], kind: ChangeKind, state: ChangeState, title: str, **rest: Any) -> ChangeRow:
    """A row with what every hook says alike."""
    path = text_at(body, "project", "path_with_namespace")
    attributes = {"repository": path, **rest.pop("attributes", {})}
    plain = {
        "entity": service_entity(_project_name(body)),
        "environment": "",
        "actor": text_at(body, "user", "username")
        or text_at(body, "user_username")
        or text_at(body, "user_name"),
        "url": text_at(body, "project", "web_url"),
    }
    own_id = f"{path} {rest.pop('change_id')}"
    return ChangeRow(
        **{**plain, **rest}, kind=kind.value, state=state.value, title=title, change_id=own_id,
        attributes=filled(attributes),
    )  # fmt: skip


def _deployment(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    said, environment = text_at(body, "status"), text_at(body, "environment")
    version = text_at(body, "ref") or text_at(body, "short_sha")
    return _row(
        body, ChangeKind.DEPLOY, state_of(said),
        f"{_project_name(body)} {version[:60]} to {environment[:60]}: {said}",
        time_unix_nano=webhook.time_of(body.get("status_changed_at")),
        change_id=f"deployment/{text_at(body, 'deployment_id')}",
        environment=environment,
        version=version,
        url=text_at(body, "deployable_url") or text_at(body, "project", "web_url"),
        attributes={
            "sha": text_at(body, "short_sha"),
            "tier": text_at(body, "environment_tier"),
            "commit": text_at(body, "commit_title"),
        },
    )  # fmt: skip


def _pipeline(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    pipeline = body.get("object_attributes")
    said, ref = text_at(pipeline, "status"), text_at(pipeline, "ref")
    state = state_of(
        said, ChangeState.STARTED if said in ("preparing", "scheduled", "manual") else ChangeState.UNKNOWN
    )
    moment = dig(pipeline, "created_at") if state is ChangeState.STARTED else dig(pipeline, "finished_at")
    name = text_at(pipeline, "name") or f"pipeline of {_project_name(body)}"
    url = f"{text_at(body, 'project', 'web_url')}/-/pipelines/{text_at(pipeline, 'id')}"
    return _row(
        body, ChangeKind.JOB, state, f"{name[:200]} on {ref[:60]}: {said}",
        time_unix_nano=webhook.time_of(moment),
        change_id=f"pipeline/{text_at(pipeline, 'id')}",
        version=text_at(pipeline, "sha"),
        url=text_at(pipeline, "url") or url,
        attributes={
            "branch": ref,
            "cause": text_at(pipeline, "source"),
            "commit": text_at(body, "commit", "title"),
        },
    )  # fmt: skip


def _release(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    if text_at(body, "action") != "create":
        raise RowRefusedError("not_a_change", f"a release: {text_at(body, 'action', letters=40)!r}")
    name = text_at(body, "name") or text_at(body, "tag")
    return _row(
        body, ChangeKind.OTHER, ChangeState.SUCCEEDED, f"release {name}",
        time_unix_nano=webhook.time_of(body.get("released_at") or body.get("created_at")),
        change_id=f"release/{text_at(body, 'id')}",
        version=text_at(body, "tag"),
        actor=text_at(body, "commit", "author", "name"),
        url=text_at(body, "url"),
    )  # fmt: skip


def _push(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    """A tag, or a push to the default branch; GitLab says no time of the push."""
    ref, after = text_at(body, "ref"), text_at(body, "checkout_sha")
    branch = text_at(body, "project", "default_branch")
    tag = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else ""
    if not after or not (tag or (branch and ref == f"refs/heads/{branch}")):
        raise RowRefusedError("not_a_change", f"a push to {ref[:100]!r}")
    commits = body.get("commits")
    last = commits[-1] if isinstance(commits, list) and commits else None
    title = f"tag {tag}" if tag else f"push to {branch}: {text_at(last, 'title')}"
    return _row(
        body, ChangeKind.OTHER, ChangeState.SUCCEEDED, title,
        time_unix_nano=webhook.received_unix_nano,
        change_id=f"{ref} {after}",
        version=tag or after[:_SHA_LETTERS],
        url=text_at(last, "url") or text_at(body, "project", "web_url"),
        attributes={"branch": "" if tag else branch, "commits": text_at(body, "total_commits_count")},
    )  # fmt: skip


def _feature_flag(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    flag = body.get("object_attributes")
    turned = "on" if dig(flag, "active") is True else "off"
    return _row(
        body, ChangeKind.FLAG, ChangeState.SUCCEEDED, f"feature flag {text_at(flag, 'name')} turned {turned}",
        time_unix_nano=webhook.received_unix_nano,
        change_id=f"flag/{text_at(flag, 'id')}/{webhook.token:016x}",
        version="",
        attributes={"flag": text_at(flag, "name"), "active": turned},
    )  # fmt: skip


_ROWS: dict[str, Callable[[dict[str, Any], Webhook], ChangeRow]] = {
    "deployment": _deployment,
    "pipeline": _pipeline,
    "release": _release,
    "push": _push,
    "tag_push": _push,
    "feature_flag": _feature_flag,
}
