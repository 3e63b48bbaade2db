"""What `rare_value` knows of patterns: the values of each variable, and how often a new one comes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Values of a variable; one that takes more is no small set, and nothing is kept of it.
MOST_VALUES = 16
# Characters of a value that are kept and compared; names of variables of a pattern.
MOST_TEXT, MOST_NAMES = 80, 24
# Of a window's records of one pattern these are looked at: the first ones, and of the rest each so many-th.
FIRST_RECORDS, EVERY = 64, 16
# A pattern that had no values in so many looks has none.
_NO_VALUES = 64
_LAST_E_FOLD = 1.0 - math.exp(
    -1.0
)  # of a variable's life: the part that its rate of new values is taken from


@dataclass(slots=True)
class KnownValue:
    """A value: in which window of its variable it came first and last, by number, and in how many."""

    born: int
    newest: int
    windows: int = 1


class ValueModel:
    """The values that a variable has taken, and the chance that a window brings one never seen.

    A window is a stretch of time in which the variable was looked at, however often: a value that comes in a
    burst counts once. Were windows exchangeable, the chance that the next one holds a value that none of
    the n before held would be at most (lone + 1) / (n + 1), where `lone` values were seen in one window
    only: the Good-Turing estimate as a conformal p-value, valid for any n. Values also come in fashions that
    last many windows; so those born in the last part of its life (the windows since n / e) count as well,
    and the p-value is the greater of the two.

    Works for variables whose values come and go in any order. Fails, towards false alarms, on what comes
    rarer than the variable is known for: once a week, seen for three days.

    Cost: O(1) to learn, O(MOST_VALUES) for a p-value. At most some 4 KB.

    Reference: Good, *The population frequencies of species* (Biometrika 1953); Vovk, Gammerman and Shafer,
    *Algorithmic Learning in a Random World*, 2nd ed. 2022, chapter 2.

    Attributes:
        begun_unix_nano: first looked at.
        looks: values looked at.
        window, windows: the newest window, and how many there were.
    """

    __slots__ = ("begun_unix_nano", "looks", "values", "window", "windows")

    def __init__(self, begun_unix_nano: int) -> None:
        self.begun_unix_nano = begun_unix_nano
        self.looks = self.windows = 0
        self.window = -1
        self.values: dict[str, KnownValue] = {}

    def knows(self, value: str, window: int) -> bool:
        """Look at a value in a window; False when it was never seen: then judge, and `add` it."""
        self.looks += 1
        if window > self.window:  # a late record belongs to the newest
            self.window = window
            self.windows += 1
        known = self.values.get(value)
        if known is None:
            return False
        if known.newest < self.windows:
            known.newest = self.windows
            known.windows += 1
        return True

    def add(self, value: str) -> bool:
        """Take a value never seen; False when there are too many now."""
        self.values[value] = KnownValue(self.windows, self.windows)
        return len(self.values) <= MOST_VALUES

    def newcomers(self) -> int:
        """Values seen in one window only, or those born in the last part of its life if they are more."""
        late = (self.windows - 1) / math.e
        lone = sum(1 for one in self.values.values() if one.windows == 1)
        return max(lone, sum(1 for one in self.values.values() if one.born > late))

    def p_value(self) -> float:
        """P(a window holds a value that none before it held), in (0, 1]; the newest window is not counted."""
        before = self.windows - 1
        return min(1.0, (self.newcomers() + 1.0) / (_LAST_E_FOLD * before + 1.0))

    def absorb(self, other: ValueModel) -> bool:
        """Take over what another knew of the same variable; False when there are too many values now."""
        self.begun_unix_nano = min(self.begun_unix_nano, other.begun_unix_nano)
        self.looks += other.looks
        self.window, self.windows = max(self.window, other.window), max(self.windows, other.windows)
        for value, one in other.values.items():
            mine = self.values.setdefault(value, one)
            mine.born, mine.newest = min(mine.born, one.born), max(mine.newest, one.newest)
            mine.windows = max(mine.windows, one.windows)
        return len(self.values) <= MOST_VALUES


@dataclass(slots=True)
class FollowedPattern:
    """A pattern whose variables are followed; None stands for one that invents, or has no room.

    Attributes:
        since_unix_nano: when it began, or variables that invented were given another try.
        heard_unix_nano: when a record of it came last.
        window, records: the newest window, and its records so far, looked at or not.
        looks: lines looked at since then.
    """

    source: str
    since_unix_nano: int
    heard_unix_nano: int = 0
    variables: dict[str, ValueModel | None] = field(default_factory=dict)
    window: int = -1
    records: int = 0
    looks: int = 0

    def worth_looking(self, now_unix_nano: int, again_nanos: int) -> bool:
        """Whether any variable may be told; what invented gets another try after `again_nanos`."""
        if now_unix_nano - self.since_unix_nano > again_nanos:
            self.variables = {name: one for name, one in self.variables.items() if one is not None}
            self.since_unix_nano, self.looks = now_unix_nano, 0
        return self.looks < _NO_VALUES or any(one is not None for one in self.variables.values())

    def chosen(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: which of its next records are looked at, by their windows, in order of arrival.

        However the records are cut into batches, the same ones are chosen.
        """
        reached = np.maximum.accumulate(np.maximum(windows, self.window))
        begins = np.flatnonzero(np.diff(reached, prepend=self.window))
        first = np.zeros(len(windows), np.int64)
        first[begins] = begins
        number = np.arange(len(windows)) - np.maximum.accumulate(first)
        number[: begins[0] if len(begins) else len(windows)] += self.records
        self.window, self.records = int(reached[-1]), int(number[-1]) + 1
        mask: NDArray[np.bool_] = (number < FIRST_RECORDS) | (number % EVERY == 0)
        return mask

    def held(self) -> int:
        """Variables that are followed."""
        return sum(1 for one in self.variables.values() if one is not None)

    def speaking(self) -> FollowedPattern:
        """Itself with only those variables whose names come from words: those by number mean something else
        once the pattern grew more general."""
        self.variables = {name: one for name, one in self.variables.items() if not numbered(name)}
        return self

    def absorb(self, other: FollowedPattern) -> None:
        """Take over what was known of the same variables under another id."""
        for name, one in other.variables.items():
            mine = self.variables.get(name)
            if mine is None or one is None:
                self.variables[name] = one if name not in self.variables else None
            elif not mine.absorb(one):
                self.variables[name] = None


def numbered(name: str) -> bool:
    """Whether a variable is named by its place in the line.

    >>> numbered("v3"), numbered("user 2"), numbered("user"), numbered("vlan")
    (True, True, False, False)
    """
    return (name[:1] == "v" and name[1:].isdigit()) or name.rpartition(" ")[2].isdigit()


def named_once(values: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Names and values, cut; a name that comes again gets a number.

    >>> list(named_once([("a", "x"), ("a", "y")]))
    [('a', 'x'), ('a 2', 'y')]
    """
    taken: dict[str, int] = {}
    for name, value in values:
        taken[name] = times = taken.get(name, 0) + 1
        yield (name if times == 1 else f"{name} {times}")[:MOST_TEXT], value[:MOST_TEXT]
