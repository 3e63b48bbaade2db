"""Runs of automation under drivers that are killed again and again: exactly once, whatever dies when.

    python -m benchmarks.robust.kill_runs [--runs 500] [--rounds 8] [--random 40] [--seed 1] [--folder DIR]

A driver with real stores and a real target (a process of its own with a journal that it syncs) is killed
with SIGKILL before and after each of its operations, `rounds` times each, and at random instants; each time
another one comes up. Afterwards the journal of the target is compared with the ledger: every effect once, on
record before it was done and answered after, every run ended once, what was undone undone once and in reverse
order, no order given again unless the target had said that it was not done. Exit code 1 where it is not so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.act.kill_world import BOUNDARIES, Figures, campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--random", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files lie; the system's temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        figures = campaign(Path(folder), given.runs, given.rounds, given.random, given.seed)
    return told(figures)


def told(figures: Figures) -> int:
    """Print what happened; the exit code."""
    missed = [one for one in BOUNDARIES if not figures.kills[one]]
    print(f"runs {figures.runs}, ended: {dict(figures.ends)}")
    print(f"kills {sum(figures.kills.values())}: {dict(sorted(figures.kills.items()))}")
    print(f"kills that left an order open {figures.inside}; boundaries never reached {missed or 'none'}")
    print(f"effects {figures.effects}, of them undoings {figures.undone}")
    print(f"orders given again, each after the target said that it was not done: {figures.given_again}")
    print(f"seconds {figures.seconds:.0f}; wrong: {figures.wrong[:20] or 'nothing'}")
    return 1 if figures.wrong or missed else 0


if __name__ == "__main__":
    sys.exit(main())
