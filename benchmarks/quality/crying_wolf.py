"""Crying wolf: 10,000 noisy series for a week with 30 planted incidents, under two alarm budgets.

    python benchmarks/quality/crying_wolf.py [--series 10000] [--days 7] [--incidents 30] [--seed 7]

Prints the table: a plain threshold, the policy without a budget, and the budgets of 40 and 5 pages a week.
Exit code 1 when a budget is broken, or when under 40 fewer than nine in ten of the planted incidents are
paged within five minutes. Takes some three minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time

from stormpetrel.evaluate.fleet import Fleet, FleetPlan
from stormpetrel.evaluate.noise import PER_WEEK, planted_in, play_fleet, report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--incidents", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    plan = FleetPlan(given.series, given.days, given.incidents, given.seed)
    begin = time.monotonic()
    run = play_fleet(plan, PER_WEEK)
    seconds = time.monotonic() - begin
    found = report(run, planted_in(Fleet(plan)), plan.days, plan.series)
    print(found.as_text(), end="")
    print(f"{run.samples / seconds / 1e6:.2f} M samples a second, generated, judged, grouped and budgeted")
    figures = found.figures
    kept = all(figures[f"most_in_7_days_{count}"] <= count for count in PER_WEEK)
    found_enough = plan.incidents == 0 or figures["within_5_min_40"] >= 0.9
    return 0 if kept and found_enough else 1


if __name__ == "__main__":
    sys.exit(main())
