"""What a remote write request may hold, 1.0 and 2.0, and what is told of the part that was refused."""

from __future__ import annotations

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest.remote_write_histograms import MAX_HISTOGRAMS
from stormpetrel.ingest.tally import RejectTally

MAX_SERIES = 500_000
MAX_SAMPLES = 5_000_000
MAX_METADATA = 100_000
MAX_SYMBOLS = 2_000_000

# The protobuf library needs up to some fifty bytes for each byte of a body made to hurt; only short
# bodies may take that way. Senders' own encodings do not.
MAX_UNUSUAL_BYTES = 8 << 20


def check_counts(series: int, samples: int, histograms: int, metadata: int = 0, symbols: int = 0) -> None:
    """Refuse a request that holds too much of anything.

    Raises:
        TooLargeError: naming the counts and the limits.
    """
    held = (series, samples, histograms, metadata, symbols)
    limits = (MAX_SERIES, MAX_SAMPLES, MAX_HISTOGRAMS, MAX_METADATA, MAX_SYMBOLS)
    if any(count > limit for count, limit in zip(held, limits, strict=True)):
        raise TooLargeError(
            f"the request holds {series} series, {samples} samples, {histograms} native histograms, "
            f"{metadata} metadata and {symbols} symbols; at most {limits} are taken: lower the sender's "
            "max_samples_per_send"
        )


def check_unusual(body: bytes) -> None:
    """Refuse a body that only the protobuf library can read when it is long.

    Raises:
        TooLargeError: naming the limit.
    """
    if len(body) > MAX_UNUSUAL_BYTES:
        raise TooLargeError(
            "the request is not encoded as Prometheus does it, and such a one may have at most "
            f"{MAX_UNUSUAL_BYTES} bytes: send smaller requests"
        )


def partly_refused(tally: RejectTally) -> bytes:
    """What the answer 400 says, which both versions ask for where a sample was refused."""
    text = f"the rest was written; refused: {tally.text() or 'series beyond the limit of the source'}\n"
    return text.encode(errors="replace")
