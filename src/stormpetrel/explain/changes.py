"""Which change did it: by when it took effect, what it touched, and the words that it shares with the
symptoms.

Most changes near an outage have nothing to do with it, so "none of them" is an answer: a change has to be
suspicious by itself, not only more so than others. What cannot alter a running service (documents, tests,
build
files) is not suspected. Words are weighed by how few of the changes use them (inverse document frequency,
Spärck Jones 1972), since every change of a shop speaks of carts.

Works on commits, deploys, flags, configuration, certificates, scaling and jobs alike. Fails where the
change is not among those known. Cost: O(words).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stormpetrel.explain.outside import RESOLVER
from stormpetrel.explain.situation import KnownChange, Situation
from stormpetrel.model.cause import ChangeSuspicion, EvidenceItem
from stormpetrel.model.time import to_seconds

_WORD = re.compile(r"[a-z]{4,}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_INERT = re.compile(
    r"(^|/)(docs?|tests?|testdata|examples?|\.github|\.gitlab|ci)/|\.(md|rst|txt|adoc)$|_test\.\w+$|^test_|\.test\.\w+$"
    r"|(^|/)(CODEOWNERS|LICENSE|README|CHANGELOG)|\.github|\.gitignore$|\.editorconfig$",
    re.IGNORECASE,
)
_RESOLVING = re.compile(r"dns|resolv|nameserver")
# Too general to accuse anybody.
_COMMON = frozenset(
    [
        "service",
        "services",
        "error",
        "errors",
        "request",
        "requests",
        "response",
        "time",
        "timeout",
        "with",
        "from",
        "this",
        "that",
        "have",
        "been",
        "http",
        "https",
        "server",
        "client",
        "func",
        "return",
        "value",
        "config",
        "default",
        "update",
        "main",
        "code",
        "code",
        "path",
        "type",
        "string",
        "name",
        "user",
        "null",
        "true",
        "false",
        "above",
        "below",
        "duration",
        "rate",
        "count",
        "total",
        "seconds",
        "after",
        "before",
        "into",
        "over",
        "than",
        "when",
        "more",
        "only",
        "other",
    ]
)


@dataclass(frozen=True, slots=True)
class ChangeWeights:
    """What speaks for and against a change.

    Attributes:
        rolled_out: it is known to have taken effect.
        recent: it took effect just before the onset; both fade within `fades_seconds`: what has run well for
            an hour is suspected no more than what never ran.
        late: it took effect after the onset.
        near: it changed what is most suspected otherwise, or a caller of it.
        words: words shared with the symptoms, at most.
        inert: it cannot alter a running service.
        elsewhere: what fails is not ours, and the change does not speak of it.
        none: score below which no change is held to be the cause.
    """

    rolled_out: float = 1.0
    recent: float = 1.2
    fades_seconds: float = 2400.0
    late: float = -2.0
    near: float = 1.5
    words: float = 2.0
    inert: float = -3.0
    elsewhere: float = -2.5
    none: float = 2.5


DEFAULT = ChangeWeights()
_LATE_SECONDS = 60.0


def suspect_changes(
    situation: Situation,
    since_unix_nano: int,
    scores: Mapping[str, float],
    symptoms: Sequence[str],
    weights: ChangeWeights = DEFAULT,
    foreign: Sequence[str] = (),
) -> list[ChangeSuspicion]:
    """All changes, the most suspicious first.

    Args:
        situation: its changes and calls.
        since_unix_nano: the onset.
        scores: of each entity, from all other evidence.
        symptoms: texts that describe the trouble: patterns, names of metrics, the alert.
        weights: what speaks for and against a change.
        foreign: what fails and is not ours, from `explain.outside`.
    """
    bags = {change.change_id: words_of(change.text) for change in situation.changes}
    used = Counter(word for bag in bags.values() for word in bag)
    told = set().union(*map(words_of, symptoms)) if symptoms else set()
    most = max(scores.values(), default=0.0)
    found = []
    for change in situation.changes:
        items = [
            *_timing(change, since_unix_nano, weights),
            *_place(change, situation, scores, most, weights),
            *_words(bags[change.change_id] & told, used, len(bags), change, weights),
        ]
        if foreign and not _speaks_of(change.text.lower(), foreign):
            told_of = ", ".join(foreign[:3])
            items.append(_item(change, f"what fails is not ours: {told_of}", weights.elsewhere))
        if inert(change):
            items.append(_item(change, "it touches nothing that runs", weights.inert))
        found.append(
            ChangeSuspicion(change.change_id, math.fsum(item.weight for item in items), tuple(items))
        )
    return sorted(found, key=lambda one: (-one.score, one.change_id))


def _speaks_of(text: str, foreign: Sequence[str]) -> bool:
    """Whether a change speaks of what fails outside; where names are not resolved, only of resolving."""
    return bool(_RESOLVING.search(text)) if RESOLVER in foreign else any(one in text for one in foreign)


def inert(change: KnownChange) -> bool:
    """Whether everything a change touches is documents, tests or build files; False where that is unknown."""
    return bool(change.files) and all(_INERT.search(path) for path in change.files)


def words_of(text: str) -> set[str]:
    """The words of a text that may accuse: names in camel case and with underscores are taken apart.

    >>> sorted(words_of("fix(cache): DefaultTTL of cache_entries"))
    ['cache', 'entries']
    """
    return {word for word in _WORD.findall(_CAMEL.sub(" ", text).lower()) if word not in _COMMON}


def _timing(change: KnownChange, since: int, weights: ChangeWeights) -> list[EvidenceItem]:
    items = []
    before = to_seconds(since - change.time_unix_nano)
    fresh = math.exp(-max(before, 0.0) / weights.fades_seconds)
    if change.kind != "commit":
        items.append(_item(change, f"it was rolled out ({change.kind})", weights.rolled_out * fresh))
    if before < -_LATE_SECONDS:
        items.append(_item(change, f"it came {-before / 60:.0f} min after the trouble began", weights.late))
    else:
        minutes = round(max(before, 0.0) / 60)
        early = f"{minutes} min" if minutes else "less than a minute"
        items.append(_item(change, f"it came {early} before the trouble began", weights.recent * fresh))
    return items


def _place(
    change: KnownChange,
    situation: Situation,
    scores: Mapping[str, float],
    most: float,
    weights: ChangeWeights,
) -> list[EvidenceItem]:
    if not change.entity or most <= 0.0:
        return []
    own = scores.get(change.entity, 0.0) / most
    called = [scores.get(b, 0.0) / most for a, b in situation.calls if a == change.entity]
    near = max(own, 0.7 * max(called, default=0.0))
    if near <= 0.0:
        return []
    return [_item(change, f"it changed {change.entity}, which is in the trouble", weights.near * near)]


def _words(
    shared: set[str], used: Counter[str], changes: int, change: KnownChange, weights: ChangeWeights
) -> list[EvidenceItem]:
    if not shared:
        return []
    told = sum(math.log((1.0 + changes) / used[word]) for word in sorted(shared))
    size = weights.words * told / (told + 4.0)
    named = sorted(shared, key=lambda word: (used[word], word))[:5]
    return [_item(change, f"it speaks of what is in trouble: {', '.join(named)}", size)]


def _item(change: KnownChange, text: str, weight: float) -> EvidenceItem:
    return EvidenceItem("change", change.entity, text, weight, "change", change.change_id)
