"""The template miner: lines of many sources to patterns with stable ids, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.model.pattern import Alias, LogLines, Mined, MinerSizes, Pattern
from stormpetrel.patterns import kernel, snapshot
from stormpetrel.patterns.groups import root
from stormpetrel.patterns.identity import AliasLog
from stormpetrel.patterns.rows import Rows
from stormpetrel.patterns.skeleton import MAX_BYTES, MISS
from stormpetrel.patterns.skeleton import skeleton as write_skeleton
from stormpetrel.patterns.stream import Stream, read
from stormpetrel.patterns.values import values_of

MAX_SOURCES = 512
OTHERS = "(other sources)"


class TemplateMiner:
    """Mines patterns without configuration; see `ports.algorithms.LogMiner` for the contract.

    A line whose skeleton is known costs a compiled look-up (some 300 ns); a new skeleton some 50 microseconds
    in Python. Works on any text with some regularity; free prose becomes many patterns, which are bounded.
    Holds at most `stream.MAX_PATTERNS` patterns a source and MAX_SOURCES sources, and 8 MB of cache.

    Args:
        cached: without the cache every line goes the long way; patterns are the same.
    """

    name = "template"
    version = 1

    def __init__(self, cached: bool = True) -> None:
        self._rows = Rows(cached)
        self._aliases = AliasLog()
        self._streams: list[Stream] = []
        self._by_name: dict[str, int] = {}
        self._seen: NDArray[np.int64] = np.zeros(MAX_SOURCES + 1, np.int64)
        self._folded = 0
        self._out: NDArray[np.uint8] = np.zeros(MAX_BYTES, np.uint8)

    # Mining -------------------------------------------------------------------------------------------

    def update(self, lines: LogLines) -> Mined:
        """Mine a batch, in order; O(bytes)."""
        if not len(lines):
            return Mined(np.zeros(0, np.int64), ())
        text, offsets = _buffers(lines.text)
        return self._mine(text, offsets, self._placed(lines), lines)

    def mine(self, text: str, source: str, time_unix_nano: int, severity_number: int = 0) -> int:
        """Mine a single line; returns the id of its pattern. 3 microseconds when its skeleton is known."""
        data = text.encode("utf-8", "replace")
        known = self._by_name.get(source)
        index = self._index(source) if known is None else known
        rows = self._rows
        if data:
            line = (index, time_unix_nano, severity_number)
            pattern: int = kernel.mine_one(
                np.frombuffer(data, np.uint8),
                line,
                rows.table,
                (rows.state, self._seen),
                rows.spill,
                self._out,
            )
            if pattern != MISS:
                return pattern
        return self._mine_slowly(data, index, time_unix_nano, severity_number)

    def _mine_slowly(self, data: bytes, index: int, time_unix_nano: int, severity_number: int) -> int:
        """A single line the way of a batch."""
        one = np.zeros(1, np.int32)
        times = np.array([time_unix_nano], np.int64)
        severity = np.array([severity_number], np.uint8)
        lines = LogLines(pa.nulls(0), one, (), times, severity, one)
        content = np.frombuffer(data or b" ", np.uint8)
        offsets = np.array([0, len(data)], np.int32)
        return int(self._mine(content, offsets, np.array([index], np.int32), lines).pattern[0])

    def _mine(
        self, text: NDArray[np.uint8], offsets: NDArray[np.int32], source: NDArray[np.int32], lines: LogLines
    ) -> Mined:
        n = len(source)
        outs = (np.zeros(n, np.int64), self._rows.spill, self._out)
        columns = (source, lines.time_unix_nano, lines.severity_number)
        new: list[int] = []
        rows, place, row = self._rows, 0, MISS
        while True:
            place, why, length, skeleton = kernel.mine(
                (text, offsets), columns, (place, row, n), rows.table, (rows.state, self._seen), outs
            )
            row = MISS
            if why == kernel.NEW:
                line = _line(text, offsets, place)
                said = self._out[:length].tobytes().decode("utf-8", "replace")
                group, is_new = self._streams[int(source[place])].add(line, said)
                row = group.row
                rows.remember(skeleton, row)
                if is_new:
                    new.append(int(rows.state[row, kernel.ID]))
            elif why == kernel.LOOK:
                at = place - 1
                origin = lines.origins[lines.origin[at]]
                self._look(int(source[at]), _line(text, offsets, at), origin)
            elif why == kernel.SPILL:
                rows.drain()
            else:
                return Mined(outs[0], tuple(new))

    def _placed(self, lines: LogLines) -> NDArray[np.int32]:
        """The index of each line's source; sources that have no line get none."""
        used = np.unique(lines.source)
        places = np.zeros(int(used.max()) + 1, np.int32)
        for k in used.tolist():
            places[k] = self._index(lines.sources[k])
        placed = places[lines.source]
        self._folded += int(np.count_nonzero(placed == MAX_SOURCES))
        return placed

    def _index(self, source: str) -> int:
        known = self._by_name.get(source)
        if known is not None:
            return known
        if len(self._streams) >= MAX_SOURCES:
            if len(self._streams) == MAX_SOURCES:
                self._streams.append(Stream(OTHERS, MAX_SOURCES, self._rows, self._aliases))
            return MAX_SOURCES
        self._by_name[source] = len(self._streams)
        self._streams.append(Stream(source, len(self._streams), self._rows, self._aliases))
        return len(self._streams) - 1

    def _skeleton(self, line: str) -> str:
        """The skeleton of a line kept as text."""
        data = line.encode("utf-8", "replace")
        content = np.frombuffer(data or b" ", np.uint8)
        length, _ = write_skeleton(content, 0, len(data), 0, self._out)
        return self._out[:length].tobytes().decode("utf-8", "replace")

    def _look(self, index: int, line: str, origin: str) -> None:
        """Look at a line whose turn it is, whether its skeleton was known or not; then do what is due."""
        stream, seen = self._streams[index], int(self._seen[index])
        stream.look(line, self._skeleton(line), origin)
        if seen in (kernel.FIRST_LOOK, kernel.LEARNT) or seen % kernel.KEEP_EVERY == 0:
            stream.keep(seen, self._skeleton)

    # Asking -------------------------------------------------------------------------------------------

    def resolve(self, pattern: int) -> int:
        """What a pattern id of any age is called today."""
        return self._aliases.resolve(pattern)

    def aliases(self, since: int = 0) -> list[Alias]:
        """The alias log from a position on."""
        return self._aliases.since(since)

    def patterns(self, source: str | None = None) -> Iterator[Pattern]:
        """All patterns, or those of one source, oldest first."""
        self._rows.drain()
        for stream in self._streams:
            if source in (None, stream.name):
                for group in stream.groups.live():
                    yield snapshot.shown(stream, group, self._rows)

    def births(self, source: str) -> list[tuple[int, int, bool]]:
        """Id, first sighting and whether it was logged as an error, of every pattern of a source."""
        known = self._by_name.get(source, MAX_SOURCES if source == OTHERS else -1)
        if not 0 <= known < len(self._streams):
            return []
        stream, state = self._streams[known], self._rows.state
        first_error = kernel.SEVERITY + kernel.SEVERITIES - 2
        return [
            (
                stream.id_of(group),
                int(state[group.row, kernel.FIRST]),
                bool(state[group.row, first_error : first_error + 2].any()),
            )
            for group in stream.groups.live()
        ]

    def find(self, pattern: int) -> Pattern | None:
        """What is known of the pattern that an id of any age is now; None when it was evicted."""
        row = self._rows.row_of(self.resolve(pattern))
        if row is None:
            return None
        self._rows.drain()
        stream = self._streams[int(self._rows.state[row, kernel.SOURCE])]
        group = stream.groups.by_row.get(row)
        return None if group is None else snapshot.shown(stream, root(group), self._rows)

    def describe(self, patterns: Collection[int]) -> dict[int, Pattern]:
        """What is known of many patterns, by ids of today; without their variables and samples."""
        found: dict[int, Pattern] = {}
        for one in patterns:
            row = self._rows.row_of(one)
            if row is not None:
                stream = self._streams[int(self._rows.state[row, kernel.SOURCE])]
                group = stream.groups.by_row.get(row)
                if group is not None:
                    found[one] = snapshot.brief(stream, root(group), self._rows)
        return found

    def values(self, pattern: int, line: str) -> list[tuple[str, str]]:
        """Names and values of the variables in a line of a pattern, left to right; none if it was let go."""
        row = self._rows.row_of(self.resolve(pattern))
        if row is None:
            return []
        stream = self._streams[int(self._rows.state[row, kernel.SOURCE])]
        known = stream.groups.by_row.get(row)
        if known is None:
            return []
        group = root(known)
        _, _, words = read(stream.layout, self._skeleton(line))
        return values_of(line, group.key, words)

    def texts(self) -> dict[int, str]:
        """The text of every pattern by id."""
        return {
            stream.id_of(group): group.text(self._rows.lines(group.row))
            for stream in self._streams
            for group in stream.groups.live()
        }

    def sizes(self) -> MinerSizes:
        """How much is held, and what was let go."""
        return MinerSizes(
            sources=len(self._streams),
            patterns=len(self._rows.details),
            skeletons=self._rows.skeletons,
            evicted=sum(stream.evicted for stream in self._streams),
            cache_cleared=self._rows.cleared,
            folded_lines=self._folded,
        )

    # State --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state but the cache, as plain data that JSON can hold."""
        self._rows.drain()
        return {
            "version": self.version,
            "sources": [
                snapshot.of_stream(s, int(self._seen[k]), self._rows) for k, s in enumerate(self._streams)
            ],
            "aliases": [[a.old, a.new, a.reason] for a in self._aliases.entries],
            "aliases_dropped": self._aliases.dropped,
            "folded": self._folded,
        }

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take over a snapshot; ValueError when its version is another."""
        if plain.get("version") != self.version:
            raise ValueError(f"miner {self.name} {self.version} cannot read version {plain.get('version')!r}")
        dropped = int(plain["aliases_dropped"])
        entries = [
            Alias(dropped + k, old, new, reason) for k, (old, new, reason) in enumerate(plain["aliases"])
        ]
        self._rows, self._aliases = Rows(self._rows.cached), AliasLog(entries, dropped)
        self._folded = int(plain["folded"])
        self._streams, self._by_name = [], {}
        self._seen[:] = 0
        for k, saved in enumerate(plain["sources"]):
            stream = Stream(saved["name"], k, self._rows, self._aliases)
            self._seen[k] = snapshot.into_stream(saved, stream, self._rows)
            self._streams.append(stream)
            if k < MAX_SOURCES:
                self._by_name[stream.name] = k


def _line(text: NDArray[np.uint8], offsets: NDArray[np.int32], place: int) -> str:
    start = int(offsets[place])
    end = min(int(offsets[place + 1]), start + MAX_BYTES)
    return text[start:end].tobytes().decode("utf-8", "replace")


def _buffers(text: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Bytes and offsets of an Arrow string array, without copying the bytes."""
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    if text.type != pa.string():
        text = text.cast(pa.string())
    if text.null_count:
        text = text.fill_null("")
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1].copy()
    if data is None or not data.size:
        return np.frombuffer(b" ", np.uint8), np.zeros(len(text) + 1, np.int32)
    return np.frombuffer(data, np.uint8), ends
