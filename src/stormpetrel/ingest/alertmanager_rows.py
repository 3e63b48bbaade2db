"""Alerts in the shape that Alertmanager and Grafana share, as rows of an alert batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import xxhash

from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, check_records, each
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, filled, shown, text_at, texts_of
from stormpetrel.model.columns import record_batch
from stormpetrel.model.records import ALERT_SCHEMA, AlertBatch, AlertState
from stormpetrel.model.resource import entity_of

URL_LETTERS = 2_048
_SUMMARY_LETTERS = 1_000
_NAME_LETTERS = 500
_FINGERPRINT_LETTERS = 128

# Words of alerting rules that are no log level.
_WORDS = {
    "page": 18,
    "p1": 18,
    "disaster": 18,
    "high": 17,
    "major": 17,
    "p2": 17,
    "average": 13,
    "medium": 13,
}
_WORDS |= {"minor": 13, "p3": 13, "low": 10, "p4": 10, "ok": 9}


class AlertRow(NamedTuple):
    """One row of `ALERT_SCHEMA`, without source and token."""

    time_unix_nano: int
    start_unix_nano: int
    end_unix_nano: int
    entity: str
    fingerprint: str
    name: str
    state: str
    severity_number: int
    summary: str
    url: str
    labels: str
    annotations: str


def alert_batch(rows: list[AlertRow], webhook: Webhook) -> AlertBatch | None:
    """The rows as a batch of this request; None when there are none."""
    if not rows:
        return None
    columns: dict[str, Any] = dict(zip(AlertRow._fields, zip(*rows, strict=True), strict=True))
    columns |= {"source": webhook.source, "request_token": webhook.token}
    return AlertBatch(record_batch(columns, ALERT_SCHEMA))


def alert_rows(
    alerts: list[Any], webhook: Webhook, tally: RejectTally, extra: tuple[str, ...] = ()
) -> list[AlertRow]:
    """The elements of `alerts` that can be taken; what the sender itself left out is counted, too.

    Raises:
        TooLargeError: too many alerts.
    """
    check_records(len(alerts))
    truncated = dig(webhook.tree, "truncatedAlerts")
    if isinstance(truncated, int) and 0 < truncated < 1 << 31:
        tally.add("truncated_by_sender", truncated, "its receiver has a largest number of alerts")
    return each(alerts, lambda alert: alert_row(alert, webhook, extra), tally)


def alert_row(alert: Any, webhook: Webhook, extra: tuple[str, ...] = ()) -> AlertRow:
    """One element of `alerts`.

    A firing alert has no end, whatever is written there; a resolved one ends when it says, else now.

    Args:
        alert: the JSON value.
        webhook: the request it came in.
        extra: further members of the alert, which become annotations.

    Raises:
        RowRefusedError: no object, an unknown status, an unreadable time or too many labels.
    """
    if not isinstance(alert, dict):
        raise RowRefusedError("not_an_object", f"an alert must be an object, not {shown(alert)}")
    said = alert.get("status")
    if said not in (AlertState.FIRING.value, AlertState.RESOLVED.value):
        raise RowRefusedError("bad_status", f"an alert is firing or resolved, not {shown(said)}")
    labels = texts_of(alert.get("labels"), "labels")
    annotations = texts_of(alert.get("annotations"), "annotations")
    start = webhook.time_of(alert.get("startsAt"))
    end = 0 if said == AlertState.FIRING.value else max(start, webhook.time_of(alert.get("endsAt")))
    return AlertRow(
        time_unix_nano=end or start,
        start_unix_nano=start,
        end_unix_nano=end,
        entity=entity_of(labels)[:_NAME_LETTERS],
        fingerprint=text_at(alert, "fingerprint", letters=_FINGERPRINT_LETTERS) or _fingerprint(labels),
        name=labels.get("alertname", "")[:_NAME_LETTERS],
        state=said,
        severity_number=alert_severity(labels),
        summary=summary_of(annotations),
        url=text_at(alert, "generatorURL", letters=URL_LETTERS),
        labels=filled(labels),
        annotations=filled({**annotations, **{name: text_at(alert, name) for name in extra}}),
    )


def alert_severity(labels: dict[str, str]) -> int:
    """The severity_number that the label `severity` means, else `priority`; 0 where neither says one.

    >>> alert_severity({"severity": "critical"}), alert_severity({"severity": "page"}), alert_severity({})
    (18, 18, 0)
    """
    for label in ("severity", "priority"):
        word = labels.get(label, "").strip().lower()
        found = severity_of(word) or _WORDS.get(word, 0)
        if found:
            return found
    return 0


def summary_of(annotations: dict[str, str]) -> str:
    """One text for people: the first of summary, title, message and description that says something."""
    for name in ("summary", "title", "message", "description"):
        text = annotations.get(name, "").strip()
        if text:
            return text[:_SUMMARY_LETTERS]
    return ""


def _fingerprint(labels: dict[str, str]) -> str:
    """Of the labels, for senders that give none: equal labels are one alert."""
    return xxhash.xxh64_hexdigest(filled(dict(sorted(labels.items()))).encode())
