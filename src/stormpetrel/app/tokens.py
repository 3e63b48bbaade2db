"""Which requests are stored already, so that a sender's retry of log records or spans is known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

# About an hour at 50 requests/s.
REMEMBERED = 200_000


class RequestTokens:
    """The newest request tokens that are stored; see `ports.intake`. Not thread-safe.

    Args:
        limit: tokens remembered; beyond it the oldest are forgotten, and their retry is stored again.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, tokens: Iterable[int]) -> None:
        """These are stored; 0 is no token."""
        for token in tokens:
            if token:
                self._kept[token] = None
                self._kept.move_to_end(token)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def unseen(self, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Each batch without the rows of requests that are stored, or that stand in a batch before it.

        O(rows log rows).
        """
        earlier: set[int] = set()
        fresh = []
        for records in batches:
            own = distinct_tokens(records).tolist()
            known = [token for token in own if token in self._kept or token in earlier]
            earlier.update(own)
            again = np.isin(_tokens(records), np.array(known, np.uint64))
            fresh.append(records.filter(pa.array(~again)) if known else records)
        return fresh


def tokens_of_kind(records: pa.RecordBatch, kind: str) -> pa.RecordBatch:
    """The same records with tokens of their own kind; the kind "" leaves them as they are.

    One request may hold records of several kinds, which are stored one after the other: that the first
    are stored says nothing of the others. 0 stays no token.
    """
    if not kind:
        return records
    place = records.schema.get_field_index("request_token")
    tokens = _tokens(records)
    own = np.where(tokens == 0, tokens, tokens ^ np.uint64(xxhash.xxh3_64_intdigest(kind.encode())))
    return records.set_column(place, records.schema.field(place), pa.array(own))


def distinct_tokens(records: pa.RecordBatch) -> NDArray[np.uint64]:
    """The request tokens of a batch, without 0."""
    tokens: NDArray[np.uint64] = np.setdiff1d(_tokens(records), np.zeros(1, np.uint64))
    return tokens


def _tokens(records: pa.RecordBatch) -> NDArray[np.uint64]:
    tokens: NDArray[np.uint64] = records.column("request_token").to_numpy()
    return tokens
