"""Flow tables: a header line that names the columns, then one flow a line."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence

import orjson

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.flow_rows import (
    FlowRow,
    address_of,
    count_of,
    flow_batch,
    moment_of,
    nanos_of,
    port_of,
    protocol_of,
)
from stormpetrel.ingest.flows_csv_columns import Columns, find_columns
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.sensor_rows import MAX_LINE_BYTES, entity_of_sensor, lines_of, open_body
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook_values import RowRefusedError
from stormpetrel.model.push import Decoded, PushRequest

_DELIMITERS = ",;\t"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_VALUE_LETTERS = 512
# 03/07/2017 08:55:58.25 PM; seconds, fraction and half of the day may be missing.
_SLASHED = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?([AaPp])[Mm])?"
)


class FlowsCsvDecoder:
    """Decodes tables of flows; the delimiter is whichever of comma, semicolon and tab the header has most of.

    Column names and their aliases are those of `flows_csv_columns`; every further column becomes an
    attribute. A table needs both addresses. A flow without a start is dated by its end, or the time of
    receipt; without an end or a duration it ends when it starts. Dates with slashes are day first, unless
    the second number of some row exceeds 12. The body may be a gzip file. A row that cannot be read is
    refused with a reason, the others are kept; when all are refused, so is the request. About 20 us a row.

    Args:
        registry: not used; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "flows_csv"
    paths = ("/flows/csv",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Flows of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes or rows once unpacked.
            DecodeError: an unknown encoding, no usable header, or no row that can be read.
        """
        body = open_body(request, self._limit)
        lines = lines_of(body.removeprefix(_BYTE_ORDER_MARK))
        header = next(lines, None)
        if header is None:
            raise DecodeError("the table is empty: send a header line and a line for each flow")
        delimiter = max(_DELIMITERS, key=header.decode("utf-8", "replace").count)
        columns = find_columns(_split(header, delimiter))
        tally = RejectTally()
        again = itertools.islice(lines_of(body), 1, None)
        place = columns.places.get("start", columns.places.get("end"))
        table = _Table(columns, request, _month_first(again, place, delimiter))
        flows: list[FlowRow] = []
        for line in lines:
            try:
                flows.append(table.flow(_split(line, delimiter)))
            except RowRefusedError as error:
                tally.add(error.reason, 1, str(error))
        if tally.rows and not flows:
            raise DecodeError(f"no row of the table is a flow: {tally.text()[:1000]}")
        token = request_token(body, request.source)
        return Decoded(flows=flow_batch(flows, request.source, token), rejected=tally.rejected())


def _split(line: bytes, delimiter: str) -> list[str]:
    """The values of a line; one in quotes may hold the delimiter, but no line ends.

    Raises:
        RowRefusedError: `line_too_long`; `bad_row`: a value is longer than the csv module takes (128 KiB).
    """
    if len(line) > MAX_LINE_BYTES:
        raise RowRefusedError(
            "line_too_long", f"a line has {len(line)} bytes, at most {MAX_LINE_BYTES} are taken"
        )
    try:
        return next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter))
    except csv.Error as error:
        raise RowRefusedError("bad_row", str(error)) from None


def _month_first(lines: Iterator[bytes], place: int | None, delimiter: str) -> bool:
    """Whether some date with slashes can only be month first; tables without such dates are not read on."""
    if place is None:
        return False
    for line in lines:
        values = line[:MAX_LINE_BYTES].decode("utf-8", "replace").split(delimiter)
        found = _SLASHED.match(values[place].strip(' "')) if len(values) > place else None
        if found is None:
            return False
        if int(found[2]) > 12:
            return True
    return False


class _Table:
    """Reads the rows of one table."""

    def __init__(self, columns: Columns, request: PushRequest, month_first: bool) -> None:
        self._columns = columns
        self._month_first = month_first
        self._received = request.received_unix_nano
        self._source = request.source

    def flow(self, row: Sequence[str]) -> FlowRow:
        """One row; RowRefusedError: `field_count`, `bad_address`, `bad_time`, `time_in_future`."""
        if len(row) != self._columns.width:
            message = f"{len(row)} values under a header of {self._columns.width}"
            raise RowRefusedError("field_count", message)
        start, end = self._times(row)
        sent, received = self._counts(row, "bytes")
        packets_sent, packets_received = self._counts(row, "packets")
        others = {name: row[n].strip()[:_VALUE_LETTERS] for name, n in self._columns.others}
        return FlowRow(
            start_unix_nano=start,
            end_unix_nano=end,
            entity=entity_of_sensor(self._text(row, "entity"), self._source),
            source_address=address_of(self._text(row, "source_address")),
            source_port=port_of(self._text(row, "source_port")),
            destination_address=address_of(self._text(row, "destination_address")),
            destination_port=port_of(self._text(row, "destination_port")),
            protocol=protocol_of(self._text(row, "protocol")),
            bytes_sent=sent,
            bytes_received=received,
            packets_sent=packets_sent,
            packets_received=packets_received,
            state=self._text(row, "state")[:64],
            application=self._text(row, "application")[:256],
            attributes=orjson.dumps({name: text for name, text in others.items() if text}).decode(),
        )

    def _text(self, row: Sequence[str], name: str) -> str:
        place = self._columns.places.get(name)
        return "" if place is None else row[place].strip()

    def _counts(self, row: Sequence[str], what: str) -> tuple[int, int]:
        """Sent and received; where only a total is told besides what was sent, the rest was received."""
        sent = count_of(self._text(row, f"{what}_sent"))
        received = count_of(self._text(row, f"{what}_received"))
        if f"{what}_received" in self._columns.places or f"total_{what}" not in self._columns.places:
            return sent, received
        total = count_of(self._text(row, f"total_{what}"))
        return (sent, max(0, total - sent)) if f"{what}_sent" in self._columns.places else (total, 0)

    def _times(self, row: Sequence[str]) -> tuple[int, int]:
        start, end = self._moment(row, "start"), self._moment(row, "end")
        took = 0
        if self._columns.duration is not None:
            place, unit = self._columns.duration
            took = nanos_of(row[place].strip(), unit)
        if start is None:
            start = max(1, end - took) if end is not None else self._received
        if end is None:
            end = min(start + took, (1 << 63) - 1)
        return min(start, end), max(start, end)

    def _moment(self, row: Sequence[str], name: str) -> int | None:
        text = self._text(row, name)
        if not text:
            return None
        found = _SLASHED.fullmatch(text)
        return moment_of(self._iso(found) if found else text, self._received)

    def _iso(self, found: re.Match[str]) -> str:
        day, month, year, hour, minute, second, fraction, half = found.groups()
        if self._month_first:
            day, month = month, day
        if half:
            hour = str(int(hour) % 12 + (12 if half in "Pp" else 0))
        clock = f"{int(hour):02d}:{minute}:{second or '00'}" + (f".{fraction}" if fraction else "")
        return f"{year}-{int(month):02d}-{int(day):02d}T{clock}"
