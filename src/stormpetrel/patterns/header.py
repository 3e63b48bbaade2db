"""The header of a source's lines: learnt from a few hundred, then cut off skeleton by skeleton.

A line is read from the left as columns: times, numbers, levels, `[brackets]`, `component:`, dashes and words.
A column that is nearly always a time, a level, a bracket, a component or a dash is an anchor; everything up to
the last anchor is header, words between anchors included. What is written as a table (`a|b|c`, two spaces or
tabs between columns) has a header up to the last separator that nearly all lines have.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = "0:0(?::0)?(?:[.,:]0)*"
_ZONE = r"(?:Z|\ ?[+-]0(?::0)?|\ (?:UTC|GMT|[A-Z]{1,3}S?T))?"
_TIME = (
    rf"(?:(?:{_DAY},?\ +)?(?:{_MONTH}\ +0(?:\ 0)?|0\ {_MONTH}\ 0)\ {_CLOCK}{_ZONE}(?:\ 0(?![\d:.\w\[]))?"
    rf"|0[-/]{_MONTH}[-/]0[: T]{_CLOCK}{_ZONE}"
    rf"|0(?:[-/.]0){{0,2}}[T\ _-]{_CLOCK}{_ZONE}|0-0-0-0\.0\.0(?:\.0)?|0(?:[-/.]0){{2}}|{_CLOCK})"
)
_LEVEL = (
    "(?:TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|ALERT|EMERG|EMERGENCY|FATAL|SEVERE"
    "|FAILURE|PANIC|VERBOSE|FINE|FINER|FINEST|CONFIG|trace|debug|info|notice|warn|warning|error|err|critical|crit"
    "|alert|emerg|fatal|severe|panic|Trace|Debug|Info|Information|Notice|Warn|Warning|Error|Critical|Fatal|Verbose)"
)
_BRACKET = r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]|\((?:[^()]|\([^()]*\))*\)"
_RULES = {
    "time": rf"{_TIME}[,:]?|\[{_TIME}\]:?|\({_TIME}\)|<{_TIME}>",
    "level": rf"(?:{_LEVEL}|[VDIWEF])[,:]?|\[\ *{_LEVEL}\ *\]:?|<{_LEVEL}>:?|\({_LEVEL}\)",
    "number": r"-?0[,:]?|\[0\]:?|<0>0?",
    "dash": r"[-:=>]|--|=>|->",
    "bracket": rf"(?:{_BRACKET})[,:]?",
    "component": r"[^\s|\[\]=]*[A-Za-z][^\s|\[\]=]*(?:\[[^\s\]]*\](?:\ \([^\s)]*\))?)?:|[A-Za-z][\w./\-]*\ 0(?:\.0)+:",
    "word": r"[^\s|]+",
}
_COLUMN = re.compile("|".join(rf"(?P<{kind}>(?:{rule})(?=[\s|]|$))" for kind, rule in _RULES.items()))
_GAP = re.compile(r"\s*\|\s*|\s+")
_TABLE = re.compile(r"\s*\|\s*|\s*\t\s*|\ {2,}")
_EPOCH = re.compile(r"1\d{9}(?:\.\d+)?|1\d{12}|1\d{15}|1\d{18}")
_ANCHORS = frozenset({"time", "epoch", "level", "dash", "bracket", "component"})
_LOOSE = 2  # words that a single line may have more than usual before an anchor, as in `Some Program[0]:`

MOST = 0.9  # of the lines; what fewer have is no part of the layout
COLUMNS, WORDS = 16, 4  # looked at; between two anchors
TIMED = 0.3  # of the lines begin with a time: then it is these that have the header
FEW_LETTERS = 0.5  # of the messages without a word: then the header was cut too far


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one line: its kind, where it lies in the skeleton, and the gap behind it."""

    kind: str
    start: int
    end: int
    gap: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a source begin: the kinds of the header's columns, left to right; none is a valid layout.

    Attributes:
        kinds: one of `time epoch level number dash bracket component word any` a column.
    """

    kinds: tuple[str, ...] = ()

    def message(self, skeleton: str) -> str:
        """What is left of a skeleton without its header; all of it when it begins otherwise. 5 to 20 us.

        >>> Layout(("time", "level")).message("0-0-0 0:0:0 INFO all is well")
        'all is well'
        >>> Layout(("time", "level")).message("  at com.example.Main(Main.java:0)")
        '  at com.example.Main(Main.java:0)'
        """
        if not self.kinds:
            return skeleton
        match = _quick(self.kinds).match(skeleton)
        if match:
            return skeleton[match.end() :]
        end = _walk(self.kinds, columns(skeleton, len(self.kinds) + 2 * _LOOSE + 1))
        return skeleton[end:] if end < len(skeleton) else ""


@lru_cache(4096)
def _quick(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """A whole header in one expression: what most lines of a source match."""
    rules = {**_RULES, "epoch": _RULES["number"], "any": _RULES["word"]}
    parts = (f"(?:{rules[kind]})(?=[\\s|]|$)(?:\\s*\\|\\s*|\\s+|$)" for kind in kinds)
    return re.compile("\\s*" + "".join(parts))


def columns(skeleton: str, most: int = COLUMNS) -> list[Column]:
    """The columns at the start of a skeleton, at most `most`."""
    out: list[Column] = []
    at = len(skeleton) - len(skeleton.lstrip())
    while len(out) < most and (match := _COLUMN.match(skeleton, at)):
        gap = _GAP.match(skeleton, match.end())
        out.append(Column(str(match.lastgroup), at, match.end(), gap.group() if gap else ""))
        if not gap:
            break
        at = gap.end()
    return out


def _walk(kinds: tuple[str, ...], found: list[Column]) -> int:
    """Where the message begins: each anchor of the layout is looked for a few words beyond its place."""
    end = at = between = 0
    started = False
    for kind in kinds:
        if kind not in _ANCHORS:
            between += 1
            continue
        place = _place(kind, found, at, between)
        if place < 0 and kind in ("time", "epoch") and not started:
            return 0
        if place >= 0:
            at, between, started = place + 1, 0, True
            end = found[place].end + len(found[place].gap)
    while between and at < len(found) and found[at].kind in ("word", "number"):
        end = found[at].end + len(found[at].gap)
        at, between = at + 1, between - 1
    return end


def _place(kind: str, found: list[Column], at: int, between: int) -> int:
    """The column of an anchor: at its usual place, else at most two words beyond or before; -1 if not there."""
    wanted = "number" if kind == "epoch" else kind
    if at + between < len(found) and found[at + between].kind == wanted:
        return at + between
    for k in range(at, min(len(found), at + between + _LOOSE + 1)):
        if found[k].kind == wanted:
            return k
        if k - at >= between and found[k].kind in _ANCHORS:
            break
    return -1


def learn(lines: list[tuple[str, str]]) -> Layout:
    """The layout that nearly all of the lines share.

    Args:
        lines: pairs of line and skeleton; some twenty are enough, more make it surer. O(lines).
    """
    timed = [pair for pair in lines if any(c.kind == "time" for c in columns(pair[1], WORDS))]
    if len(timed) >= TIMED * len(lines):
        lines = timed  # the others go on with what the line before began: stack traces, dumps
    found = [columns(skeleton) for _, skeleton in lines]
    if not lines or not all(found):
        return Layout()
    kinds = _shared(found, lines)
    layout = Layout(_header(kinds, found))
    while layout.kinds and _too_far(layout, lines):
        layout = Layout(_shorter(layout.kinds))
    return layout


def _shared(found: list[list[Column]], lines: list[tuple[str, str]]) -> list[str]:
    """The kind that nearly all lines have at each column; `any` where they differ."""
    out: list[str] = []
    for k in range(COLUMNS):
        seen = Counter(c[k].kind for c in found if k < len(c))
        if sum(seen.values()) < MOST * len(found):
            break
        kind, count = seen.most_common(1)[0]
        if kind == "number" and _is_epoch(k, lines):
            kind = "epoch"
        out.append(kind if count >= MOST * len(found) else "any")
    return out


def _is_epoch(column: int, lines: list[tuple[str, str]]) -> bool:
    hits = 0
    for line, skeleton in lines:
        there = columns(skeleton, column + 1)
        if len(there) > column:
            words = line.split()
            word = len(skeleton[: there[column].start].split())
            hits += word < len(words) and _EPOCH.fullmatch(words[word]) is not None
    return hits >= MOST * len(lines)


def _header(kinds: list[str], found: list[list[Column]]) -> tuple[str, ...]:
    end = between = 0
    strong = False
    for k, kind in enumerate(kinds):
        if kind in _ANCHORS and between <= WORDS:
            strong = strong or kind in ("time", "epoch", "level")
            end, between = (k + 1, 0) if strong or kind == "dash" else (end, between + 1)
            if kind == "component" and strong:
                end, between = k + 1, WORDS
                if k + 1 < len(kinds) and kinds[k + 1] == "dash":
                    end = k + 2
                break
        else:
            between += 1
    if not strong:
        return ()
    while end < len(kinds) and (kinds[end] == "number" or (kinds[end] in ("word", "any") and _is_table(end, found))):
        end += 1
    return tuple(kinds[:end])


def _is_table(column: int, found: list[list[Column]]) -> bool:
    return sum(len(c) > column + 1 and _TABLE.fullmatch(c[column].gap) is not None for c in found) >= MOST * len(found)


def _shorter(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Without the last anchor and the words before it."""
    end = len(kinds) - 1
    while end > 0 and kinds[end - 1] not in _ANCHORS:
        end -= 1
    return kinds[:end]


def _too_far(layout: Layout, lines: list[tuple[str, str]]) -> bool:
    wordless = sum(not any(c.isalpha() for c in layout.message(skeleton)) for _, skeleton in lines)
    return wordless > FEW_LETTERS * len(lines)
