"""Canonical text of values: what is hashed, chained and replayed bit for bit.

Dataclasses become JSON objects with every field, in order of name, without spaces; numbers as the shortest
text that reads back to the same value (Python's `repr`). So the same value always gives the same bytes, and
`read` gives back an equal value. Works for trees of frozen dataclasses, enums, tuples, texts, numbers and
None; fails (ValueError) on NaN and infinities, which no plan and no fact may hold.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from pydantic import TypeAdapter

from stormpetrel.model.action import Plan

T = TypeVar("T")
_HALVES = re.compile("[\ud800-\udfff]")
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def plain(value: object) -> Any:
    """A value as dicts, lists and scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value


def text(value: object) -> str:
    """The canonical text of a value."""
    found = json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    # Half of a surrogate pair is no UTF-8: what a program printed must never keep us from recording it.
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", found)


def read(kind: type[T], content: str) -> T:
    """The value of a canonical text.

    Raises:
        ValueError: it is not one of this kind.
    """
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    # The fast parser refuses lone halves of surrogate pairs.
    found: T = (
        adapter.validate_python(json.loads(content)) if "\\ud" in content else adapter.validate_json(content)
    )
    return found


def digest(content: str) -> str:
    """SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(content.encode()).hexdigest()


def plan_hash(plan: Plan) -> str:
    """What approvals name: of everything in the plan."""
    return digest(text(plan))
