"""From telemetry to the cause: faults of the simulated estate through every stage, as shipped.

    python benchmarks/quality/estate_incidents.py [--seeds 20] [--kinds deploy-bug,cpu-hog] [--magnitude 1]

For every seed an estate reports for six hours, each seed at another hour of the day; then, from that same
moment on, every kind of fault strikes once for a quarter of an hour, and twenty minutes follow it. Metrics,
log records, spans and deploys go through admission, derivation, detectors, policy, correlation and budget
with the default configuration; five minutes after an incident opens its cause is asked for, as on its page.
Prints by kind how many incidents there were, when the first opened, whether the right thing and the right
class of cause are first; which classes were named; and what became of hours in which nothing happened. Exit
code 1 when it is worse than promised. Some minutes on one core; the six hours are lived once a seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.app.estate import START
from tests.app.estate_whole import Installation, Lived

from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.simulate.faults import FAULTS

PAST_SECONDS, FAULT_SECONDS, AFTER_SECONDS = 6 * 3600.0, 900.0, 1200.0
CALM, PAST = "nothing", "past"
KINDS = tuple(FAULTS)
# What is promised: shares of runs.
ONE_INCIDENT, RIGHT_ENTITY, RIGHT_CLASS = 0.9, 0.9, 0.8


@dataclass(frozen=True, slots=True)
class Run:
    """One fault in one estate.

    Attributes:
        incidents: the sentence of each, in the order in which they opened.
        seconds: from the fault to the first incident.
        entity, cause: of the first hypothesis of the first incident; "" where there is none.
        ranked: the first five hypotheses.
    """

    kind: str
    seed: int
    incidents: tuple[str, ...] = ()
    seconds: float = float("nan")
    entity: str = ""
    cause: str = ""
    ranked: tuple[str, ...] = ()
    found: bool = False
    detail: tuple[str, ...] = field(default=())


def lived_through(seed: int, kinds: Sequence[str], magnitude: float) -> Iterator[Run]:
    """The past once, then every fault from that moment on, each in a process that begins with that past."""
    start = START + from_seconds(3600.0 * ((7 * seed) % 24))
    installation = Installation(seed, start)
    past = installation.live(PAST_SECONDS)
    yield Run(PAST, seed, tuple(past.incidents[one].sentence for one in past.opened))
    context = multiprocessing.get_context("fork")
    for kind in kinds:
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_strike, args=(installation, kind, seed, magnitude, there))
        child.start()
        there.close()
        yield here.recv()
        child.join()


def _strike(installation: Installation, kind: str, seed: int, magnitude: float, there: Connection) -> None:
    """In a process of its own: one fault, or none."""
    there.send(struck(installation, kind, seed, magnitude))


def struck(installation: Installation, kind: str, seed: int, magnitude: float = 1.0) -> Run:
    """One fault, or none, from now on."""
    after = 60.0 + float(np.random.default_rng(seed).uniform(0.0, 120.0))
    onset = installation.estate.now_unix_nano + from_seconds(after)
    if kind != CALM:
        installation.strike(kind, after, FAULT_SECONDS, magnitude)
    lived = installation.live(after + FAULT_SECONDS + AFTER_SECONDS)
    return told(lived, kind, seed, onset)


def told(lived: Lived, kind: str, seed: int, onset: int) -> Run:
    """What is counted of a run."""
    ids = list(lived.opened)
    if not ids:
        return Run(kind, seed)
    known = lived.diagnoses.get(ids[0])
    causes = known.causes if known is not None else ()
    return Run(
        kind,
        seed,
        tuple(
            f"{to_seconds(lived.opened[one] - onset):+.0f}s {lived.incidents[one].sentence}" for one in ids
        ),
        to_seconds(lived.opened[ids[0]] - onset),
        causes[0].entity if causes else "",
        causes[0].cause_class.value if causes else "none",
        tuple(f"{one.entity} {one.score:.2f} {one.cause_class.value}" for one in causes[:5]),
        known is not None and known.found,
        _evidence(known),
    )


def _evidence(told: Diagnosis | None) -> tuple[str, ...]:
    if told is None or not told.causes:
        return ()
    return tuple(
        f"{one.entity} {one.weight:+.2f} {one.kind}: {one.text}"
        for cause in told.causes[:2]
        for one in cause.evidence[:6]
    )


def report(runs: Sequence[Run], kinds: Sequence[str]) -> bool:
    """Print the tables; whether what is promised is kept."""
    print(f"{'fault':<20} runs none  one more  seconds to it  entity class")
    struck_runs = [run for run in runs if run.kind in kinds]
    for kind in [*kinds, ""]:
        mine = [run for run in struck_runs if kind in ("", run.kind)]
        count = Counter(min(len(run.incidents), 2) for run in mine)
        waits = [run.seconds for run in mine if run.incidents]
        spread = f"{np.median(waits):.0f} ({min(waits):.0f} to {max(waits):.0f})" if waits else "-"
        entity, cause = sum(map(is_entity, mine)), sum(map(is_class, mine))
        told = (
            f"{len(mine):>4} {count[0]:>4} {count[1]:>4} {count[2]:>4}  {spread:<14} {entity:>5} {cause:>5}"
        )
        print(f"{kind or 'all':<20} {told}")
    confusion(struck_runs, kinds)
    loud = {kind: [one for run in runs if run.kind == kind for one in run.incidents] for kind in (CALM, PAST)}
    stretches = sum(run.kind == CALM for run in runs)
    print(f"nothing happened in {stretches} runs: {len(loud[CALM])} incidents {loud[CALM]}")
    print(f"in the {stretches} pasts of six hours: {len(loud[PAST])} incidents {loud[PAST]}")
    one = sum(len(run.incidents) == 1 for run in struck_runs)
    few = max(len(struck_runs), 1)
    return (
        one >= ONE_INCIDENT * few
        and sum(map(is_entity, struck_runs)) >= RIGHT_ENTITY * few
        and sum(map(is_class, struck_runs)) >= RIGHT_CLASS * few
        and not loud[CALM]
    )


def confusion(runs: Sequence[Run], kinds: Sequence[str]) -> None:
    """Which class was named for which kind."""
    print("classes named:")
    for kind in kinds:
        named = Counter(run.cause or "no incident" for run in runs if run.kind == kind)
        right = FAULTS[kind].cause.value
        rows = [f"{one} {count}" for one, count in named.most_common()]
        print(f"  {kind:<20} is {right}: {', '.join(rows)}")


def is_entity(run: Run) -> bool:
    """Whether the right thing is first."""
    return run.entity in right_of(run.kind)


def is_class(run: Run) -> bool:
    """Whether the right class is first."""
    return run.cause == FAULTS[run.kind].cause.value


def right_of(kind: str) -> tuple[str, ...]:
    """The entities that are right to be named."""
    return (FAULTS[kind](START).entity,)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--magnitude", type=float, default=1.0)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    kinds = [one for one in given.kinds.split(",") if one]
    runs = []
    for seed in range(given.first, given.first + given.seeds):
        for run in lived_through(seed, [*kinds, CALM], given.magnitude):
            runs.append(run)
            if given.verbose:
                print(
                    run.kind,
                    run.seed,
                    *run.incidents,
                    "RANKED",
                    *run.ranked,
                    *run.detail,
                    sep="\n    ",
                    flush=True,
                )
    return 0 if report(runs, kinds) else 1


if __name__ == "__main__":
    sys.exit(main())
