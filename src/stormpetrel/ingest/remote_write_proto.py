"""Prometheus remote write by the protobuf library: the messages, and the way for unusual requests.

The messages are `prometheus.WriteRequest` (prompb/remote.proto, types.proto) as far as they are read, and the
`Histogram` that 1.0 and 2.0 share. Text is declared as bytes and values as fixed64, which is the same on the
wire: one bad label must not refuse the other series, and no NaN may lose its payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError

from stormpetrel.errors import DecodeError

Labels = list[tuple[bytes, bytes]]

FIELD = descriptor_pb2.FieldDescriptorProto

# Name, number and type of each field; then "" for a single value, "*" for many, the name of the message for
# many messages, and the name behind a "?" for a single message.
Schema = Mapping[str, list[tuple[str, int, Any, str]]]

_MESSAGES: Schema = {
    "Label": [("name", 1, FIELD.TYPE_BYTES, ""), ("value", 2, FIELD.TYPE_BYTES, "")],
    "Sample": [("value", 1, FIELD.TYPE_FIXED64, ""), ("timestamp", 2, FIELD.TYPE_INT64, "")],
    "TimeSeries": [
        ("labels", 1, FIELD.TYPE_MESSAGE, "Label"),
        ("samples", 2, FIELD.TYPE_MESSAGE, "Sample"),
        ("exemplars", 3, FIELD.TYPE_BYTES, "*"),
        ("histograms", 4, FIELD.TYPE_BYTES, "*"),
    ],
    "MetricMetadata": [
        ("type", 1, FIELD.TYPE_INT32, ""),
        ("metric_family_name", 2, FIELD.TYPE_BYTES, ""),
        ("help", 4, FIELD.TYPE_BYTES, ""),
        ("unit", 5, FIELD.TYPE_BYTES, ""),
    ],
    "WriteRequest": [
        ("timeseries", 1, FIELD.TYPE_MESSAGE, "TimeSeries"),
        ("metadata", 3, FIELD.TYPE_MESSAGE, "MetricMetadata"),
    ],
    "BucketSpan": [("offset", 1, FIELD.TYPE_SINT32, ""), ("length", 2, FIELD.TYPE_UINT32, "")],
    # Its oneofs are read as two fields each: of a sender that fills both, the sum is taken for what it says.
    "Histogram": [
        ("count_int", 1, FIELD.TYPE_UINT64, ""),
        ("count_float", 2, FIELD.TYPE_DOUBLE, ""),
        ("sum", 3, FIELD.TYPE_FIXED64, ""),
        ("schema", 4, FIELD.TYPE_SINT32, ""),
        ("zero_threshold", 5, FIELD.TYPE_DOUBLE, ""),
        ("zero_count_int", 6, FIELD.TYPE_UINT64, ""),
        ("zero_count_float", 7, FIELD.TYPE_DOUBLE, ""),
        ("negative_spans", 8, FIELD.TYPE_MESSAGE, "BucketSpan"),
        ("negative_deltas", 9, FIELD.TYPE_SINT64, "*"),
        ("negative_counts", 10, FIELD.TYPE_DOUBLE, "*"),
        ("positive_spans", 11, FIELD.TYPE_MESSAGE, "BucketSpan"),
        ("positive_deltas", 12, FIELD.TYPE_SINT64, "*"),
        ("positive_counts", 13, FIELD.TYPE_DOUBLE, "*"),
        ("reset_hint", 14, FIELD.TYPE_INT32, ""),
        ("timestamp", 15, FIELD.TYPE_INT64, ""),
        ("custom_values", 16, FIELD.TYPE_DOUBLE, "*"),
        ("start_timestamp", 17, FIELD.TYPE_INT64, ""),  # 2.0 only
    ],
}


def message_classes(package: str, messages: Schema) -> dict[str, Any]:
    """Message classes built at import, so that no generated code has to match the library's version."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, many in fields:
            added = message.field.add(name=field, number=number, type=kind)
            single = not many or many.startswith("?")
            added.label = FIELD.LABEL_OPTIONAL if single else FIELD.LABEL_REPEATED
            if kind == FIELD.TYPE_MESSAGE:
                added.type_name = f".{package}.{many.removeprefix('?')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


_CLASSES = message_classes("stormpetrel.remote_write", _MESSAGES)
WriteRequest, TimeSeries, MetricMetadata, Histogram = (
    _CLASSES[name] for name in ("WriteRequest", "TimeSeries", "MetricMetadata", "Histogram")
)


def parse(message: Any, body: bytes, version: str = "1.0") -> Any:
    """One message of the given class.

    Raises:
        DecodeError: the bytes are not such a message.
    """
    try:
        return message.FromString(body)
    except ProtobufError:
        raise DecodeError(
            f"the body is not a remote write {version} request: it does not parse as protobuf; "
            "check that the sender's content type names the message it sends, and that it compresses with "
            "snappy in block format"
        ) from None


def labels_of(series: Any) -> Labels:
    """The labels of a TimeSeries message, in the sender's order."""
    return [(label.name, label.value) for label in series.labels]
