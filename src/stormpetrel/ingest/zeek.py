"""Zeek's logs, pushed as files or as JSON lines: connections to flows, everything else to log records."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.flow_rows import FlowRow, flow_batch
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.sensor_rows import MAX_LINE_BYTES, LogRow, flat, lines_of, log_batch, open_body
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook_values import RowRefusedError, shown
from stormpetrel.ingest.zeek_rows import CONN, conn_row, log_row, path_of
from stormpetrel.ingest.zeek_tsv import ZeekHeader
from stormpetrel.model.push import Decoded, PushRequest


class ZeekDecoder:
    """Decodes Zeek's tab-separated logs with their header, and JSON lines (`LogAscii::use_json`).

    A body may hold several logs one behind the other, and be a gzip file. conn.log becomes flows, any other
    log becomes log records. Which log a JSON line is of: its `_path`, else `?log=NAME` of the request, else
    what its fields look like. A row that cannot be read is refused with a reason, the others are kept; when
    all are refused, so is the request. About 20 us a row.

    Args:
        registry: not used; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "zeek"
    paths = ("/flows/zeek",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Flows and log records of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes or lines once unpacked.
            DecodeError: an unknown encoding, or no row that can be read.
        """
        body = open_body(request, self._limit)
        reading = _Reading(request)
        for line in lines_of(body):
            try:
                reading.take(line)
            except DecodeError as error:
                reading.tally.add(error.reason, 1, str(error))
        token = request_token(body, request.source, request.query)
        flows = flow_batch(reading.flows, request.source, token)
        logs = log_batch(reading.logs, request.source, request.received_unix_nano, token)
        if flows is None and logs is None and reading.tally.rows:
            raise DecodeError(f"nothing of the request is a Zeek log: {reading.tally.text()[:1000]}")
        return Decoded(flows=flows, logs=logs, rejected=reading.tally.rejected())


class _Reading:
    """One request: the header so far, and what was read."""

    def __init__(self, request: PushRequest) -> None:
        self.tally = RejectTally()
        self.flows: list[FlowRow] = []
        self.logs: list[LogRow] = []
        self._header = ZeekHeader()
        self._source = request.source
        self._received = request.received_unix_nano
        self._said = parse_qs(request.query).get("log", [""])[0][:64]

    def take(self, line: bytes) -> None:
        """Read a line; DecodeError with the reason of its refusal."""
        if len(line) > MAX_LINE_BYTES:
            raise RowRefusedError(
                "line_too_long", f"a line has {len(line)} bytes, at most {MAX_LINE_BYTES} are taken"
            )
        if line.startswith(b"#"):
            self._header.feed(line)
            return
        record, said = self._record(line)
        path = path_of(record, said)
        if path == CONN:
            self.flows.append(conn_row(record, self._source, self._received))
        else:
            self.logs.append(log_row(path, record, self._source, self._received))

    def _record(self, line: bytes) -> tuple[dict[str, Any], str]:
        if not line.startswith(b"{"):
            return self._header.record(line), self._header.path or self._said
        record = parse_json(line, "a line")
        if not isinstance(record, dict):
            raise RowRefusedError("malformed", f"{shown(line)} is no JSON object")
        return flat(record), self._said
