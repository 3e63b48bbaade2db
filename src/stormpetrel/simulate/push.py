"""Pushes the estate's signals to a receiver over the protocols real senders use."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Self

import httpx

from stormpetrel.errors import AuthError, DecodeError, OverloadedError
from stormpetrel.simulate.deploys import CHANGES_HEADERS, deploys_request
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_metadata, write_request
from stormpetrel.simulate.otlp import OTLP_HEADERS, logs_request, spans_request
from stormpetrel.simulate.signals import Signals

REMOTE_WRITE_PATH, LOGS_PATH, TRACES_PATH = "/api/v1/write", "/v1/logs", "/v1/traces"
CHANGES_PATH = "/hooks/changes"
MAX_WAIT_SECONDS = 10.0


@dataclass(slots=True)
class Sent:
    """What was acknowledged so far."""

    requests: int = 0
    retries: int = 0
    samples: int = 0
    log_records: int = 0
    spans: int = 0
    bytes_by_path: dict[str, int] = field(default_factory=dict)


class Pusher:
    """Sends signals by Prometheus remote write 1.0 (metrics) and OTLP/HTTP (logs and traces), and deploys
    as changes.

    A request is repeated, unchanged, on 429, 503 and a broken connection: after what `Retry-After` says
    (bounded by ten seconds) or else after a doubling wait, at most `attempts` times. Other 4xx answers
    are the sender's fault and are raised at once.

    Args:
        url: address of the receiver, for example `http://127.0.0.1:7780`.
        token: API token with the scope *ingest*.
        attempts: how often one request is tried.
        stop: when set, waiting ends and the pending request is given up with `OverloadedError`.
        client: for tests; by default an own `httpx.Client` that ignores proxies.
    """

    def __init__(
        self,
        url: str,
        token: str,
        attempts: int = 8,
        stop: threading.Event | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._attempts = attempts
        self._stop = stop or threading.Event()
        self._client = client or httpx.Client(timeout=30.0, trust_env=False)
        self._told_metadata = False
        self.sent = Sent()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def push(self, signals: Signals) -> None:
        """Send one step: metrics, then logs, spans and deploys; returns when all are acknowledged.

        Raises:
            AuthError: the receiver does not accept the token.
            DecodeError: the receiver refuses the bytes.
            OverloadedError: the receiver could not be reached or stayed overloaded through all attempts.
        """
        metrics, logs, spans = signals.metrics, signals.logs, signals.spans
        if not self._told_metadata:
            self._post(REMOTE_WRITE_PATH, write_metadata(metrics.specs), REMOTE_WRITE_HEADERS)
            self._told_metadata = True
        if len(metrics.time_unix_nano):
            self._post(REMOTE_WRITE_PATH, write_request(metrics), REMOTE_WRITE_HEADERS)
            self.sent.samples += metrics.value.size
        if len(logs):
            self._post(LOGS_PATH, logs_request(logs), OTLP_HEADERS)
            self.sent.log_records += len(logs)
        if len(spans):
            self._post(TRACES_PATH, spans_request(spans), OTLP_HEADERS)
            self.sent.spans += len(spans)
        deploys = deploys_request(logs)
        if deploys:
            self._post(CHANGES_PATH, deploys, CHANGES_HEADERS)

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        wait, last = 0.25, ""
        for attempt in range(self._attempts):
            if attempt:
                self.sent.retries += 1
                if self._stop.wait(wait):
                    break
            answer = self._try(path, body, headers)
            if isinstance(answer, str):
                last, wait = answer, min(wait * 2, MAX_WAIT_SECONDS)
                continue
            if answer.status_code in (429, 503):
                last = f"status {answer.status_code}"
                wait = retry_after_seconds(
                    answer.headers.get("Retry-After", ""), min(wait * 2, MAX_WAIT_SECONDS)
                )
                continue
            self._check(answer, path)
            self.sent.requests += 1
            self.sent.bytes_by_path[path] = self.sent.bytes_by_path.get(path, 0) + len(body)
            return
        raise OverloadedError(
            f"{self._url}{path} did not take a request ({last}); is it running and healthy?"
        )

    def _try(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response | str:
        """The answer, or what kept us from getting one."""
        try:
            return self._client.post(
                self._url + path, content=body, headers={**headers, "Authorization": f"Bearer {self._token}"}
            )
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}"

    def _check(self, answer: httpx.Response, path: str) -> None:
        if answer.is_success:
            return
        if answer.status_code in (401, 403):
            raise AuthError(f"{self._url}{path} refuses the token; give one with the scope ingest")
        raise DecodeError(f"{self._url}{path} answered {answer.status_code}: {answer.text[:200]}")


def retry_after_seconds(text: str, otherwise: float) -> float:
    """Seconds of a `Retry-After` header (RFC 9110, 10.2.3), bounded.

    Its date form and nonsense count as absent.

    >>> retry_after_seconds("2", 9.0), retry_after_seconds("soon", 9.0), retry_after_seconds("86400", 9.0)
    (2.0, 9.0, 10.0)
    """
    if not (text.isascii() and text.isdigit()):
        return otherwise
    return min(float(text), MAX_WAIT_SECONDS)
