"""How well causes are ranked, beside plain rankers, without each kind of evidence, and on systems left out.

    python benchmarks/quality/causes.py INCIDENTS [--ablation] [--held-out] [--folds] [--fit]

INCIDENTS is a folder as `petrel evaluate rca` takes it. Prints, for each data set, AC@1, AC@3 and Avg@5 of
the labelled service. `--ablation` leaves out each kind of evidence. `--held-out` chooses the weights on all
systems but one and scores them on that one, for each system in turn; `--folds` does so with a fifth of the
cases of every system. `--fit` chooses them on all cases and prints them. All three together take as long as
one: a quarter of an hour of a processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import multiprocessing
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.quality._plain_causes import PLAIN

from stormpetrel.evaluate import rca
from stormpetrel.evaluate.rca_cases import find, situation_of
from stormpetrel.explain.rank import diagnose
from stormpetrel.explain.situation import Situation
from stormpetrel.explain.weights import DEFAULT, Weights
from stormpetrel.model.cause import Diagnosis

# What is put up for choice, weight by weight; everything else stays as shipped.
GRID: dict[str, tuple[float, ...]] = {
    "second_kind": (0.2, 0.35, 0.6),
    "explained": (0.0, 0.3, 0.6),
    "explained_calls": (0.0, 0.3, 0.6, 0.9),
    "explained_counts": (0.0, 0.3, 0.6),
    "unreachable": (0.0, 0.5, 0.8),
    "passed_on": (0.0, 0.5, 0.8),
    "unlikely_direction": (0.15, 0.3, 0.6),
    "log": (0.0, 0.4, 0.8, 1.2),
    "log_failing": (0.0, 0.8, 1.6),
    "log_fresh": (0.0, 0.5, 1.5),
    "log_least": (2.0, 3.0, 4.0),
    "self_time": (0.0, 0.3, 0.6, 1.0),
    "between": (0.0, 3.0, 6.0, 9.0),
    "log_missing": (1.0, 2.0, 3.0),
    "log_shared": (0.0, 0.25, 0.5),
    "call_missing": (0.0, 0.3, 0.6, 1.0),
    "call_extra": (0.0, 0.3, 0.6),
    "call_least": (2.0, 3.0, 4.0),
}
LEAST_CASES = 3  # an estate with fewer gets no fit of its own
DRAWS, BEST, MOVED, SEED = 500, 25, 0.6, 7
FOLDS = 5
SOFTNESS = 0.15  # of the lead over the others, as a share: what differs by chance is nearly level
# Around what was thought right before anything was fitted.
BY_HAND = dataclasses.replace(
    DEFAULT,
    second_kind=0.35,
    explained=0.3,
    explained_calls=0.3,
    explained_counts=0.0,
    unreachable=0.8,
    passed_on=0.5,
    unlikely_direction=0.3,
    log=0.8,
    log_failing=0.8,
    log_fresh=0.5,
    log_least=3.0,
    self_time=0.6,
    between=3.0,
    log_missing=1.0,
    log_shared=0.0,
    call_missing=0.6,
    call_extra=0.0,
    call_least=3.0,
)
WITHOUT: dict[str, dict[str, float]] = {
    "explaining away": {"explained": 0.0, "explained_calls": 0.0, "explained_counts": 0.0},
    "reach": {"unreachable": 0.0},
    "roles": {"passed_on": 0.0},
    "logs": {"log": 0.0},
    "logs counting less that many share": {"log_shared": 0.0},
    "self time": {"self_time": 0.0},
    "time on the way": {"between": 0.0},
    "calls": {"call_missing": 0.0, "call_extra": 0.0},
}


@dataclass(frozen=True)
class Case:
    """A labelled incident."""

    dataset: str
    system: str
    label: dict[str, object]
    situation: Situation


def read(data: Path) -> list[Case]:
    """All labelled cases."""
    cases = []
    for case in find(data):
        label = rca._labels(case.path.parent).get(case.name)
        if label is not None and not label.get("short_baseline"):
            cases.append(Case(case.dataset, str(label.get("system")), label, situation_of(case)))
    return cases


def judged(cases: Sequence[Case], weights: Weights) -> list[rca.Judged]:
    """How each case comes out under these weights."""
    return [rca.judge(one.dataset, one.label, said_of(one.situation, weights)) for one in cases]


def said_of(situation: Situation, weights: Weights) -> dict[str, object]:
    """What is predicted under these weights."""
    return prediction(diagnose(situation, weights))


def prediction(told: Diagnosis) -> dict[str, object]:
    """A prediction, without its texts."""
    causes = [{"service": one.entity, "metric": one.metric or None} for one in told.causes]
    return {"causes": causes, "change": told.change_id or "none"}


def clear(told: Diagnosis, label: dict[str, object]) -> float:
    """How clearly the labelled service stands before the best of the others, from 0 to 1; .5 is level."""
    scores: dict[str, float] = {}
    for cause in told.causes:
        scores.setdefault(cause.entity, max(cause.score, 0.0))
    own = scores.pop(str(label["service"]), 0.0)
    other = max(scores.values(), default=0.0)
    return 1.0 / (1.0 + math.exp((other - own) / max(own + other, 1e-9) / SOFTNESS))


def worth_of(case: Case, weights: Weights) -> float:
    """What is maximised of one case: half that it is clear, half its share of AC@1 and Avg@5."""
    told = diagnose(case.situation, weights)
    found = rca.judge(case.dataset, case.label, prediction(told))
    ranks = 0.5 * (found.rank == 1) + 0.5 * sum(0 < found.rank <= k for k in range(1, 6)) / 5.0
    return 0.5 * clear(told, case.label) + 0.5 * ranks


@dataclass(frozen=True)
class Draws:
    """Weights drawn at random, and what each is worth on each case.

    Attributes:
        values: draw x weight of `GRID`.
        worths: draw x case.
    """

    values: np.ndarray
    worths: np.ndarray


def draws(cases: Sequence[Case]) -> Draws:
    """`DRAWS` of them, half of the weights as by hand; a second and a half each."""
    chance = random.Random(SEED)
    values = [
        [
            chance.choice(choices) if chance.random() < MOVED else getattr(BY_HAND, name)
            for name, choices in GRID.items()
        ]
        for _ in range(DRAWS)
    ]
    with multiprocessing.Pool(initializer=_KEPT.extend, initargs=(cases,)) as pool:
        worths = pool.map(_worths, map(weights_of, values), chunksize=4)
    return Draws(np.array(values), np.array(worths))


_KEPT: list[Case] = []  # in the processes that judge draws: sent once to each


def _worths(weights: Weights) -> list[float]:
    return [worth_of(one, weights) for one in _KEPT]


def weights_of(row: Sequence[float]) -> Weights:
    """What is not in `GRID` stays as shipped."""
    return dataclasses.replace(BY_HAND, **dict(zip(GRID, map(float, row), strict=True)))  # type: ignore[arg-type] # all of GRID are numbers


def fit(cases: Sequence[Case], drawn: Draws, known: np.ndarray) -> Weights:
    """The mean of the best draws, by their mean over estates, on the cases that are known.

    The best single one fits chance: with it systems left out fare worse.
    """
    number = {id(one): place for place, members in enumerate(estates(cases)) for one in members}
    estate = np.array([number[id(one)] for one in cases])
    by_estate = [
        drawn.worths[:, known & (estate == place)].mean(axis=1)
        for place in sorted(set(estate[known].tolist()))
    ]
    best = np.argsort(-np.mean(by_estate, axis=0), kind="stable")[:BEST]
    return weights_of(np.round(drawn.values[best].mean(axis=0), 2).tolist())


def show(title: str, found: Sequence[rca.Judged]) -> None:
    """One line a data set."""
    for name in sorted({one.dataset for one in found}):
        row = rca.row_of(name, [one for one in found if one.dataset == name])
        change = f"  change {row[6]:.2f}" if row[6] == row[6] else ""
        print(
            f"{title:<28} {name:<16} AC@1 {row[2]:.3f} AC@3 {row[3]:.3f} Avg@5 {row[4]:.3f}{change}",
            flush=True,
        )


def estates(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases of one estate together: recordings whose entities are mostly the same are of one system. What
    stands alone in a data set is put together: a fit for each of them would cost more than it says."""
    groups: list[tuple[set[str], list[Case]]] = []
    for case in cases:
        names = set(case.situation.entities)
        for known, members in groups:
            if 2 * len(names & known) > min(len(names), len(known)) and members[0].dataset == case.dataset:
                members.append(case)
                known.update(names)
                break
        else:
            groups.append((names, [case]))
    alone: dict[str, list[Case]] = {}
    for _, members in groups:
        if len(members) < LEAST_CASES:
            alone.setdefault(members[0].dataset, []).extend(members)
    return [members for _, members in groups if len(members) >= LEAST_CASES] + list(alone.values())


def held_out(cases: Sequence[Case], parts: Sequence[Sequence[Case]], drawn: Draws) -> list[rca.Judged]:
    """Every part under the weights that were chosen on the others."""
    found: list[rca.Judged] = []
    for members in parts:
        left_out = {id(one) for one in members}
        chosen = fit(cases, drawn, np.array([id(one) not in left_out for one in cases]))
        print(f"{len(members)} left out, of {members[0].system}: {told_of(chosen)}", flush=True)
        found += judged(members, chosen)
    return found


def folds(cases: Sequence[Case]) -> list[list[Case]]:
    """The cases of each system dealt out at random to five parts."""
    chance = random.Random(SEED)
    parts: list[list[Case]] = [[] for _ in range(FOLDS)]
    for system in sorted({one.system for one in cases}):
        own = [one for one in cases if one.system == system]
        chance.shuffle(own)
        for place, one in enumerate(own):
            parts[place % FOLDS].append(one)
    return parts


def told_of(weights: Weights) -> dict[str, float]:
    """Those of `GRID`."""
    return {name: getattr(weights, name) for name in GRID}


def plain_judged(
    cases: Sequence[Case], ranker: Callable[[Situation], list[tuple[str, str]]]
) -> list[rca.Judged]:
    """How each case comes out for a plain ranker."""
    return [
        rca.judge(
            one.dataset,
            one.label,
            {"causes": [{"service": s, "metric": m} for s, m in ranker(one.situation)], "change": ""},
        )
        for one in cases
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("incidents", type=Path)
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    cases = read(given.incidents)
    if given.held_out or given.folds or given.fit:
        drawn = draws(cases)
        if given.held_out:
            show("system held out", held_out(cases, estates(cases), drawn))
        if given.folds:
            show("fifth held out", held_out(cases, folds(cases), drawn))
        if given.fit:
            chosen = fit(cases, drawn, np.ones(len(cases), bool))
            print(told_of(chosen))
            show("chosen on all", judged(cases, chosen))
        return 0
    for name, ranker in PLAIN.items():
        show(name, plain_judged(cases, ranker))
    show("Storm Petrel", judged(cases, DEFAULT))
    if given.ablation:
        for name, change in WITHOUT.items():
            show(f"without {name}", judged(cases, dataclasses.replace(DEFAULT, **change)))  # type: ignore[arg-type] # numbers, all of them
    return 0


if __name__ == "__main__":
    sys.exit(main())
