"""The header of a source's lines: learnt from a few hundred, then cut off skeleton by skeleton.

A line is read from the left as columns: times, numbers, levels, `[brackets]`, `component:`, dashes and
words. A column that is nearly always a time, a level, a bracket, a component or a dash is an anchor;
everything up to the last anchor is header, words between anchors included. What is written as a table
(`a|b|c`, two spaces or tabs between columns) has a header up to the last separator that nearly all lines
have.
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
    "component": r"[^\s|\[\]=]*[A-Za-z][^\s|\[\]=]*(?:\[[^\s\]]*\](?:\ \([^\s)]*\))?)?:"
    r"|[A-Za-z][\w./\-]*\ 0(?:\.0)+:",
    "word": r"[^\s|]+",
}
_COLUMN = re.compile("|".join(rf"(?P<{kind}>(?:{rule})(?=[\s|]|$))" for kind, rule in _RULES.items()))
_SPACES = re.compile(r"\s+")
_GAP = re.compile(r"\s*\|\s*|\s+")
_TABLE = re.compile(r"\s*\|\s*|\s*\t\s*|\ {2,}")
_EPOCH = re.compile(r"1\d{9}(?:\.\d+)?|1\d{12}|1\d{15}|1\d{18}")
_ANCHORS = frozenset({"time", "epoch", "level", "dash", "bracket", "component"})
_STRONG = frozenset({"time", "epoch", "level"})
_LOOSE = 2  # words that a single line may have more than usual before an anchor, as in `Some Program[0]:`

MOST = 0.9  # of the lines; what fewer have is no part of the layout
COLUMNS, WORDS = 16, 4  # looked at; between two anchors
TIMED = 0.3  # of the lines begin with a time: then it is these that have the header
# Skeletons come again and again: what was read of the newest short ones is remembered, some 10 MB at most.
REMEMBERED, LONGEST = 4096, 400  # skeletons; characters of each
FEW_LETTERS = 0.5  # of the messages without a word: then the header was cut too far


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one line: kind, place in the skeleton, the gap behind it, how many words end there."""

    kind: str
    start: int
    end: int
    gap: str
    words: int


Columns = tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a source begin: the kinds of the header's columns, left to right; none is a valid
    layout.

    Attributes:
        kinds: one of `time epoch level number dash bracket component word any` a column.
    """

    kinds: tuple[str, ...] = ()

    def fits(self, skeleton: str) -> bool:
        """Whether a line begins exactly like this."""
        return _quick(self.kinds).match(skeleton) is not None

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


def columns(skeleton: str, most: int = COLUMNS) -> tuple[Column, ...]:
    """The columns at the start of a skeleton, at most `most`."""
    return _columns(skeleton, most) if len(skeleton) <= LONGEST else _columns.__wrapped__(skeleton, most)


@lru_cache(REMEMBERED)
def _columns(skeleton: str, most: int) -> tuple[Column, ...]:
    out: list[Column] = []
    at = len(skeleton) - len(skeleton.lstrip())
    while len(out) < most and (match := _COLUMN.match(skeleton, at)):
        gap = _GAP.match(skeleton, match.end())
        behind = gap.group() if gap else ""
        words = len(_SPACES.findall(match.group() + behind))
        out.append(Column(str(match.lastgroup), at, match.end(), behind, words))
        if not gap:
            break
        at = gap.end()
    return tuple(out)


def _walk(kinds: tuple[str, ...], found: Columns) -> int:
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


def _place(kind: str, found: Columns, at: int, between: int) -> int:
    """The column of an anchor: at its usual place, else a few words beside it; -1 if not there."""
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
    epochs = [_epoch_columns(line, there) for (line, _), there in zip(lines, found, strict=True)]
    layout = Layout(_Reading(found, epochs).header())
    while layout.kinds and _too_far(layout, lines):
        layout = Layout(_shorter(layout.kinds))
    return layout


def _epoch_columns(line: str, found: Columns) -> set[int]:
    """Which columns count seconds (or less) since 1970; the line tells, the skeleton does not."""
    words = line.split()
    at, out = 0, set()
    for k, column in enumerate(found):
        if column.kind == "number" and at < len(words) and _EPOCH.fullmatch(words[at]):
            out.add(k)
        at += column.words
    return out


class _Reading:
    """All lines read side by side, from anchor to anchor."""

    def __init__(self, found: list[Columns], epochs: list[set[int]]) -> None:
        self._kinds = [
            ["epoch" if k in own else column.kind for k, column in enumerate(there)]
            for there, own in zip(found, epochs, strict=True)
        ]
        self._found = found
        self._at = [0] * len(found)

    def header(self) -> tuple[str, ...]:
        """The kinds of the header's columns."""
        out: list[str] = []
        strong, last = False, ""
        while last != "component" and len(out) < COLUMNS and (step := self._next(strong)):
            kind, between = step
            out += [*self._between(between), kind]
            strong, last = strong or kind in _STRONG, kind
            self._go_to(kind)
        if not strong:
            return ()
        if last == "component" and self._share(0, "dash") >= MOST:
            out.append("dash")
            self._go_to("dash")
        while len(out) < COLUMNS and (self._share(0, "number") >= MOST or self._is_table()):
            out += self._between(1)
            self._at = [at + 1 for at in self._at]
        return tuple(out)

    def _next(self, strong: bool) -> tuple[str, int] | None:
        """The nearest anchor that nearly all lines have, and how many columns before it most of them have."""
        best: tuple[str, int] | None = None
        for kind in sorted(_ANCHORS):
            if not strong and kind not in _STRONG:
                continue
            reach = WORDS if kind in _STRONG else _LOOSE + 1
            places = [
                place
                for kinds, at in zip(self._kinds, self._at, strict=True)
                if (place := _first(kinds, kind, at, reach)) >= 0
            ]
            if len(places) >= MOST * len(self._kinds):
                between = Counter(places).most_common(1)[0][0]
                if best is None or between < best[1]:
                    best = (kind, between)
        return best

    def _between(self, columns: int) -> list[str]:
        out = []
        for k in range(columns):
            seen = Counter(self._at_place(k))
            kind, count = seen.most_common(1)[0] if seen else ("any", 0)
            out.append(kind if count >= MOST * len(self._kinds) and kind not in _ANCHORS else "any")
        return out

    def _go_to(self, kind: str) -> None:
        for k, kinds in enumerate(self._kinds):
            self._at[k] += max(_first(kinds, kind, self._at[k], WORDS), -1) + 1

    def _share(self, place: int, kind: str) -> float:
        return self._at_place(place).count(kind) / len(self._kinds)

    def _at_place(self, place: int) -> list[str]:
        pairs = zip(self._kinds, self._at, strict=True)
        return [kinds[at + place] for kinds, at in pairs if at + place < len(kinds)]

    def _is_table(self) -> bool:
        """Whether the next column is a word with the gap of a table behind it, on nearly all lines."""
        tables = (
            at + 1 < len(there) and there[at].kind == "word" and _TABLE.fullmatch(there[at].gap) is not None
            for there, at in zip(self._found, self._at, strict=True)
        )
        return sum(tables) >= MOST * len(self._found)


def _first(kinds: list[str], kind: str, at: int, reach: int) -> int:
    """How many columns from `at` on the first of a kind is; -1 if not within reach."""
    for k in range(min(reach + 1, len(kinds) - at)):
        if kinds[at + k] == kind:
            return k
    return -1


def _shorter(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Without the last anchor and the words before it."""
    end = len(kinds) - 1
    while end > 0 and kinds[end - 1] not in _ANCHORS:
        end -= 1
    return kinds[:end]


def _too_far(layout: Layout, lines: list[tuple[str, str]]) -> bool:
    wordless = sum(not any(c.isalpha() for c in layout.message(skeleton)) for _, skeleton in lines)
    return wordless > FEW_LETTERS * len(lines)
