"""Elasticsearch's bulk interface, as far as shippers of logs need it.

Specification: https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-bulk.html.
"""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa

from stormpetrel.errors import UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.elastic_bulk import read_bulk
from stormpetrel.ingest.elastic_document import DocumentRow
from stormpetrel.ingest.elastic_questions import answer_to
from stormpetrel.ingest.otlp_bound import check_size
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.severity_lines import fill_severities
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import Decoded, PushRequest, Rejected
from stormpetrel.model.signal import LogBatch

_PREFIX = "/elastic"
_JSON = "application/json"

# Official clients speak to nobody who does not say this.
_HEADERS = (("X-Elastic-Product", "Elasticsearch"),)


class ElasticDecoder:
    """Decodes `_bulk` requests with the actions index and create, and answers what shippers ask before.

    Every document is a log record: see `ingest.elastic_document`. The answer is Elasticsearch's, with a
    status for each item, so that a shipper neither repeats what is stored nor waits for what never will be.
    Nothing is indexed under its id: a document sent twice in different requests is two records, the same
    request sent again is one.

    Fails (UnsupportedError) on searches, on setting up anything, and on everything else of Elasticsearch;
    (DecodeError) on a body that is no bulk request.

    Args:
        registry: not used by logs; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "elastic"
    paths = ("/elastic/*",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Log records of one request, or the answer to a question; thread-safe.

        Raises:
            TooLargeError: too many bytes or items.
            UnsupportedError: not a bulk request and no known question.
            DecodeError: not newline-delimited JSON of actions and documents.
        """
        parts = [part for part in request.path.removeprefix(_PREFIX).split("/") if part]
        if parts[-1:] == ["_bulk"] and len(parts) <= 3 and request.method in ("POST", "PUT"):
            return self._bulk(request, parts[0] if len(parts) > 1 else "")
        if request.method in ("GET", "HEAD"):
            found = answer_to(parts)
            if found is not None:
                return _answer(orjson.dumps(found))
        raise UnsupportedError(
            f"{request.method[:10]} {request.path[:100]} is not spoken here: only _bulk, and what "
            "shippers ask before it; switch the shipper's set-up of templates, policies and pipelines off"
        )

    def _bulk(self, request: PushRequest, index: str) -> Decoded:
        body = unpack(request.body, request.content_encoding, self._limit)
        check_size(body, None, json=True)
        token = request_token(body, request.source, index)
        outcome = read_bulk(body, index, token, request.received_unix_nano)
        logs = _batch(outcome.rows, request, token) if outcome.rows else None
        return _answer(outcome.answer(), logs, outcome.tally.rejected())


def _answer(body: bytes, logs: LogBatch | None = None, rejected: tuple[Rejected, ...] = ()) -> Decoded:
    return Decoded(logs=logs, rejected=rejected, answer=body, answer_type=_JSON, answer_headers=_HEADERS)


def _batch(rows: list[DocumentRow], request: PushRequest, token: int) -> LogBatch:
    time, entity, severity, body, attributes, trace, span = zip(*rows, strict=True)
    text = pa.array(body, pa.string())
    severities = np.array(severity, np.uint8)
    fill_severities(text, severities)
    return build_logs(
        time,
        text,
        source=request.source,
        observed_unix_nano=request.received_unix_nano,
        entity=entity,
        severity_number=severities,
        attributes=attributes,
        trace_id=trace,
        span_id=span,
        request_token=token,
    )
