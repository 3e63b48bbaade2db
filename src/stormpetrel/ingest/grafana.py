"""Grafana's webhook contact point to alerts: unified alerting, and the legacy shape before it.

Specification: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from typing import Any

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.alertmanager_rows import (
    URL_LETTERS,
    AlertRow,
    alert_batch,
    alert_rows,
    alert_severity,
)
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, accepted, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, filled, shown, text_at, texts_of
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import AlertState
from stormpetrel.model.resource import entity_of

_EXTRA = ("valueString", "values", "dashboardURL", "panelURL", "silenceURL", "imageURL")

# What the legacy alerting calls its states; `paused` and `pending` tell nothing.
_LEGACY_STATES = {
    "alerting": AlertState.FIRING,
    "no_data": AlertState.FIRING,
    "ok": AlertState.RESOLVED,
}


class GrafanaDecoder:
    """Decodes notifications of a webhook contact point.

    Unified alerting sends Alertmanager's shape; its measured values and links become annotations
    (`values`, `valueString`, `dashboardURL`, `panelURL`, `silenceURL`, `imageURL`). The legacy alerting
    (up to Grafana 10) sends one rule, known by its `ruleId`, whose tags are the labels. Alerts that cannot
    be taken are refused alone, with the reasons of `AlertmanagerDecoder`.

    Args:
        registry: not used by alerts; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "grafana"
    paths = ("/hooks/grafana",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Alerts of one notification; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many alerts.
            DecodeError: no notification, or one of which nothing can be taken.
        """
        webhook = read_webhook(request, self._limit)
        tally = RejectTally()
        alerts = dig(webhook.tree, "alerts")
        if isinstance(alerts, list):
            rows = alert_rows(alerts, webhook, tally, _EXTRA)
        elif dig(webhook.tree, "ruleId") is not None:
            rows = each([webhook.tree], lambda rule: _legacy_row(rule, webhook), tally)
        else:
            raise DecodeError("no notification of Grafana: the body has neither `alerts` nor `ruleId`")
        return accepted(Decoded(alerts=alert_batch(rows, webhook)), tally, len(rows))


def _legacy_row(rule: Any, webhook: Webhook) -> AlertRow:
    """One rule of the legacy alerting; it carries no time, so its state begins when it is told."""
    said = dig(rule, "state")
    state = _LEGACY_STATES.get(said) if isinstance(said, str) else None
    if state is None:
        raise RowRefusedError("bad_status", f"a rule's state is alerting, no_data or ok, not {shown(said)}")
    labels = {"alertname": text_at(rule, "ruleName"), **texts_of(dig(rule, "tags"), "tags")}
    now = webhook.received_unix_nano
    annotations = {name: text_at(rule, name) for name in ("title", "message", "evalMatches", "imageUrl")}
    identity = (text_at(rule, name, letters=40) for name in ("orgId", "dashboardId", "panelId", "ruleId"))
    return AlertRow(
        time_unix_nano=now,
        start_unix_nano=now,
        end_unix_nano=now if state is AlertState.RESOLVED else 0,
        entity=entity_of(labels)[:500],
        fingerprint="rule/" + "/".join(identity),
        name=labels["alertname"][:500],
        state=state.value,
        severity_number=alert_severity(labels),
        summary=text_at(rule, "message", letters=1_000) or text_at(rule, "title", letters=1_000),
        url=text_at(rule, "ruleUrl", letters=URL_LETTERS),
        labels=filled(labels),
        annotations=filled(annotations),
    )
