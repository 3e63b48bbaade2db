"""The contract suite of decoders: hostile and damaged input, encodings, bombs, threads."""

from __future__ import annotations

import dataclasses
import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cramjam
import numpy as np

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import LogBatch, SpanBatch
from stormpetrel.ports.decode import Decoder

# Makes a decoder with a registry of its own, given max_unpacked_bytes.
MakeDecoder = Callable[[int], Decoder]

_LIMIT = 4 << 20
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "snappy": lambda body: bytes(cramjam.snappy.compress_raw(body)),
}


def check_decoder(make: MakeDecoder, valid_requests: Sequence[PushRequest], seed: int = 7) -> None:
    """Put a decoder through its contract (see `ports.decode.Decoder`). Some seconds.

    Args:
        make: gives a fresh decoder over a fresh registry; called with `max_unpacked_bytes`.
        valid_requests: requests that must decode to at least one row each, not compressed, each shorter
            than 1 MiB. The damage is made from them.
        seed: of the damage.

    Raises:
        AssertionError: naming the broken part of the contract.
    """
    _require(bool(valid_requests), "give at least one valid request")
    for request in valid_requests:
        _require(request.content_encoding in ("", "identity"), "give valid requests uncompressed")
    _check_valid(make, valid_requests)
    _check_damage(make, valid_requests, np.random.default_rng(seed))
    _check_encodings(make, valid_requests)
    _check_bombs(make, valid_requests[0])
    _check_threads(make, valid_requests)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def rows_of(decoded: Decoded) -> int:
    """How many signals a request gave."""
    parts = (decoded.metrics, *_records(decoded))
    return sum(len(part) for part in parts if part is not None) + len(decoded.backups)


def _records(
    decoded: Decoded,
) -> tuple[LogBatch | SpanBatch | FlowBatch | AlertBatch | ChangeBatch | None, ...]:
    return (decoded.logs, decoded.spans, decoded.flows, decoded.alerts, decoded.changes)


def same(one: Decoded, other: Decoded) -> bool:
    """Whether two outcomes are equal, values compared bit for bit."""
    return _comparable(one) == _comparable(other)


def _comparable(decoded: Decoded) -> tuple[object, ...]:
    metrics = decoded.metrics
    return (
        None
        if metrics is None
        else (metrics.series.tolist(), metrics.time_unix_nano.tolist(), metrics.value.tobytes()),
        *(part and part.records.to_pylist() for part in _records(decoded)),
        decoded.backups,
        decoded.rejected,
        (decoded.answer, decoded.answer_type, decoded.status),
    )


def _outcome(decoder: Decoder, request: PushRequest, what: str) -> Decoded | DecodeError:
    """What became of a request; anything but signals or a DecodeError breaks the contract."""
    try:
        decoded = decoder.decode(request)
    except DecodeError as error:
        _require(bool(str(error)), f"{decoder.name}: a DecodeError without a message for {what}")
        return error
    except Exception as error:  # whatever it is, it is what this suite is for
        raise AssertionError(f"{decoder.name}: {what} raised {error!r}: {request.body[:80]!r}") from error
    _require(
        all(part.reason and part.rows > 0 for part in decoded.rejected),
        f"{decoder.name}: a refusal without reason or rows for {what}: {decoded.rejected}",
    )
    return decoded


def _decode(decoder: Decoder, request: PushRequest, what: str) -> Decoded | None:
    """The signals; None where the request was refused."""
    outcome = _outcome(decoder, request, what)
    return outcome if isinstance(outcome, Decoded) else None


def _check_valid(make: MakeDecoder, requests: Sequence[PushRequest]) -> None:
    decoder, twin = make(_LIMIT), make(_LIMIT)
    _require(bool(decoder.name) and bool(decoder.paths), "a decoder has a name and at least one path")
    for request in requests:
        one = _decode(decoder, request, "a valid request")
        two = _decode(twin, request, "a valid request")
        _require(one is not None and rows_of(one) > 0, f"{decoder.name}: a valid request gave no rows")
        again = _decode(decoder, request, "a repeated request")
        _require(
            one is not None and two is not None and same(one, two),
            f"{decoder.name}: two fresh decoders differ on the same request",
        )
        _require(
            one is not None and again is not None and same(one, again),
            f"{decoder.name}: the same request again gave something else",
        )


def _damaged(body: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for cut in np.unique(np.linspace(0, max(len(body) - 1, 0), 150).astype(int)):
        yield f"the first {cut} bytes", body[:cut]
    for _ in range(300):
        changed = bytearray(body)
        for _ in range(int(rng.integers(1, 4))):
            changed[int(rng.integers(len(body)))] ^= 1 << int(rng.integers(8))
        yield "flipped bits", bytes(changed)
    for _ in range(100):
        start, end = sorted(int(n) for n in rng.integers(len(body) + 1, size=2))
        yield "a part left out", body[:start] + body[end:]
        yield "a part doubled", body[:end] + body[start:]
    for length in (0, 1, 2, 7, 100, 5000):
        for _ in range(15):
            yield "random bytes", rng.bytes(length)


def _check_damage(make: MakeDecoder, requests: Sequence[PushRequest], rng: np.random.Generator) -> None:
    decoder = make(_LIMIT)
    for request in requests:
        before = decoder.decode(request)
        for what, body in _damaged(request.body, rng):
            _decode(decoder, dataclasses.replace(request, body=body), what)
        after = decoder.decode(request)
        _require(
            rows_of(before) == rows_of(after),
            f"{decoder.name}: damaged requests changed what valid ones give",
        )


def _check_encodings(make: MakeDecoder, requests: Sequence[PushRequest]) -> None:
    for request in requests:
        plain = make(_LIMIT).decode(request)
        for encoding, encode in _ENCODERS.items():
            packed = dataclasses.replace(request, body=encode(request.body), content_encoding=encoding)
            unpacked = _decode(make(_LIMIT), packed, encoding)
            _require(
                unpacked is not None and same(plain, unpacked),
                f"{encoding} decodes to something else than plain",
            )
            for cut in range(0, len(packed.body), max(1, len(packed.body) // 20)):
                short = dataclasses.replace(packed, body=packed.body[:cut])
                _decode(make(_LIMIT), short, f"{encoding} cut off at {cut}")
        unknown = dataclasses.replace(request, content_encoding="br0ken")
        _require(_decode(make(_LIMIT), unknown, "") is None, "an unknown content encoding was accepted")


def _check_bombs(make: MakeDecoder, request: PushRequest) -> None:
    """Bodies that unpack to forty times the limit are refused as too large, and not unpacked first."""
    limit = 1 << 20
    decoder = make(limit)
    bomb = bytes(40 * limit)
    for encoding, encode in (("identity", bytes), *_ENCODERS.items()):
        body = encode(bomb)
        tracemalloc.start()
        packed = dataclasses.replace(request, body=body, content_encoding=encoding)
        outcome = _outcome(decoder, packed, f"a {encoding} bomb")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        _require(
            isinstance(outcome, TooLargeError),
            f"{decoder.name}: a {encoding} bomb was not refused as too large",
        )
        _require(peak < 8 * limit, f"{encoding}: {peak} bytes held at a limit of {limit}")


def _check_threads(make: MakeDecoder, requests: Sequence[PushRequest]) -> None:
    decoder = make(_LIMIT)
    expected = [rows_of(make(_LIMIT).decode(request)) for request in requests]

    def work() -> None:
        for _ in range(10):
            for request, rows in zip(requests, expected, strict=True):
                got = _decode(decoder, request, "a request among several threads")
                _require(
                    got is not None and rows_of(got) == rows,
                    f"{decoder.name}: several threads at once get other rows than one alone ({rows})",
                )

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work) for _ in range(6)]:
            done.result()
