"""Burn alerts as findings: what burns, how fast, and on how many requests that rests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import xxhash

from stormpetrel.detect.slo_count import MINUTE_NANOS, Sum
from stormpetrel.detect.slo_objective import BurnAlert, Objective
from stormpetrel.model.finding import Evidence, Finding, FindingState
from stormpetrel.model.resource import root_of

NAME, VERSION = "slo", 1
# When it began, as far as an alert can tell: the length of the shortest window before it held.
_NOTICED_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Burn:
    """An alert that holds: the trials of both windows, and how likely they are at half its rate."""

    objective: Objective
    alert: BurnAlert
    long: Sum
    short: Sum
    p_value: float


def opened(burn: Burn, end_minute: int, entities: Collection[str], series: int) -> Finding:
    """The finding of an alert that begins to hold.

    Args:
        burn: what was seen.
        end_minute: end of the windows, since the epoch.
        entities: whom the objective's series are about; one common root names the finding's entity.
        series: id of one of its series, for the chart; -1 for none.
    """
    objective, alert, long = burn.objective, burn.alert, burn.long
    start = (end_minute - min(alert.short_minutes, _NOTICED_MINUTES)) * MINUTE_NANOS
    roots = {root_of(entity) for entity in entities}
    evidence = Evidence(
        signal="metric",
        query=" / ".join(one.text for _, one in sorted(objective.selectors.items(), reverse=True)),
        series=series,
        start_unix_nano=(end_minute - alert.long_minutes) * MINUTE_NANOS,
        end_unix_nano=end_minute * MINUTE_NANOS,
        observed=long.ratio,
        expected=objective.allowed,
        low=0.0,
        high=alert.rate * objective.allowed,
        p_value=burn.p_value,
        unit="ratio",
    )
    return Finding(
        finding_id=xxhash.xxh128_hexdigest(f"{NAME}\0{objective.name}\0{alert.rate}\0{start}".encode()),
        detector=NAME,
        model_version=VERSION,
        head=f"{alert.rate:g}x",
        entity=roots.pop() if len(roots) == 1 else f"slo:{objective.name}",
        title=f"objective {objective.name} burns {long.ratio / objective.allowed:.1f} times too fast",
        why=_why(burn),
        severity=alert.severity,
        state=FindingState.OPEN,
        start_unix_nano=start,
        end_unix_nano=end_minute * MINUTE_NANOS,
        evidence=evidence,
        attributes={
            "slo": objective.name,
            "burn": f"{alert.rate:g}",
            "page": "yes" if alert.rate >= objective.page_burn else "no",
        },
    )


def _why(burn: Burn) -> str:
    objective, long, short = burn.objective, burn.long, burn.short
    known = "" if long.known >= long.minutes else f", of which {long.known} are known"
    return (
        f"{long.errors:,.0f} of {long.total:,.0f} failed ({100 * long.ratio:.3g} %) in {long.minutes} minutes"
        f"{known}, and {100 * short.ratio:.3g} % in the last {short.minutes}; {100 * objective.allowed:.3g} %"
        f" may. At this rate the {objective.window_days:g} days' budget lasts"
        f" {_days(objective.window_days * objective.allowed / long.ratio)}."
    )


def _days(days: float) -> str:
    """A length of time in days, hours or minutes.

    >>> _days(2.5), _days(0.25), _days(0.01)
    ('2.5 days', '6 hours', '14 minutes')
    """
    if days >= 1:
        return f"{days:.3g} days"
    return f"{days * 24:.3g} hours" if days * 24 >= 1 else f"{days * 1440:.2g} minutes"
