"""Remote write 2.0 by the protobuf library: the messages as far as they are read.

`io.prometheus.write.v2.Request` of release candidate 4, and of 3 the `created_timestamp` that 4 moved into
the samples. Text is declared as bytes and values as fixed64, as in `remote_write_proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stormpetrel.ingest.remote_write_proto import FIELD, Labels, message_classes

MAX_UNIT_BYTES = 512

_CLASSES = message_classes(
    "stormpetrel.remote_write_v2",
    {
        "Sample": [
            ("value", 1, FIELD.TYPE_FIXED64, ""),
            ("timestamp", 2, FIELD.TYPE_INT64, ""),
            ("start_timestamp", 3, FIELD.TYPE_INT64, ""),
        ],
        "Metadata": [
            ("type", 1, FIELD.TYPE_INT32, ""),
            ("help_ref", 3, FIELD.TYPE_UINT32, ""),
            ("unit_ref", 4, FIELD.TYPE_UINT32, ""),
        ],
        "TimeSeries": [
            ("labels_refs", 1, FIELD.TYPE_UINT32, "*"),
            ("samples", 2, FIELD.TYPE_MESSAGE, "Sample"),
            ("histograms", 3, FIELD.TYPE_BYTES, "*"),
            ("exemplars", 4, FIELD.TYPE_BYTES, "*"),
            ("metadata", 5, FIELD.TYPE_MESSAGE, "?Metadata"),
            ("created_timestamp", 6, FIELD.TYPE_INT64, ""),
        ],
        "Request": [
            ("symbols", 4, FIELD.TYPE_BYTES, "*"),
            ("timeseries", 5, FIELD.TYPE_MESSAGE, "TimeSeries"),
        ],
    },
)
Request, TimeSeries = _CLASSES["Request"], _CLASSES["TimeSeries"]


@dataclass(frozen=True, slots=True)
class Described:
    """What a series says of itself.

    `fault` is the reason why it cannot be read, empty when it can; `created_millis` is 0 when not said.
    """

    labels: Labels
    family_type: int
    unit: str
    created_millis: int
    fault: str = ""


def described(series: Any, symbols: list[bytes]) -> Described:
    """Look up the references of a TimeSeries message."""
    refs = list(series.labels_refs)
    unit_ref = series.metadata.unit_ref
    # Without symbols the reference 0 still means that no unit is said.
    if len(refs) % 2 or max(refs, default=-1) >= len(symbols) or unit_ref >= max(len(symbols), 1):
        return Described([], 0, "", 0, "bad_symbol_ref")
    labels = [(symbols[name], symbols[value]) for name, value in zip(refs[::2], refs[1::2], strict=True)]
    unit = symbols[unit_ref] if symbols else b""
    if len(unit) > MAX_UNIT_BYTES:
        return Described(labels, 0, "", 0, "bad_metadata")
    text = unit.decode(errors="replace")
    return Described(labels, series.metadata.type, text, series.created_timestamp)
