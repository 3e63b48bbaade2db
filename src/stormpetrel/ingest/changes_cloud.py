"""CloudEvents 1.0 as changes, CDEvents among them.

Specifications: https://github.com/cloudevents/spec (core, the JSON format and the HTTP binding), and
https://cdevents.dev/docs/ for the types `dev.cdevents.SUBJECT.PREDICATE.VERSION`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from stormpetrel.ingest.changes_rows import ChangeRow, service_entity, state_of
from stormpetrel.ingest.webhook import Webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, filled, shown, text_at
from stormpetrel.model.records import ChangeKind, ChangeState
from stormpetrel.model.resource import UNKNOWN_ENTITY

BATCH_TYPE = "application/cloudevents-batch"

_CDEVENT = re.compile(r"dev\.cdevents\.([a-z]+)\.([a-z]+)(\.\d.*)?")
_PURL = re.compile(r"pkg:[^/]+/(?:[^@?#]*/)?([^/@?#]+)(?:@([^?#]+))?")

# Subjects of CDEvents that are changes. Of a run, all messages are about one change; of a thing, each is
# a change of its own.
_RUNS = {
    "deployment": ChangeKind.DEPLOY,
    "targetrollout": ChangeKind.DEPLOY,
    "migration": ChangeKind.JOB,
    "pipelinerun": ChangeKind.JOB,
    "taskrun": ChangeKind.JOB,
}
_THINGS = {"service": ChangeKind.DEPLOY, "environment": ChangeKind.CONFIG}
_STARTED = ("queued", "started")

# Words in the type of any other CloudEvent that tell its kind; the first that is found.
_KIND_WORDS = (
    ("deploy", ChangeKind.DEPLOY),
    ("rollout", ChangeKind.DEPLOY),
    ("release", ChangeKind.DEPLOY),
    ("flag", ChangeKind.FLAG),
    ("scal", ChangeKind.SCALING),
    ("certificate", ChangeKind.CERTIFICATE),
    ("config", ChangeKind.CONFIG),
    ("job", ChangeKind.JOB),
    ("pipeline", ChangeKind.JOB),
)


def cloud_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The context attributes of a CloudEvent in binary mode, from the headers `ce-…`; empty when it is none.

    >>> cloud_headers({"ce-specversion": "1.0", "ce-id": "a%20b", "user-agent": "x"})
    {'specversion': '1.0', 'id': 'a b'}
    """
    if "ce-specversion" not in headers:
        return {}
    return {
        name[3:]: unquote(text) for name, text in headers.items() if name.startswith("ce-") and len(name) > 3
    }


def is_cloud_event(change: Mapping[str, Any]) -> bool:
    """Whether an object is a CloudEvent in structured mode, or a CDEvent on its own."""
    return "specversion" in change or dig(change, "context", "type") is not None


def cloud_row(cloud: Any, webhook: Webhook) -> ChangeRow:
    """One CloudEvent as a change.

    Of a CDEvent subject, environment, artifact and outcome are read. Of any other the members of a plain
    change are read from `data`, where there are any; kind and state are else told by the words of its type.

    Raises:
        RowRefusedError: another version, no id, source or type, a time that cannot be read, or a CDEvent
            about something that is no change.
    """
    if not isinstance(cloud, dict):
        raise RowRefusedError("not_an_object", f"a CloudEvent must be an object, not {shown(cloud)}")
    if "specversion" not in cloud:  # a CDEvent without its CloudEvents envelope
        context = cloud.get("context")
        cloud = {
            "specversion": "1.0", "data": cloud, "id": dig(context, "id"), "source": dig(context, "source"),
            "type": dig(context, "type"), "time": dig(context, "timestamp"),
        }  # fmt: skip
    needed = [text_at(cloud, name, letters=256) for name in ("id", "source", "type")]
    if cloud["specversion"] != "1.0" or not all(needed):
        raise RowRefusedError("bad_cloud_event", "a CloudEvent needs specversion 1.0, id, source and type")
    match = _CDEVENT.fullmatch(needed[2])
    return _other(cloud, webhook) if match is None else _cdevent(cloud, match, webhook)


def _cdevent(cloud: dict[str, Any], match: re.Match[str], webhook: Webhook) -> ChangeRow:
    about, predicate = match[1], match[2]
    kind = _RUNS.get(about) or _THINGS.get(about)
    if kind is None or (about == "service" and predicate == "published"):
        raise RowRefusedError(
            "not_a_change", f"a CDEvent about {about} {predicate} is no change of what runs"
        )
    subject = dig(cloud, "data", "subject")
    content = dig(subject, "content")
    subject_id = text_at(subject, "id", letters=300)
    artifact = _PURL.fullmatch(text_at(content, "artifactId", letters=1000))
    name, version = (artifact[1], unquote(artifact[2] or "")) if artifact else ("", "")
    environment = subject_id if about == "environment" else text_at(content, "environment", "id")
    if about == "service":
        entity = service_entity(subject_id.rpartition("/")[2])
    elif about in ("pipelinerun", "taskrun"):
        pipeline = text_at(content, "pipelineName") or text_at(content, "taskName")
        entity = f"pipeline:{pipeline}" if pipeline else UNKNOWN_ENTITY
    else:
        entity = service_entity(name)
    own = f"{text_at(subject, 'source') or text_at(cloud, 'source')} {subject_id}"
    each_one = f"{text_at(cloud, 'source')} {text_at(cloud, 'id')}"
    return ChangeRow(
        time_unix_nano=webhook.time_of(cloud.get("time") or dig(cloud, "data", "context", "timestamp")),
        entity=entity,
        change_id=own if about in _RUNS else each_one,
        kind=kind.value,
        state=_cdevent_state(predicate, dig(content, "outcome")).value,
        title=f"{about} {entity.partition(':')[2] if entity != UNKNOWN_ENTITY else subject_id} {predicate}",
        environment=environment,
        version=version,
        actor=text_at(content, "trigger", "type"),
        url=text_at(content, "url") or text_at(content, "uri"),
        attributes=filled({"cloudevent.type": text_at(cloud, "type"), "subject.id": subject_id}),
    )


def _cdevent_state(predicate: str, outcome: Any) -> ChangeState:
    if predicate in _STARTED:
        return ChangeState.STARTED
    return state_of(outcome) if predicate == "finished" else ChangeState.SUCCEEDED


def _other(cloud: dict[str, Any], webhook: Webhook) -> ChangeRow:
    said = cloud.get("data")
    kind_text, state_text = text_at(said, "kind"), text_at(said, "state") or text_at(said, "status")
    type_ = text_at(cloud, "type", letters=256)
    subject = text_at(cloud, "subject", letters=256)
    words = re.split(r"[^a-z_]+", type_.lower())
    known = {kind.value for kind in ChangeKind}
    kind = kind_text if kind_text in known else _kind_of(type_.lower())
    state = state_of(state_text)
    if state is ChangeState.UNKNOWN:
        state = next((found for word in reversed(words) if (found := state_of(word)) != "unknown"), state)
    entity = text_at(said, "entity")
    return ChangeRow(
        time_unix_nano=webhook.time_of(cloud.get("time") or dig(said, "time")),
        entity=entity if ":" in entity else service_entity(text_at(said, "service")),
        change_id=f"{text_at(cloud, 'source')} {text_at(said, 'id') or text_at(cloud, 'id')}",
        kind=kind,
        state=state.value,
        title=text_at(said, "title") or f"{type_} {subject}".strip(),
        environment=text_at(said, "environment"),
        version=text_at(said, "version"),
        actor=text_at(said, "actor"),
        url=text_at(said, "url"),
        attributes=filled(
            {
                "cloudevent.type": type_,
                "cloudevent.source": text_at(cloud, "source"),
                "cloudevent.subject": subject,
            }
        ),
    )


def _kind_of(type_: str) -> str:
    return next((kind for word, kind in _KIND_WORDS if word in type_), ChangeKind.OTHER).value
