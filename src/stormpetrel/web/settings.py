"""What the page needs to know of its surroundings; nothing here is read from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Bounds and addresses of the page, the API and the receiving paths.

    Attributes:
        public_url: address people use, e.g. `https://petrel.example.org`; empty: whatever they typed.
            An https address makes cookies `Secure`.
        allowed_hosts: names a browser may call us by, next to loopback names, IP literals and the host of
            `public_url`. Any other name is answered 421: it is how DNS rebinding reaches local services.
        max_body_bytes: largest pushed request body as sent.
        metrics_open: serve `/metrics` to loopback callers without a token.
        session_seconds: how long after signing in a person has to sign in again.
        body_seconds: how long a sender may take to send one body.
        stored_seconds: how long a sender waits for the store before it is told to come back.
        max_requests_in_flight, max_bytes_in_flight: pushed requests held at once; beyond them 429. One
            source may hold at most half of the requests, less while others hold some.
        receive_threads: threads that decode pushed requests.
        max_live_clients: open live streams; beyond it 503, and pages refresh by themselves.
        live_seconds: a live stream ends after this and the page reconnects, so that who may read is
            checked again.
    """

    public_url: str = ""
    allowed_hosts: frozenset[str] = frozenset()
    max_body_bytes: int = 32 << 20
    metrics_open: bool = True
    session_seconds: int = 12 * 3600
    body_seconds: float = 30.0
    stored_seconds: float = 30.0
    max_requests_in_flight: int = 512
    max_bytes_in_flight: int = 256 << 20
    receive_threads: int = 4
    max_live_clients: int = 100
    live_seconds: float = 900.0

    @property
    def secure(self) -> bool:
        """Do people reach us over https?"""
        return self.public_url.startswith("https://")

    @property
    def public_host(self) -> str:
        """Host name of `public_url`, lower case; empty when there is none."""
        return (urlsplit(self.public_url).hostname or "").lower()
