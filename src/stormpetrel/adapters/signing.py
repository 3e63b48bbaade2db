"""Signatures of requests: HMAC-SHA256 over everything a receiver acts on, with time and nonce.

The receiver computes the same, compares in constant time, refuses what is older than five minutes, and nonces
that it has seen within them. The scheme is that of most webhooks (GitHub, Stripe), with method and path
added, so that a question cannot be replayed as an order.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

TIMESTAMP, NONCE = "X-Storm-Petrel-Timestamp", "X-Storm-Petrel-Nonce"
SIGNATURE, KEY = "X-Storm-Petrel-Signature", "Idempotency-Key"


def signed_text(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """What is signed: six lines, the last of them the SHA-256 of the body in hexadecimal.

    Args:
        path: with the query, as sent.
        headers: with timestamp (Unix seconds), nonce, and idempotency key ("" for questions).
    """
    lines = (
        "v1", method, path, headers[TIMESTAMP], headers[NONCE], headers.get(KEY, ""),
        hashlib.sha256(body).hexdigest(),
    )  # fmt: skip
    return "\n".join(lines).encode()


def signature(secret: str, text: bytes) -> str:
    """The value of the header: `v1=` and 64 hexadecimal digits.

    >>> signature("secret", b"text")[:13]
    'v1=2f44368559'
    """
    return "v1=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def verify(secret: str, text: bytes, given: str) -> bool:
    """Whether a signature is of this text; in constant time."""
    return hmac.compare_digest(signature(secret, text), given)
