"""Evidence from logs: patterns that are new, surge or vanish, compared within the service that writes
them."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from stormpetrel.explain.counts import Departures, departures, size_of
from stormpetrel.explain.onset import Split
from stormpetrel.explain.situation import Sightings, Situation
from stormpetrel.explain.weights import Weights
from stormpetrel.model.cause import EvidenceItem

MOST_PATTERNS = 4  # of one entity that count
_FAILING = re.compile(
    r"error|exception|fail|panic|refus|timeout|timed out|fatal|denied|abort|unavailable", re.I
)
_CUT = 160
_USUALLY_SHARED = 4.0  # entities, of the evidence from logs


def tells_of_failure(text: str) -> bool:
    """Whether the words of a pattern tell of something that went wrong.

    >>> tells_of_failure("statement timeout: query exceeded"), tells_of_failure("GET / 200")
    (True, False)
    """
    return _FAILING.search(text) is not None


def log_evidence(situation: Situation, split: Split, weights: Weights) -> list[EvidenceItem]:
    """The patterns of each entity that depart most; O(rows)."""
    seen = situation.patterns
    if seen is None or not len(seen):
        return []
    found = departures(seen, split.since_unix_nano)
    named = _Named(seen)
    ranked: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for k in np.flatnonzero(np.abs(found.score) >= weights.log_least).tolist():
        if found.fresh[k] and found.seen[k] < 2.0:
            continue
        place, thing = int(found.place[k]), int(found.thing[k])
        failing = bool(seen.failing[thing]) and found.score[k] > 0.0
        worth = size_of(float(found.score[k])) * (weights.log_missing if found.score[k] < 0.0 else 1.0)
        worth *= (1.0 + weights.log_failing * failing) * (1.0 + weights.log_fresh * bool(found.fresh[k]))
        blamed = named.blamed(seen.things[thing], place) if failing else seen.places[place]
        ranked[blamed].append((worth, k, seen.places[place]))
    best = {
        entity: [
            (worth * weights.log_next**rank, k, writer)
            for rank, (worth, k, writer) in enumerate(sorted(ranked[entity], key=_first)[:MOST_PATTERNS])
        ]
        for entity in sorted(ranked)
        if entity not in situation.front_door
    }
    scale = weights.log * _singled_out([math.fsum(one[0] for one in rows) for rows in best.values()], weights)
    return [
        EvidenceItem(
            "log" if found.score[k] > 0.0 else "missing log",
            entity,
            _sentence(seen, found, k, writer),
            scale * worth,
            "log",
            seen.things[found.thing[k]],
        )
        for entity, rows in best.items()
        for worth, k, writer in rows
    ]


def _first(one: tuple[float, int, str]) -> tuple[float, int]:
    """The worth of a departing pattern, largest first; ties by place."""
    return -one[0], one[1]


def _singled_out(worths: Sequence[float], weights: Weights) -> float:
    """How much logs count: what many entities tell singles out none of them.

    By the effective number of those that share the evidence, which is the exponential of its entropy (Hill,
    "Diversity and Evenness", Ecology 1973); `_USUALLY_SHARED` of them count as they are.
    """
    shares = np.array([worth for worth in worths if worth > 0.0])
    if not len(shares):
        return 1.0
    shares /= shares.sum()
    effective = float(np.exp(-(shares * np.log(shares)).sum()))
    return float((_USUALLY_SHARED / effective) ** weights.log_shared)


class _Named:
    """Who a line that tells of a failure accuses: the other entity that it names, or its writer."""

    def __init__(self, seen: Sightings) -> None:
        names = {place.partition(":")[2] or place: place for place in seen.places}
        known = sorted((name for name in names if len(name) > 3), key=len, reverse=True)
        self._names, self._places = names, seen.places
        words = "|".join(re.escape(name) for name in known[:2000])
        self._any = re.compile(rf"(?<![\w-])({words})(?![\w-])") if words else None

    def blamed(self, text: str, writer: int) -> str:
        """The entity that a failing line of `writer` is held against."""
        own = self._places[writer]
        for match in self._any.finditer(text) if self._any else ():
            if self._names[match.group(1)] != own:
                return self._names[match.group(1)]
        return own


def _sentence(seen: Sightings, found: Departures, k: int, writer: str) -> str:
    text = seen.things[int(found.thing[k])][:_CUT]
    if found.fresh[k]:
        return f"{writer} logs what it never did before, {found.seen[k]:.0f} times: {text}"
    way = "more" if found.score[k] > 0.0 else "less"
    counts = f"{found.seen[k]:.0f}, not {found.usual[k]:.0f}"
    return f"{writer} logs {way} often than its traffic explains ({counts}): {text}"
