"""Prometheus Alertmanager's webhook notifications to alerts.

Specification: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, version 4.
"""

from __future__ import annotations

from stormpetrel.errors import DecodeError, UnsupportedError
from stormpetrel.ingest.alertmanager_rows import alert_batch, alert_rows
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import accepted, read_webhook
from stormpetrel.ingest.webhook_values import dig, shown
from stormpetrel.model.push import Decoded, PushRequest


class AlertmanagerDecoder:
    """Decodes notifications of the receiver `webhook_configs`, one request a group of alerts.

    An alert is known by its fingerprint; a notification that is sent again, as Alertmanager does after an
    error and at every `repeat_interval`, tells the same state once more. The entity comes from the labels,
    the severity from the label `severity`, the link from `generatorURL`. Alerts that cannot be taken are
    refused alone, with the reasons `bad_status`, `bad_time`, `time_in_future`, `too_many_names` and
    `not_an_object`; those that the receiver's `max_alerts` cut off count as `truncated_by_sender`.

    Args:
        registry: not used by alerts; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "alertmanager"
    paths = ("/hooks/alertmanager",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Alerts of one notification; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many alerts.
            UnsupportedError: another version of the notification.
            DecodeError: no notification, or one of which nothing can be taken.
        """
        webhook = read_webhook(request, self._limit)
        version = dig(webhook.tree, "version")
        if version not in (None, "4", 4):
            raise UnsupportedError(f"Alertmanager's notification has version {shown(version)}, known is 4")
        alerts = dig(webhook.tree, "alerts")
        if not isinstance(alerts, list):
            raise DecodeError("no notification of Alertmanager: the body has no list `alerts`")
        tally = RejectTally()
        rows = alert_rows(alerts, webhook, tally)
        return accepted(Decoded(alerts=alert_batch(rows, webhook)), tally, len(rows))
