"""Requests whose text is not UTF-8: the text is replaced, the rest of the request stays.

The protobuf library refuses a whole request for one such byte; senders that do not check (the collector
among them) put log lines of any encoding into it, and would lose thousands of records for one.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

_FIELD = descriptor_pb2.FieldDescriptorProto


def parse_mended(message: Message, body: bytes) -> Any:
    """A message of the same type with U+FFFD in place of what is not UTF-8; None: it is malformed otherwise.

    O(bytes), but in Python: some ten times slower than a request that is right.
    """
    try:
        lenient = _lenient(message.DESCRIPTOR)()
        lenient.ParseFromString(body)
        _mend(lenient, message.DESCRIPTOR)
        return type(message).FromString(lenient.SerializeToString())
    except ProtobufError:
        return None


def _mend(lenient: Any, strict: Any) -> None:
    """Replace in place; as deep as the library parses, which is 100 messages."""
    for field, value in lenient.ListFields():
        meant = strict.fields_by_number[field.number]
        if meant.type == FieldDescriptor.TYPE_MESSAGE:
            for one in value if field.is_repeated else (value,):
                _mend(one, meant.message_type)
        elif meant.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                value[:] = [_utf8(one) for one in value]
            else:
                setattr(lenient, field.name, _utf8(value))


def _utf8(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode()


@functools.cache
def _lenient(descriptor: Any) -> Any:
    """The class of the same messages whose text is declared as bytes, which is the same on the wire."""
    pool = descriptor_pool.DescriptorPool()
    _add(pool, descriptor.file, set())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.full_name))


def _add(pool: Any, file: Any, known: set[str]) -> None:
    """A file of definitions, after those that it builds on."""
    if file.name in known:
        return
    known.add(file.name)
    for other in file.dependencies:
        _add(pool, other, known)
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _as_bytes(message)
    pool.Add(proto)


def _as_bytes(message: Any) -> None:
    for field in message.field:
        if field.type == _FIELD.TYPE_STRING:
            field.type = _FIELD.TYPE_BYTES
    for inner in message.nested_type:
        _as_bytes(inner)
