"""Evaluate the alarm budget: a fleet through the whole pipeline, pages against the promise."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stormpetrel.correlate.page_ledger import WEEK_NANOS
from stormpetrel.evaluate.fleet import START_UNIX_NANO, STEP_NANOS, Fleet, FleetPlan
from stormpetrel.evaluate.noise_files import FileFleet, Planted
from stormpetrel.evaluate.noise_plan import FLEET_FILE, read_plan
from stormpetrel.evaluate.noise_run import NoiseRun, play
from stormpetrel.evaluate.report import Cell, EvaluationReport
from stormpetrel.model.page import Page, PageDecision
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch
from stormpetrel.model.time import to_iso, to_seconds

WITHIN_SECONDS = 300.0
PER_WEEK = (40, 5)
_COLUMNS = ("budget", "series", "days", "pages", "most_in_7_days", "planted", "paged", "within_5_min", "held")


class NoiseEvaluation:
    """`petrel evaluate noise`: pages a week against the alarm budget, and what the budget held back.

    `data` holds either `fleet.toml` (`series`, `days`, `incidents`, `seed`, `quiet_days`, `per_week`), of
    which a fleet is generated, or labelled files as for `metrics`, which are taken as one fleet that starts
    at one moment, a file an entity, with budgets of 40 and 5 pages a week.

    Writes `OUT/noise/pages.csv` (every candidate under every budget: paged or held, rank, strength, bar and
    reason) before it looks at what was planted, then `OUT/noise/planted.csv`. Cost: about a microsecond a
    sample; generating a sample costs 50 ns.
    """

    area = "noise"

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Play, write what was decided, then compare with what was planted."""
        if (data / FLEET_FILE).is_file():
            plan, per_week = read_plan(data / FLEET_FILE)
            run = play_fleet(plan, per_week)
            write_pages(run, out)
            planted = planted_in(Fleet(plan))
            days, series = plan.days, plan.series
        else:
            files = FileFleet(data)
            run = play(files.infos, files.batches(), PER_WEEK)
            write_pages(run, out)
            planted = files.planted()
            days, series = files.days, len(files.infos)
        write_planted(run, planted, out)
        return report(run, planted, round(days, 2), series)


def play_fleet(plan: FleetPlan, per_week: Sequence[int]) -> NoiseRun:
    """Generate and judge a fleet, minute by minute."""
    fleet = Fleet(plan)
    return play(fleet.infos(), _minutes(fleet), per_week)


def _minutes(fleet: Fleet) -> Iterator[AdmittedMetrics]:
    n = fleet.plan.series
    ids, resumed = np.arange(n, dtype=np.uint32), np.zeros(n, np.bool_)
    for first, values in fleet.blocks():
        for step, row in enumerate(values, first):
            times = np.full(n, START_UNIX_NANO + step * STEP_NANOS, np.int64)
            yield AdmittedMetrics(MetricBatch(ids, times, row), row, resumed)


def planted_in(fleet: Fleet) -> list[Planted]:
    """What was planted in a generated fleet."""
    return [
        Planted(
            plant.kind,
            plant.entity,
            START_UNIX_NANO + plant.start * STEP_NANOS,
            START_UNIX_NANO + (plant.start + plant.steps) * STEP_NANOS,
        )
        for plant in fleet.plants
    ]


def first_page(run: NoiseRun, pages: dict[str, Page], planted: Planted) -> tuple[str, float] | None:
    """The first page of an incident on the planted entity while it lasts, and after how many seconds."""
    found = [
        (page.time_unix_nano, incident_id)
        for incident_id, page in pages.items()
        if page.decision is PageDecision.PAGED
        and planted.start_unix_nano <= page.time_unix_nano <= planted.end_unix_nano
        and planted.entity in run.incidents[incident_id].entities
    ]
    if not found:
        return None
    time, incident_id = min(found)
    return incident_id, to_seconds(time - planted.start_unix_nano)


def most_in_a_week(times: list[int]) -> int:
    """The most pages in any seven days, counted plainly."""
    return max((sum(1 for t in times if start <= t < start + WEEK_NANOS) for start in times), default=0)


def report(run: NoiseRun, planted: list[Planted], days: float, series: int) -> EvaluationReport:
    """The table and the figures."""
    incidents, findings = len(run.incidents), len(run.findings)
    rows: list[tuple[Cell, ...]] = [
        ("no policy", series, days, run.onsets, "-", len(planted), "-", "-", 0),
        ("no budget", series, days, incidents, "-", len(planted), "-", "-", 0),
    ]
    figures = {"onsets": float(run.onsets), "findings": float(findings), "incidents": float(incidents)}
    figures["folded"] = float(findings - incidents)
    for per_week, pages in run.pages.items():
        paged = [p.time_unix_nano for p in pages.values() if p.decision is PageDecision.PAGED]
        held = sum(page.decision is PageDecision.HELD for page in pages.values())
        hits = [hit for one in planted if (hit := first_page(run, pages, one)) is not None]
        soon = sum(seconds <= WITHIN_SECONDS for _, seconds in hits)
        most = most_in_a_week(paged)
        rows.append((str(per_week), series, days, len(paged), most, len(planted), len(hits), soon, held))
        figures[f"pages_{per_week}"], figures[f"most_in_7_days_{per_week}"] = float(len(paged)), float(most)
        figures[f"paged_{per_week}"] = len(hits) / len(planted) if planted else float("nan")
        figures[f"within_5_min_{per_week}"] = soon / len(planted) if planted else float("nan")
        figures[f"held_{per_week}"] = float(held)
    return EvaluationReport(
        area="noise",
        columns=_COLUMNS,
        rows=tuple(rows),
        figures=figures,
        notes=(
            f"{run.samples:,} samples; {findings} findings were folded into {incidents} incidents.",
            "no policy: crossings of a plain threshold on the p-value; no budget: every incident pages.",
            "most_in_7_days is never above the budget; every held incident is in OUT/noise/pages.csv.",
        ),
    )


def write_pages(run: NoiseRun, out: Path) -> None:
    """`OUT/noise/pages.csv`: by budget, paged before held, strongest first."""
    folder = out / "noise"
    folder.mkdir(parents=True, exist_ok=True)
    order = {decision: place for place, decision in enumerate(PageDecision)}
    with (folder / "pages.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            (
                "per_week",
                "decision",
                "rank",
                "strength",
                "bar",
                "tier",
                "time",
                "incident",
                "reason",
                "sentence",
            )
        )
        for per_week, pages in run.pages.items():
            for incident_id, page in sorted(
                pages.items(), key=lambda one: (order[one[1].decision], -one[1].strength, one[0])
            ):
                table.writerow(
                    (
                        per_week, page.decision.value, page.rank, f"{page.strength:.2f}", f"{page.bar:.1f}",
                        page.tier.name.lower(), to_iso(page.time_unix_nano), incident_id, page.reason,
                        run.incidents[incident_id].sentence,
                    )
                )  # fmt: skip


def write_planted(run: NoiseRun, planted: list[Planted], out: Path) -> None:
    """`OUT/noise/planted.csv`: what was planted and after how long each budget paged it."""
    with (out / "noise" / "planted.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("per_week", "kind", "entity", "start", "end", "paged_after_seconds", "incident"))
        for per_week, pages in run.pages.items():
            for one in planted:
                hit = first_page(run, pages, one)
                after, incident_id = (f"{hit[1]:.0f}", hit[0]) if hit else ("", "")
                table.writerow(
                    (
                        per_week, one.kind, one.entity, to_iso(one.start_unix_nano),
                        to_iso(one.end_unix_nano), after, incident_id,
                    )
                )  # fmt: skip
