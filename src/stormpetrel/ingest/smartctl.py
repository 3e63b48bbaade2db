"""The output of `smartctl --json` (-a or -x), of one disk or of several, to metric samples."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import numpy as np

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.sensor_rows import open_body
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.smartctl_readings import OPEN_FAILED, readings_of
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import NANOS_PER_SECOND

MAX_BODY_BYTES = 16 << 20  # a disk is about 20 kB
MAX_DISKS = 1000

_NAME_LETTERS = 128


class SmartctlParser:
    """Turns documents of smartctl into samples of interned series.

    Every series has the labels host, device, model and serial, and is about `host:NAME/disk:SERIAL`; a disk
    that tells no serial is called by its device. For the metrics see the documentation, *Disk health*.
    A disk that smartctl could not open is refused as `not_opened`, with what smartctl said of it.
    Thread-safe.

    Args:
        registry: gives the series their ids.
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry

    def parse(self, text: bytes, time_unix_nano: int, source: str, host: str) -> Decoded:
        """The samples of one document, or of an array or lines of them, at one time.

        Args:
            text: JSON.
            time_unix_nano: when the disks were read.
            source: whom the series are counted for.
            host: the name of the host that has the disks.

        Raises:
            TooLargeError: more than `MAX_DISKS` documents.
            DecodeError: not JSON.
        """
        return self._samples([(one, time_unix_nano) for one in documents_of(text)], source, host)

    def parse_dated(self, text: bytes, received_unix_nano: int, source: str, host: str) -> Decoded:
        """As `parse`, each document at the time it tells itself; at that of the receipt if it tells none."""
        dated = [(one, _time_of(one, received_unix_nano)) for one in documents_of(text)]
        return self._samples(dated, source, host)

    def _samples(self, documents: list[tuple[Any, int]], source: str, host: str) -> Decoded:
        tally = RejectTally()
        ids: list[int] = []
        times: list[int] = []
        values: list[float] = []
        for document, time in documents:
            try:
                labels, part = _disk(document)
            except RowRefusedError as error:
                tally.add(error.reason, 1, str(error))
                continue
            for reading in readings_of(document):
                told = {"host": host, **labels, **dict(reading.labels)}
                entity = f"host:{host}/{part}"
                ids.append(
                    self._registry.intern(reading.metric, told, source, reading.kind, reading.unit, entity)
                )
                times.append(time)
                values.append(reading.value)
        if not ids:
            return Decoded(rejected=tally.rejected())
        batch = MetricBatch(np.array(ids, np.uint32), np.array(times, np.int64), np.array(values, np.float64))
        return Decoded(metrics=batch, rejected=tally.rejected())


class SmartctlDecoder:
    """Decodes what a host pushes: the output of `smartctl --json -a DEVICE`, or a JSON array or lines of it.

    The host's name is `?host=NAME` of the request, else the sender's; the time is that of each document.

    Args:
        registry: gives the series their ids.
        max_unpacked_bytes: largest body once decompressed; at most 16 MiB are ever taken.
    """

    name = "smartctl"
    paths = ("/smart/smartctl",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._parser = SmartctlParser(registry)
        self._limit = min(max_unpacked_bytes, MAX_BODY_BYTES)

    def decode(self, request: PushRequest) -> Decoded:
        """Samples of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many disks.
            DecodeError: an unknown encoding, not JSON, or no disk that could be read.
        """
        body = open_body(request, self._limit)
        said = parse_qs(request.query).get("host", [""])[0][:_NAME_LETTERS]
        host = said or request.source.partition("/")[0]
        decoded = self._parser.parse_dated(body, request.received_unix_nano, request.source, host)
        if decoded.metrics is None:
            told = "; ".join(f"{one.reason}: {one.example}" for one in decoded.rejected)
            raise DecodeError(
                f"the request tells of no disk: {told or 'send the output of smartctl --json -a'}"
            )
        return decoded


def documents_of(text: bytes) -> list[Any]:
    """One JSON document, the elements of an array, or one document a line.

    Raises:
        TooLargeError: more than `MAX_DISKS`.
        DecodeError: not JSON.
    """
    try:
        whole = parse_json(text)
    except DecodeError:
        lines = [line for line in text.split(b"\n", MAX_DISKS + 1) if line.strip()]
        if not 1 < len(lines) <= MAX_DISKS:
            raise
        return [parse_json(line, "a line") for line in lines]
    documents = whole if isinstance(whole, list) else [whole]
    if len(documents) > MAX_DISKS:
        raise TooLargeError(f"the request has {len(documents)} disks, at most {MAX_DISKS} are taken")
    return documents


def _disk(document: Any) -> tuple[dict[str, str], str]:
    """The labels of a disk, and which part of its host it is."""
    if not isinstance(document, dict) or not isinstance(document.get("smartctl"), dict):
        raise RowRefusedError("no_smartctl", f"{shown(document)} is no output of smartctl --json")
    status = document["smartctl"].get("exit_status")
    name = text_at(document, "device", "name", letters=_NAME_LETTERS)
    if isinstance(status, int) and status & OPEN_FAILED:
        raise RowRefusedError("not_opened", f"{name or 'a device'}: {said_in(document)}")
    if not name:
        raise RowRefusedError("no_device", f"the document names no device: {said_in(document)}")
    kind = text_at(document, "device", "type", letters=_NAME_LETTERS)
    # Behind a RAID controller many disks share one device; then the type tells them apart.
    device = f"{name} [{kind}]" if "," in kind else name
    serial = text_at(document, "serial_number", letters=_NAME_LETTERS).strip()
    model = text_at(document, "model_name", letters=_NAME_LETTERS).strip()
    labels = {"device": device, "model": model, "serial": serial}
    part = f"disk:{serial or device.rpartition('/')[2]}"
    return {label: value for label, value in labels.items() if value}, part


def said_in(document: Any) -> str:
    """What smartctl says in words, for people."""
    smartctl = document.get("smartctl") if isinstance(document, dict) else None
    messages = smartctl.get("messages") if isinstance(smartctl, dict) else None
    told = [text_at(one, "string", letters=200) for one in messages[:3]] if isinstance(messages, list) else []
    return "; ".join(text for text in told if text) or "smartctl does not say why"


def _time_of(document: Any, received_unix_nano: int) -> int:
    seconds = dig(document, "local_time", "time_t")
    if isinstance(seconds, int) and 0 < seconds < 1 << 33:
        return seconds * NANOS_PER_SECOND
    return received_unix_nano
