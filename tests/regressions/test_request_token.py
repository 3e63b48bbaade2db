"""Two senders that say the same are two senders: neither is a retry of the other."""

from __future__ import annotations

import orjson

from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

BODY = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "up"}}]}]}]})


def token(source: str) -> int:
    request = PushRequest(BODY, "application/json", "", "/v1/logs", source, 1)
    decoded = OtlpLogsDecoder(SeriesRegistry(), 1 << 20).decode(request)
    assert decoded.logs is not None
    return int(decoded.logs.records.column("request_token")[0].as_py())


def test_the_token_of_a_request_is_its_senders_own() -> None:
    assert token("a/otlp_logs") == token("a/otlp_logs")
    assert token("a/otlp_logs") != token("b/otlp_logs")
