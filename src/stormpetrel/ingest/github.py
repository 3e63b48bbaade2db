"""GitHub's webhooks to changes.

Specification: https://docs.github.com/en/webhooks/webhook-events-and-payloads.
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


class GithubDecoder:
    """Decodes deliveries of repository and organisation webhooks with the content type application/json.

    | delivery | change | known by | state |
    | --- | --- | --- | --- |
    | `deployment`, `deployment_status` | deploy | deployment id | of the status; started before the first |
    | `workflow_run` | job | run id and attempt | of the conclusion; started before |
    | `release`, published | other | release id | succeeded |
    | `push` to the default branch | other | its last commit | succeeded |

    The entity is the service with the repository's name. Any other delivery is answered with success and
    counted as `not_a_change`.

    Args:
        registry: not used by changes; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "github"
    paths = ("/hooks/github",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """The change of one delivery; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON object, or no header that says what the delivery is.
        """
        kind = request.headers.get("x-github-event", "")
        webhook = read_webhook(request, self._limit, kind)
        if not kind or not isinstance(webhook.tree, dict):
            raise DecodeError("no delivery of GitHub: it has a header X-GitHub-Event and is a JSON object")
        tally = RejectTally()
        row = _ROWS.get(kind, _no_change)
        rows = each([webhook.tree], lambda body: row(body, webhook), tally)
        return answered(Decoded(changes=change_batch(rows, webhook)), tally, len(rows))


def _no_change(body: dict[str, Any], _: Webhook) -> ChangeRow:
    raise RowRefusedError("not_a_change", f"action {text_at(body, 'action', letters=40)!r}")


def _row(body: dict[str, Any], kind: ChangeKind, state: ChangeState, title: str, **rest: Any) -> ChangeRow:
    """A row with what every delivery says alike."""
    repository = dig(body, "repository")
    full_name = text_at(repository, "full_name")
    attributes = {"repository": full_name, **rest.pop("attributes", {})}
    plain = {
        "entity": service_entity(text_at(repository, "name")),
        "environment": "",
        "actor": text_at(body, "sender", "login"),
        "url": text_at(repository, "html_url"),
    }
    own_id = f"{full_name} {rest.pop('change_id')}"
    return ChangeRow(
        **{**plain, **rest}, kind=kind.value, state=state.value, title=title, change_id=own_id,
        attributes=filled(attributes),
    )  # fmt: skip


def _deployment(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    deployment = dig(body, "deployment")
    status = dig(body, "deployment_status")
    said = text_at(status, "state") if status is not None else "started"
    if said == "inactive":  # told of the one before, when another has taken its place
        raise RowRefusedError("not_a_change", "a deployment became inactive")
    environment = text_at(deployment, "environment")
    version = text_at(deployment, "ref") or text_at(deployment, "sha")
    name = text_at(body, "repository", "name")
    moment = dig(status, "created_at") or dig(deployment, "created_at")
    links = (text_at(status, link) for link in ("log_url", "target_url", "environment_url"))
    return _row(
        body, ChangeKind.DEPLOY, state_of(said), f"{name} {version[:60]} to {environment[:60]}: {said}",
        time_unix_nano=webhook.time_of(moment),
        change_id=f"deployment/{text_at(deployment, 'id')}",
        environment=environment,
        version=version,
        actor=text_at(deployment, "creator", "login") or text_at(body, "sender", "login"),
        url=next(filter(None, links), text_at(body, "repository", "html_url")),
        attributes={
            "sha": text_at(deployment, "sha"),
            "task": text_at(deployment, "task"),
            "description": text_at(status, "description") or text_at(deployment, "description"),
        },
    )  # fmt: skip


def _workflow_run(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    run = dig(body, "workflow_run")
    over = text_at(run, "status") == "completed"
    said = text_at(run, "conclusion") if over else "started"
    moment = dig(run, "updated_at") if over else dig(run, "run_started_at") or dig(run, "created_at")
    branch = text_at(run, "head_branch")
    return _row(
        body, ChangeKind.JOB, state_of(said), f"{text_at(run, 'name')} on {branch}: {said}",
        time_unix_nano=webhook.time_of(moment),
        change_id=f"workflow_run/{text_at(run, 'id')}/{text_at(run, 'run_attempt')}",
        version=text_at(run, "head_sha"),
        actor=text_at(run, "actor", "login") or text_at(body, "sender", "login"),
        url=text_at(run, "html_url"),
        attributes={"branch": branch, "workflow": text_at(run, "path")},
    )  # fmt: skip


def _release(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    if text_at(body, "action") != "published":
        raise RowRefusedError("not_a_change", f"a release was {text_at(body, 'action', letters=40)!r}")
    release = dig(body, "release")
    tag = text_at(release, "tag_name")
    return _row(
        body, ChangeKind.OTHER, ChangeState.SUCCEEDED, f"release {text_at(release, 'name') or tag}",
        time_unix_nano=webhook.time_of(dig(release, "published_at")),
        change_id=f"release/{text_at(release, 'id')}",
        version=tag,
        actor=text_at(release, "author", "login"),
        url=text_at(release, "html_url"),
    )  # fmt: skip


def _push(body: dict[str, Any], webhook: Webhook) -> ChangeRow:
    branch = text_at(body, "repository", "default_branch")
    if dig(body, "deleted") is True or not branch or text_at(body, "ref") != f"refs/heads/{branch}":
        raise RowRefusedError("not_a_change", f"a push to {text_at(body, 'ref', letters=100)!r}")
    commits = dig(body, "commits")
    message = text_at(body, "head_commit", "message").strip().partition("\n")[0]
    return _row(
        body, ChangeKind.OTHER, ChangeState.SUCCEEDED, f"push to {branch}: {message}",
        # Of the push itself; a commit's own time may be days older.
        time_unix_nano=webhook.time_of(dig(body, "repository", "pushed_at")),
        change_id=f"push/{text_at(body, 'after')}",
        version=text_at(body, "after")[:_SHA_LETTERS],
        actor=text_at(body, "pusher", "name"),
        url=text_at(body, "compare"),
        attributes={"branch": branch, "commits": str(len(commits)) if isinstance(commits, list) else ""},
    )  # fmt: skip


_ROWS: dict[str, Callable[[dict[str, Any], Webhook], ChangeRow]] = {
    "deployment": _deployment,
    "deployment_status": _deployment,
    "workflow_run": _workflow_run,
    "release": _release,
    "push": _push,
}
