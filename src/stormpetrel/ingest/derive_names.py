"""Names of operations with few distinct values: ids in them are replaced, queries are cut off."""

from __future__ import annotations

import re
from functools import lru_cache

MOST_LETTERS = 120
OTHER = "other"
ID = "{id}"

_WORD = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PLACEHOLDER = re.compile(r"\{[^{}/ ]{0,40}\}|<[^<>/ ]{0,40}>")


def operation_of(name: str) -> str:
    """The name of a span as the name of its operation.

    What follows `?`, `#` or `;` goes. A word is an id when it is a UUID, has digits only, is hexadecimal
    with a
    digit and at least eight long, or is at least sixteen long with four digits. Ids of letters alone are
    not recognised: an SDK that knows its routes should name spans by them, as OpenTelemetry asks.

    >>> operation_of("GET /users/42/orders/0b5fae2c-94a1-4b52-8a0c-0d6a5a1f8d11?page=2")
    'GET /users/{id}/orders/{id}'
    >>> operation_of("GET /api/v2/s3/{bucket}"), operation_of("order-1234 checked")
    ('GET /api/v2/s3/{bucket}', 'order-{id} checked')
    """
    return _operation_of(name[: 4 * MOST_LETTERS])


@lru_cache(maxsize=16_384)
def _operation_of(name: str) -> str:
    text = re.split(r"[?#;]", name, maxsplit=1)[0]
    kept: list[str] = []
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        kept += [_WORD.sub(_without_ids, text[at : match.start()]), match.group()]
        at = match.end()
    kept.append(_WORD.sub(_without_ids, text[at:]))
    return " ".join("".join(kept).split())[:MOST_LETTERS] or "unnamed"


def _without_ids(match: re.Match[str]) -> str:
    word = match.group()
    if _UUID.fullmatch(word):
        return ID
    return "-".join(ID if _is_id(part) else part for part in word.split("-"))


def _is_id(word: str) -> bool:
    digits = sum(map(str.isdigit, word))
    if not digits:
        return False
    if digits == len(word):
        return True
    hexadecimal = all(c in "0123456789abcdefABCDEF" for c in word)
    return (hexadecimal and len(word) >= 8) or (len(word) >= 16 and digits >= 4)
