"""A flight report as text on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from stormpetrel.cli.console import counted, out, plain
from stormpetrel.model.flight import FlightReport, FlownOutcome, FlownPlan, Opinion, RunbookFlight
from stormpetrel.model.time import to_iso

_SHOWN = 20  # plans of each outcome; the page and --json have all that are kept


def show(report: FlightReport, runbook: str = "") -> None:
    """All runbooks in a table, then each that did something; or one with its plans.

    Args:
        runbook: that is shown alone; "" for all.
    """
    console = out()
    first, last = to_iso(report.start_unix_nano)[:16], to_iso(report.end_unix_nano)[:16]
    days = f"{report.covered_days:.1f} days with telemetry"
    console.print(plain(f"Flight {first} to {last} UTC: {days}, {counted(report.incidents, 'incident')}"))
    chosen = [one for one in report.runbooks if runbook in ("", one.name)]
    _table(console, chosen)
    for one in chosen:
        if one.acted or one.asked or one.refused:
            _one(console, one)
        if runbook:
            _plans(console, one.plans)
    for note in report.notes:
        console.print(plain(f"note: {note}", style="dim"))
    console.print(plain(f"digest {report.digest}"))


def _table(console: Console, runbooks: Iterable[RunbookFlight]) -> None:
    """One line a runbook, whatever the width of the terminal: lines are for programs, too."""
    rows = [("runbook", "version", "level", "acted", "asked", "refused", "spend", "churn")]
    rows += [
        (one.name, one.version, one.level.word, str(one.acted), str(one.asked), str(one.refused),
         f"{one.spend:g}", str(one.churn))
        for one in runbooks
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        words = [word.ljust(width) for word, width in zip(row[:3], widths[:3], strict=True)]
        numbers = [word.rjust(width) for word, width in zip(row[3:], widths[3:], strict=True)]
        console.print(plain("  ".join([*words, *numbers])))


def _one(console: Console, one: RunbookFlight) -> None:
    console.print()
    console.print(plain(f"{one.name}: {one.title}", style="bold"))
    if one.targets:
        named = ", ".join(f"{entity} ({count})" for entity, count in one.targets[:10])
        console.print(plain(f"  acted on {named}"))
    for way in one.in_the_way:
        word = "refused by" if way.outcome is FlownOutcome.REFUSED else "asked people for"
        reason = way.reasons[0][0] if way.reasons else ""
        told = f"{counted(way.plans, 'plan')} of {counted(way.incidents, 'incident')}"
        console.print(plain(f"  {word} {way.number} {way.guardrail}: {told}; {reason}"))
    for kind, plans, acted in one.during:
        name = f"{'an' if kind == 'expected_job' else 'a'} {kind.replace('_', ' ')}"
        console.print(plain(f"  during {name}: {counted(plans, 'plan')}, {acted} of them acted"))
    for word, count in one.afterwards:
        console.print(plain(f"  afterwards, without it: {word}: {counted(count, 'plan')}"))
    for opinion, count in one.opinions:
        if opinion is not Opinion.NONE:
            console.print(plain(f"  people said: {opinion}: {counted(count, 'incident')}"))


def _plans(console: Console, plans: tuple[FlownPlan, ...]) -> None:
    for outcome in FlownOutcome:
        some = [one for one in plans if one.outcome is outcome]
        for one in some[:_SHOWN]:
            console.print()
            console.print(plain(f"{to_iso(one.time_unix_nano)}  {outcome}  {one.what}"))
            console.print(plain(f"    {one.sentence}"))
            for verdict in one.verdicts:
                if (verdict.number, verdict.guardrail) in one.by:
                    console.print(plain(f"    {verdict.number} {verdict.guardrail}: {verdict.reason}"))
            if one.told:
                console.print(plain(f"    afterwards, without it: {one.afterwards}: {one.told}"))
        if len(some) > _SHOWN:
            console.print(plain(f"    and {len(some) - _SHOWN} more {outcome}; --json has them"))
