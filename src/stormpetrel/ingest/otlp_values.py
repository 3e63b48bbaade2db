"""OTLP attribute values: as Python values, as JSON text, as label text."""

from __future__ import annotations

import base64
from typing import Any

import orjson

INT64_MAX = (1 << 63) - 1


def any_value(value: Any) -> Any:
    """An AnyValue message as None, str, bool, int, float, list or dict; bytes become base64 text."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return [any_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return attribute_map(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return getattr(value, kind) if kind else None


def attribute_map(attributes: Any) -> dict[str, Any]:
    """Repeated KeyValue messages as a dictionary; of a repeated key the last value holds."""
    return {pair.key: any_value(pair.value) for pair in attributes}


def text_of(value: Any) -> str:
    """A value as the text of a label or a body: text as it is, the rest as JSON; nothing is "".

    >>> text_of(True), text_of(2), text_of(["a", 1.5]), text_of(None)
    ('true', '2', '["a",1.5]', '')
    """
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def label_map(attributes: Any) -> dict[str, str]:
    """Repeated KeyValue messages as labels; those without a name or a value are none."""
    texts = {name: text_of(value) for name, value in attribute_map(attributes).items()}
    return {name: text for name, text in texts.items() if name and text}


def attributes_prefix(resource: dict[str, Any]) -> bytes:
    """The start of a JSON object with every resource attribute as `resource.…`; `joined` closes it."""
    return orjson.dumps({f"resource.{name}": value for name, value in resource.items()})[:-1]


def with_scope(prefix: bytes, scope_name: str) -> bytes:
    """An `attributes_prefix` that also says `scope.name`, if there is one.

    >>> with_scope(attributes_prefix({}), "lib"), with_scope(b'{"a":1', "")
    (b'{"scope.name":"lib"', b'{"a":1')
    """
    if not scope_name:
        return prefix
    named = b'"scope.name":' + orjson.dumps(scope_name)
    return prefix + named if prefix == b"{" else prefix + b"," + named


def joined(prefix: bytes, attributes: dict[str, Any]) -> str:
    """An `attributes_prefix` and further attributes as one JSON object.

    >>> joined(attributes_prefix({"host.name": "a"}), {"n": 1})
    '{"resource.host.name":"a","n":1}'
    >>> joined(attributes_prefix({}), {})
    '{}'
    """
    if not attributes:
        return (prefix + b"}").decode()
    rest = orjson.dumps(attributes)
    if prefix == b"{":
        return rest.decode()
    return (prefix + b"," + rest[1:]).decode()


def hex_id(raw: bytes, length: int) -> str:
    """A trace or span id as hexadecimal text; "" when it is absent, all zero or not `length` bytes.

    >>> hex_id(bytes([1] * 8), 8), hex_id(bytes(8), 8), hex_id(b"", 8)
    ('0101010101010101', '', '')
    """
    return raw.hex() if len(raw) == length and any(raw) else ""
