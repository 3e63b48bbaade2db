"""What senders push to us, and what they get back."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from stormpetrel.model.backup import BackupReport
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One request of a pushing sender, as it came over HTTP.

    `received_unix_nano` is the receiver's clock, for records that carry no time of their own.
    `path` is the request's path, where one protocol has several; `query` is what follows its `?`.
    `headers` holds what else a protocol may ask for, names in small letters: those that begin with one of
    `HEADER_PREFIXES`, never the authorization.
    """

    body: bytes
    content_type: str
    content_encoding: str
    path: str
    source: str
    received_unix_nano: int
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


HEADER_PREFIXES = ("ce-", "x-github-", "x-gitlab-event", "x-scope-orgid", "x-prometheus-", "user-agent")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Part of a request that was refused, with a bounded reason (`DecodeError.reason` and alike)."""

    reason: str
    rows: int
    example: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder made of a request: signals with interned series, and what it refused.

    `answer` is the body of the success response in the protocol's own form (OTLP partial success), and
    `answer_headers` are its headers besides content type and length.
    """

    metrics: MetricBatch | None = None
    logs: LogBatch | None = None
    spans: SpanBatch | None = None
    flows: FlowBatch | None = None
    alerts: AlertBatch | None = None
    changes: ChangeBatch | None = None
    backups: tuple[BackupReport, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    answer: bytes = b""
    answer_type: str = ""
    status: int = 200
    answer_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """`stored` is done when everything accepted is in the store; only then may the sender be told so."""

    decoded: Decoded
    stored: list[Future[None]] = field(default_factory=list)
