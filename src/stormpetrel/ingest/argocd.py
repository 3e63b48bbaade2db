"""Argo CD's notifications to changes, in the template that docs/connect/changes.md gives.

Argo CD sends what a template of its configuration says; see
https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/.
"""

from __future__ import annotations

from typing import Any

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.changes_rows import ChangeRow, change_batch, service_entity, state_of
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, accepted, each, read_webhook
from stormpetrel.ingest.webhook_values import filled, text_at
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import ChangeKind, ChangeState

# What Go's templates write for a value that is not there.
_NOTHING = "<no value>"
_OVER = (ChangeState.SUCCEEDED, ChangeState.FAILED)


class ArgocdDecoder:
    """Decodes notifications about synchronisations of applications: each is a deploy.

    The body is an object of texts: `app` and `phase` are needed; `revision`, `namespace`, `cluster`,
    `project`, `repository`, `path`, `started`, `finished`, `actor`, `message`, `health` and `url` may be
    left out. The phase is Argo CD's: Running, Succeeded, Failed, Error, Terminating. A synchronisation is
    known by application, start and revision. The entity is the service with the application's name, the
    environment its destination's namespace.

    Args:
        registry: not used by changes; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "argocd"
    paths = ("/hooks/argocd",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """The change of one notification; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON object, no application or phase, or a time that cannot be read.
        """
        webhook = read_webhook(request, self._limit)
        app, phase = _text(webhook.tree, "app"), _text(webhook.tree, "phase")
        if not app or not phase:
            raise DecodeError(
                "no notification of Argo CD: its template writes an object with `app` and `phase`; "
                "take the template of docs/connect/changes.md"
            )
        tally = RejectTally()
        rows = each([webhook.tree], lambda tree: _row(tree, webhook), tally)
        return accepted(Decoded(changes=change_batch(rows, webhook)), tally, len(rows))


def _text(tree: Any, name: str) -> str:
    text = text_at(tree, name).strip()
    return "" if text == _NOTHING else text


def _row(tree: Any, webhook: Webhook) -> ChangeRow:
    app, phase, revision = _text(tree, "app"), _text(tree, "phase"), _text(tree, "revision")
    namespace = _text(tree, "namespace")
    started, finished = _text(tree, "started"), _text(tree, "finished")
    state = state_of(phase)
    return ChangeRow(
        time_unix_nano=webhook.time_of(finished if state in _OVER else started),
        entity=service_entity(app),
        change_id=f"{app} {started or f'{webhook.token:016x}'} {revision}",
        kind=ChangeKind.DEPLOY.value,
        state=state.value,
        title=f"{app[:120]} {revision[:12]} to {namespace[:120] or 'its cluster'}: {phase[:40]}",
        environment=namespace,
        version=revision,
        actor=_text(tree, "actor"),
        url=_text(tree, "url"),
        attributes=filled({
            name: _text(tree, name)
            for name in ("cluster", "project", "repository", "path", "health", "message")
        }),
    )  # fmt: skip
