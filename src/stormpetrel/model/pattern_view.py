"""What the pages and the API show of log patterns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import LogRecord
from stormpetrel.model.time import Window


class PatternOrder(StrEnum):
    """In which order patterns are listed; the first ones of it, where there are many."""

    COUNT = "count"
    CHANGE = "change"
    NEW = "new"
    SEVERITY = "severity"
    REMARKABLE = "remarkable"  # news of warnings and errors first, then what changed


@dataclass(frozen=True, slots=True)
class PatternRow:
    """One pattern in a window, beside the window of equal length before it.

    Attributes:
        pattern: its id today; 0 stands for records that were never mined.
        text: what it says; of one that was let go, a record it stood for.
        known: false when the pattern was let go and only its records are left.
        source: of its lines; of one that was let go, where its records came from.
        entity: one that logged it; `entities` is how many did, about.
        severity: the highest.
        records, before: in the window, and in the one before.
        surprise: how unlike the two counts are, in standard deviations of chance; negative: fewer now.
        first_unix_nano, last_unix_nano: its first sighting ever, as far as known, and its last in the window.
        new: first seen in the window.
        counts: records by equal parts of the window.
    """

    pattern: int
    text: str
    known: bool
    source: str
    entity: str
    entities: int
    severity: int
    records: int
    before: int
    surprise: float
    first_unix_nano: int
    last_unix_nano: int
    new: bool
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PatternList:
    """Patterns of a window, the first ones of an order.

    Attributes:
        rows: what is listed.
        window, before: the window, and the one of equal length before it.
        records: matching records, of all patterns that were counted.
        unmined: of them, without a pattern.
        patterns: how many there are; `rows` may be fewer.
        complete: false when only the most frequent were counted, in either window.
    """

    rows: list[PatternRow]
    window: Window
    before: Window
    records: int
    unmined: int
    patterns: int
    complete: bool


@dataclass(frozen=True, slots=True)
class PatternPage:
    """One pattern: what is known of it, how often it came in a window, and its newest records there.

    `aliases` are older ids of it, `watched` its variables that somebody watches as series.
    """

    pattern: int
    known: Pattern | None
    row: PatternRow | None
    records: list[LogRecord]
    window: Window
    aliases: tuple[int, ...]
    watched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two windows side by side: what appeared, vanished, grew and shrank, most surprising first.

    `before` and `records` of a row are counts of the two windows, which may differ in length.
    """

    first: Window
    second: Window
    rows: list[PatternRow]
    records: tuple[int, int]
    complete: bool
