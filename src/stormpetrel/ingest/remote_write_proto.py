"""Prometheus remote write 1.0 by the protobuf library: the messages, and the way for unusual requests.

The messages are `prometheus.WriteRequest` (prompb/remote.proto, types.proto) as far as they are read.
Text is declared as bytes and values as fixed64, which is the same on the wire: one bad label must not
refuse the other series, and no NaN may lose its payload.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError

from stormpetrel.errors import DecodeError

Labels = list[tuple[bytes, bytes]]

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, list[tuple[str, int, Any, str]]] = {
    "Label": [("name", 1, _FIELD.TYPE_BYTES, ""), ("value", 2, _FIELD.TYPE_BYTES, "")],
    "Sample": [("value", 1, _FIELD.TYPE_FIXED64, ""), ("timestamp", 2, _FIELD.TYPE_INT64, "")],
    "TimeSeries": [
        ("labels", 1, _FIELD.TYPE_MESSAGE, "Label"),
        ("samples", 2, _FIELD.TYPE_MESSAGE, "Sample"),
        ("exemplars", 3, _FIELD.TYPE_BYTES, "*"),
        ("histograms", 4, _FIELD.TYPE_BYTES, "*"),
    ],
    "MetricMetadata": [
        ("type", 1, _FIELD.TYPE_INT32, ""),
        ("metric_family_name", 2, _FIELD.TYPE_BYTES, ""),
        ("help", 4, _FIELD.TYPE_BYTES, ""),
        ("unit", 5, _FIELD.TYPE_BYTES, ""),
    ],
    "WriteRequest": [
        ("timeseries", 1, _FIELD.TYPE_MESSAGE, "TimeSeries"),
        ("metadata", 3, _FIELD.TYPE_MESSAGE, "MetricMetadata"),
    ],
}


def _classes() -> dict[str, Any]:
    """Message classes built at import, so that no generated code has to match the library's version."""
    file = descriptor_pb2.FileDescriptorProto(
        name="stormpetrel/remote_write.proto", package="stormpetrel.remote_write", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, type=kind)
            added.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if kind == _FIELD.TYPE_MESSAGE:
                added.type_name = f".stormpetrel.remote_write.{repeated}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"stormpetrel.remote_write.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()
WriteRequest, TimeSeries, MetricMetadata = (
    _CLASSES[name] for name in ("WriteRequest", "TimeSeries", "MetricMetadata")
)


def parse(message: Any, body: bytes) -> Any:
    """One message of the given class.

    Raises:
        DecodeError: the bytes are not such a message.
    """
    try:
        return message.FromString(body)
    except ProtobufError:
        raise DecodeError(
            "the body is not a remote write 1.0 request: it does not parse as protobuf; "
            "check that the sender speaks prometheus.WriteRequest and compresses with snappy in block format"
        ) from None


def labels_of(series: Any) -> Labels:
    """The labels of a TimeSeries message, in the sender's order."""
    return [(label.name, label.value) for label in series.labels]
