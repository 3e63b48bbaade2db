"""Text columns straight from the bytes of a request, without a Python string for each row."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.native import Number, compiled

Answer = TypeVar("Answer", np.uint32, np.bool_)

# Arrow's text columns count bytes in 32 bits.
MAX_TEXT_BYTES = (1 << 31) - 1
# Rows from which on it is worth asking whether texts repeat; how many say so, and how few they hold then.
_WORTH_IT, _LOOKED_AT, _REPEATED = 256, 128, 16


@compiled
def _gather(
    buf: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    offsets: NDArray[np.int32],
    out: NDArray[np.uint8],
) -> Number:
    """Copy the spans one behind the other; the number of bytes copied."""
    at = 0
    for i in range(len(starts)):
        length = ends[i] - starts[i]
        offsets[i] = at
        start = np.uintp(starts[i])
        for k in range(length):
            out[np.uintp(at + k)] = buf[start + np.uintp(k)]
        at += length
    offsets[len(starts)] = at
    return at


def gather_text(buf: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Array:
    """The spans `buf[starts[i]:ends[i]]` as a text column; bytes that are not UTF-8 are replaced.

    About 50 ns a row of 100 bytes. The spans must lie within the buffer.

    Args:
        buf: uint8[bytes].
        starts: int64[n].
        ends: int64[n], not before the starts.

    Raises:
        TooLargeError: together the spans have more bytes than a column may have.
    """
    total = int((ends - starts).sum())
    if total > MAX_TEXT_BYTES:
        raise TooLargeError(
            f"the texts of the request have more than {MAX_TEXT_BYTES} bytes: send less at once"
        )
    offsets = np.empty(len(starts) + 1, np.int32)
    out = np.empty(total, np.uint8)
    _gather(buf, starts, ends, offsets, out)
    column = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(out))
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = out.tobytes()
        cuts = offsets.tolist()
        texts = [raw[a:b].decode("utf-8", "replace") for a, b in pairwise(cuts)]
        return pa.array(texts, pa.string())
    return column


def repeat_text(texts: list[str], counts: NDArray[np.int64], limit: int) -> pa.Array:
    """Each text as often as its count says, in order: the columns that a group of rows shares.

    Args:
        texts: n texts.
        counts: int64[n].
        limit: largest column in bytes. A long text that many short rows share is how a small request
            would become a large one.

    Raises:
        TooLargeError: the column would exceed the limit.
    """
    column = pa.array(texts, pa.string())
    if not texts:
        return column
    lengths = np.diff(np.frombuffer(column.buffers()[1], np.int32)[: len(texts) + 1])
    total = int((lengths.astype(np.int64) * counts).sum())
    if total > min(limit, MAX_TEXT_BYTES):
        raise TooLargeError(
            f"labels repeated for each of their lines make {total} bytes, at most {limit} are taken: "
            "send fewer lines at once, or shorter labels"
        )
    return column.take(pa.array(np.repeat(np.arange(len(texts)), counts)))


def over_distinct(texts: pa.Array, ask: Callable[[pa.Array], NDArray[Answer]]) -> NDArray[Answer]:
    """What `ask` says of each text, asked only once of each where a look at the first ones says that they
    repeat. `ask` answers a column of texts with as many values. O(rows), a hash of each.

    >>> over_distinct(pa.array(["b", "a", "b"] * 100), lambda few: np.full(len(few), len(few), np.uint32))[0]
    np.uint32(2)
    """
    if len(texts) < _WORTH_IT or pc.count_distinct(texts.slice(0, _LOOKED_AT)).as_py() > _REPEATED:
        return ask(texts)
    coded = texts.dictionary_encode(null_encoding="encode")
    said: NDArray[Answer] = ask(coded.dictionary)[coded.indices.to_numpy()]
    return said
