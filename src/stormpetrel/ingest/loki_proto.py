"""Loki's push message by the protobuf library: the way for unusual requests, and for structured metadata.

The messages are `logproto.PushRequest` (pkg/push/push.proto) as far as they are read. Text is declared as
bytes, which is the same on the wire: one bad line must not refuse the others.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError

from stormpetrel.errors import DecodeError

_FIELD = descriptor_pb2.FieldDescriptorProto
_BYTES, _MESSAGE = _FIELD.TYPE_BYTES, _FIELD.TYPE_MESSAGE

# Name, number, type, and of messages which; a star behind the name: repeated.
_MESSAGES: dict[str, list[tuple[str, int, Any, str]]] = {
    "Timestamp": [("seconds", 1, _FIELD.TYPE_INT64, ""), ("nanos", 2, _FIELD.TYPE_INT32, "")],
    "LabelPair": [("name", 1, _BYTES, ""), ("value", 2, _BYTES, "")],
    "Entry": [
        ("timestamp", 1, _MESSAGE, "Timestamp"),
        ("line", 2, _BYTES, ""),
        ("structured_metadata*", 3, _MESSAGE, "LabelPair"),
    ],
    "Stream": [("labels", 1, _BYTES, ""), ("entries*", 2, _MESSAGE, "Entry")],
    "PushRequest": [("streams*", 1, _MESSAGE, "Stream")],
}


def _classes() -> dict[str, Any]:
    """Message classes built at import, so that no generated code has to match the library's version."""
    file = descriptor_pb2.FileDescriptorProto(
        name="stormpetrel/loki.proto", package="stormpetrel.loki", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, inner in fields:
            added = message.field.add(name=field.rstrip("*"), number=number, type=kind)
            added.label = _FIELD.LABEL_REPEATED if field[-1] == "*" else _FIELD.LABEL_OPTIONAL
            if inner:
                added.type_name = f".stormpetrel.loki.{inner}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"stormpetrel.loki.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()
LokiRequest, LokiEntry = _CLASSES["PushRequest"], _CLASSES["Entry"]


def parse(message: Any, body: bytes) -> Any:
    """One message of the given class.

    Raises:
        DecodeError: the bytes are not such a message.
    """
    try:
        return message.FromString(body)
    except ProtobufError:
        raise DecodeError(
            "the body is not a Loki push: it does not parse as protobuf; check that the sender speaks "
            "logproto.PushRequest, compressed with snappy in block format or not at all"
        ) from None


def metadata_of(entry: Any) -> dict[str, str]:
    """The structured metadata of an entry; of a repeated name the last value holds."""
    return {
        pair.name.decode("utf-8", "replace"): pair.value.decode("utf-8", "replace")
        for pair in entry.structured_metadata
    }
