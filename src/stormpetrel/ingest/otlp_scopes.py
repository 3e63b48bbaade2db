"""What the rows of one OTLP scope share: the entity, and the start of their attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.otlp_values import attribute_map, attributes_prefix, text_of, with_scope
from stormpetrel.model.resource import entity_of

# What all rows of a request repeat of their resources, in bytes: one long attribute times many records is
# gigabytes.
MAX_SHARED = 256 << 20


class Scope(NamedTuple):
    """A ScopeLogs or ScopeSpans message, and what its rows share; no prefix where it has no rows."""

    message: Any
    entity: str
    prefix: bytes


def scopes_of(groups: Iterable[tuple[Any, Iterable[Any]]], rows: Iterable[int]) -> list[Scope]:
    """The scopes of a request, in order. O(bytes of the request + `MAX_SHARED`).

    Args:
        groups: Resource messages, each with its scopes.
        rows: how many rows each scope has.

    Raises:
        TooLargeError: what the rows would repeat exceeds `MAX_SHARED`; seen before it is made.
    """
    counts = iter(rows)
    found: list[Scope] = []
    shared = 0
    for resource, scopes in groups:
        attributes = attribute_map(resource.attributes)
        entity = entity_of({name: text_of(value) for name, value in attributes.items()})
        start = attributes_prefix(attributes)
        for scope, count in zip(scopes, counts, strict=False):
            shared += count * (len(entity) + len(start) + len(scope.scope.name))
            if shared > MAX_SHARED:
                raise TooLargeError(
                    f"resource and scope, repeated in every row, exceed {MAX_SHARED} bytes: "
                    "send smaller requests, or shorter resource attributes"
                )
            found.append(Scope(scope, entity, with_scope(start, scope.scope.name) if count else b""))
    return found
