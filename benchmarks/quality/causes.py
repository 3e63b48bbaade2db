"""How well causes are ranked, beside plain rankers, without each kind of evidence, and on systems left out.

    python benchmarks/quality/causes.py INCIDENTS [--ablation] [--held-out] [--fit]

INCIDENTS is a folder as `petrel evaluate rca` takes it. Prints, for each data set, AC@1, AC@3 and Avg@5 of
the labelled service. `--ablation` leaves out each kind of evidence. `--held-out` chooses the weights on all
systems but
one and scores them on that one, for each system in turn. `--fit` chooses them on all systems and prints them.
"""

from __future__ import annotations

import argparse
import dataclasses
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
    "call_missing": (0.0, 0.3, 0.6, 1.0),
    "call_extra": (0.0, 0.3, 0.6),
    "call_least": (2.0, 3.0, 4.0),
}
LEAST_CASES = 3  # an estate with fewer gets no fit of its own
# Where every fit begins: what was thought right before anything was fitted.
BY_HAND = dataclasses.replace(
    DEFAULT,
    unlikely_direction=0.3,
    log=0.8,
    call_extra=0.0,
    explained_counts=0.0,
    call_least=3.0,
    self_time=0.6,
    between=3.0,
    log_missing=1.0,
)
WITHOUT: dict[str, dict[str, float]] = {
    "explaining away": {"explained": 0.0, "explained_calls": 0.0, "explained_counts": 0.0},
    "reach": {"unreachable": 0.0},
    "roles": {"passed_on": 0.0},
    "logs": {"log": 0.0},
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
    """A prediction, without its texts."""
    told = diagnose(situation, weights)
    causes = [{"service": one.entity, "metric": one.metric or None} for one in told.causes]
    return {"causes": causes, "change": told.change_id or "none"}


def worth(found: Sequence[rca.Judged]) -> float:
    """What is maximised: AC@1 and Avg@5, as the mean over systems."""
    systems = sorted({one.system for one in found})
    rows = [rca.row_of(system, [one for one in found if one.system == system]) for system in systems]
    return float(np.mean([0.5 * float(row[2]) + 0.5 * float(row[4]) for row in rows]))


def fit(cases: Sequence[Case], start: Weights = DEFAULT) -> Weights:
    """One pass of coordinate search over `GRID`; a weight moves only where that helps by more than
    half a case."""
    best, reached = start, worth(judged(cases, start))
    least = 0.25 / len(cases)
    for name, choices in GRID.items():
        for choice in choices:
            tried = dataclasses.replace(best, **{name: choice})  # type: ignore[arg-type] # all of GRID are numbers
            if tried == best:
                continue
            got = worth(judged(cases, tried))
            if got > reached + least:
                best, reached = tried, got
    return best


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


def held_out(cases: Sequence[Case]) -> list[rca.Judged]:
    """Every system under the weights that were chosen on the others."""
    found: list[rca.Judged] = []
    for members in estates(cases):
        left_out = {id(one) for one in members}
        chosen = fit([one for one in cases if id(one) not in left_out], BY_HAND)
        moved = {n: getattr(chosen, n) for n in GRID if getattr(chosen, n) != getattr(BY_HAND, n)}
        print(f"without {members[0].dataset} of {members[0].system}: {moved or 'as by hand'}", flush=True)
        found += judged(members, chosen)
    return found


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
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    cases = read(given.incidents)
    if given.held_out:
        show("held out", held_out(cases))
        return 0
    if given.fit:
        chosen = fit(cases)
        print({name: getattr(chosen, name) for name in GRID})
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
