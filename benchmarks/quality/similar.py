"""Whether earlier incidents of the same kind come first: faults of the simulated estate, over other seeds.

    python benchmarks/quality/similar.py [--seeds 4] [--elsewhere] [--cache FILE]

Every fault is lived through by the whole pipeline once a seed, each time with another strength and at
another time of day; with `--elsewhere` it strikes another host each time, where it can. Each incident is
compared with all others: prints how often the most alike one is of the same fault, for fingerprints with and
without what was told of their cause, beside plain overlap of entities; and the scores of pairs of the same
and of other faults.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.quality._estate import deployed, situation_of
from tests.app.estate import START
from tests.app.troubles import CALM_SECONDS, live

from stormpetrel.explain.fingerprint import fingerprint_of, with_told
from stormpetrel.explain.rank import diagnose
from stormpetrel.explain.similar import FLOOR, SimilarIndex
from stormpetrel.model.similar import TOLD_FAMILIES, FeatureFamily, Fingerprint
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.simulate.faults import FAULTS

HOSTS = ("web-1", "web-2", "app-1", "app-2", "app-3")
# These strike one host, whichever it is.
MOVABLE = ("cpu-hog", "memory-leak", "disk-filling")
Kinds = list[tuple[str, Fingerprint]]


def lived(name: str, seed: int, elsewhere: bool) -> Fingerprint | None:
    """The fingerprint of one incident; None when the fault was not noticed."""
    start = START + from_seconds(5400.0 * (seed % 6))
    struck = start + from_seconds(CALM_SECONDS)
    noise = np.random.default_rng([seed, sorted(FAULTS).index(name)])
    host = HOSTS[seed % len(HOSTS)] if elsewhere and name in MOVABLE else ""
    fault = FAULTS[name](struck, 600.0, float(noise.uniform(0.7, 1.6)), host)
    seen = live(1000 + seed, fault, start)
    if seen.incident is None:
        return None
    begun = seen.incident.start_unix_nano
    window = Window(max(start, begun - from_seconds(3600)), struck + from_seconds(600))
    changes = (deployed(struck),) if name == "deploy-bug" else ()
    told = diagnose(situation_of(seen.pipeline, seen.batches, window, begun, changes))
    own = fingerprint_of(replace(seen.incident, incident_id=f"{name}-{seed}"), seen.roles)
    return with_told(own, told)


def first_of(every: Kinds, score: Callable[[Fingerprint, Fingerprint], float]) -> tuple[int, Counter[str]]:
    """How many have one of their own kind first, and what the others were taken for."""
    wrong: Counter[str] = Counter()
    for name, one in every:
        others = [(score(one, other), kind) for kind, other in every if other is not one]
        best, kind = max(others, key=lambda found: found[0])
        if kind != name or best <= 0.0:
            wrong[f"{name} taken for {kind if best > 0.0 else 'nothing'}"] += 1
    return len(every) - wrong.total(), wrong


def entities_alone(one: Fingerprint, other: Fingerprint) -> float:
    """The plain baseline: how much the sets of entities overlap."""
    sets = [{f for f in each.features if f.family is FeatureFamily.ENTITY} for each in (one, other)]
    return len(sets[0] & sets[1]) / max(len(sets[0] | sets[1]), 1)


def untold(every: Kinds) -> Kinds:
    """The same as if nobody had asked for causes."""
    return [
        (
            name,
            replace(
                one,
                features=tuple(f for f in one.features if f.family not in TOLD_FAMILIES),
                diagnosed=False,
            ),
        )
        for name, one in every
    ]


def show(title: str, every: Kinds) -> None:
    """One line, and what was wrong."""
    index = SimilarIndex()
    for _, one in every:
        index.put(one)

    def score(one: Fingerprint, other: Fingerprint) -> float:
        return index.compare(one, other).score

    right, wrong = first_of(every, score)
    print(f"{title:<34} first of the same kind {right}/{len(every)} ({100 * right / len(every):.0f} %)")
    for words, count in wrong.most_common(12):
        print(f"    {count} {words}")
    pairs = [(a == b, score(x, y)) for n, (a, x) in enumerate(every) for b, y in every[n + 1 :]]
    for same in (True, False):
        found = np.array([value for kind, value in pairs if kind is same])
        quantiles = " ".join(f"{value:.2f}" for value in np.quantile(found, (0.05, 0.25, 0.5, 0.75, 0.95)))
        above = float((found >= FLOOR).mean())
        print(f"    {'same' if same else 'other'} kind, 5 to 95 %: {quantiles}; above the floor {above:.0%}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--elsewhere", action="store_true", help="strike another host each time")
    parser.add_argument("--cache", type=Path, help="keep what was lived through in this file")
    given = parser.parse_args(argv)
    every: Kinds = []
    if given.cache is not None and given.cache.exists():
        every = pickle.loads(given.cache.read_bytes())
    else:
        for name in FAULTS:
            found = [lived(name, seed, given.elsewhere) for seed in range(given.seeds)]
            every += [(name, one) for one in found if one is not None]
            print(f"{name:<18} noticed {sum(one is not None for one in found)}/{given.seeds}", flush=True)
        if given.cache is not None:
            given.cache.write_bytes(pickle.dumps(every))
    right, _ = first_of(every, entities_alone)
    print(f"{'overlap of entities alone':<34} first of the same kind {right}/{len(every)}")
    show("fingerprints, causes not asked for", untold(every))
    show("fingerprints, causes told", every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
