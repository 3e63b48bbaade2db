"""Suricata's EVE JSON lines: flows, alerts, and log records of everything else."""

from __future__ import annotations

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.flow_rows import FlowRow, flow_batch
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.sensor_rows import MAX_LINE_BYTES, LogRow, flat, lines_of, log_batch, open_body
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.suricata_rows import AlertRow, alert_batch, alert_row, flow_row, kind_of, log_row
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook_values import RowRefusedError, shown
from stormpetrel.model.push import Decoded, PushRequest


class SuricataDecoder:
    """Decodes `eve.json`: one JSON object a line, told apart by their `event_type`.

    `flow` and `netflow` become flows, `alert` becomes alerts (severity 1, 2, 3 as error, warning, info), all
    others become log records. The body may be a gzip file. A line that cannot be read is refused with a
    reason, the others are kept; when all are refused, so is the request. About 20 us a line.

    Args:
        registry: not used; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "suricata"
    paths = ("/flows/suricata",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Flows, alerts and log records of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes or lines once unpacked.
            DecodeError: an unknown encoding, or no line that can be read.
        """
        body = open_body(request, self._limit)
        source, received = request.source, request.received_unix_nano
        flows: list[FlowRow] = []
        alerts: list[AlertRow] = []
        logs: list[LogRow] = []
        tally = RejectTally()
        for line in lines_of(body):
            try:
                record = _record(line)
                kind = kind_of(record)
                if kind in ("flow", "netflow"):
                    flows.append(flow_row(kind, record, source, received))
                elif kind == "alert":
                    alerts.append(alert_row(record, received))
                else:
                    logs.append(log_row(kind, record, source, received))
            except DecodeError as error:
                tally.add(error.reason, 1, str(error))
        if tally.rows and not (flows or alerts or logs):
            raise DecodeError(f"nothing of the request is a Suricata record: {tally.text()[:1000]}")
        token = request_token(body, source)
        return Decoded(
            flows=flow_batch(flows, source, token),
            alerts=alert_batch(alerts, source, token),
            logs=log_batch(logs, source, received, token),
            rejected=tally.rejected(),
        )


def _record(line: bytes) -> dict[str, object]:
    if len(line) > MAX_LINE_BYTES:
        raise RowRefusedError(
            "line_too_long", f"a line has {len(line)} bytes, at most {MAX_LINE_BYTES} are taken"
        )
    record = parse_json(line, "a line")
    if not isinstance(record, dict):
        raise RowRefusedError("malformed", f"{shown(line)} is no JSON object")
    return flat(record)
