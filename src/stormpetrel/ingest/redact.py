"""Redaction: secrets and personal data leave a batch before anything of it is stored or judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.ingest.redact_json import JsonRedactor
from stormpetrel.ingest.redact_kinds import BIT_OF
from stormpetrel.ingest.redact_pem import KeyLines
from stormpetrel.ingest.redact_scan import scan_kinds
from stormpetrel.ingest.redact_text import OwnPattern, TextRedactor
from stormpetrel.ingest.text_columns import over_distinct
from stormpetrel.ingest.trace_ids import Scanned
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, SpanBatch

Records = LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch

# Which columns hold free text, and which hold JSON. Who and where (entity, source, addresses, actor) stays.
TEXTS: Mapping[type[Records], tuple[str, ...]] = {
    LogBatch: ("body",),
    SpanBatch: ("name",),
    FlowBatch: (),
    AlertBatch: ("name", "summary", "url"),
    ChangeBatch: ("title", "url"),
}
JSONS: Mapping[type[Records], tuple[str, ...]] = {
    LogBatch: ("attributes",),
    SpanBatch: ("attributes",),
    FlowBatch: ("attributes",),
    AlertBatch: ("labels", "annotations"),
    ChangeBatch: ("attributes",),
}


def scan_batch(batch: Records) -> Scanned:
    """What each text of a batch may hold, by column; see `redact_scan.scan_kinds`."""
    kind: type[Records] = type(batch)
    names = (*TEXTS[kind], *JSONS[kind])
    return {name: over_distinct(batch.records.column(name), scan_kinds) for name in names}


class Redactor:
    """Takes secrets and personal data out of batches of records. Safe from several threads at once.

    The kinds and how they are spelled are in `ingest.redact_kinds`; a find becomes `[kind]`, and the key
    before it stays, so that log patterns stay what they are. Redacting twice changes nothing.

    Args:
        keep: names of built-in kinds that are left in.
        patterns: the user's own.

    Raises:
        ConfigError: a kind is unknown or a pattern is no RE2 expression.

    >>> Redactor().text("login of bob with password=hunter2")
    'login of bob with password=[secret]'
    """

    def __init__(self, keep: Sequence[str] = (), patterns: Sequence[OwnPattern] = ()) -> None:
        self._texts = TextRedactor(keep, patterns)
        self._jsons = JsonRedactor(self._texts)
        self._keys = KeyLines()

    def batch(self, batch: Records, found: Scanned | None = None) -> Records:
        """The batch, redacted; the very same one when nothing was found. `found`: of `scan_batch`."""
        kind: type[Records] = type(batch)
        found = scan_batch(batch) if found is None else found
        before = {name: batch.records.column(name) for name in batch.records.schema.names}
        after = dict(before)
        for name in TEXTS[kind]:
            after[name] = self._text_column(batch, before[name], found[name])
        for name in JSONS[kind]:
            after[name] = self._jsons.column(before[name], found[name])
        if all(after[name] is column for name, column in before.items()):
            return batch
        return kind(pa.RecordBatch.from_arrays(list(after.values()), schema=batch.records.schema))

    def text(self, text: str) -> str:
        """One text, redacted."""
        return self._texts.text(text)

    def counts(self) -> dict[str, int]:
        """Texts by what was taken out of them, since the start."""
        return self._texts.counts()

    def _text_column(self, batch: Records, column: pa.Array, found: NDArray[np.uint32]) -> pa.Array:
        found = found & np.uint32(self._texts.wanted)
        key = BIT_OF["private_key"]
        if not isinstance(batch, LogBatch) or not self._texts.wanted & key:
            return self._texts.column_where(column, found)
        sources = batch.records.column("source")
        column, lines = self._keys.column(column, sources, bool((found & key).any()))
        self._texts.count("private_key", lines)
        return self._texts.column_where(column, found)
