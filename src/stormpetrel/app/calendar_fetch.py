"""The calendar's sources outside: iCalendar, Kubernetes, holidays; each with its last good copy on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from stormpetrel.adapters.calendar import ical, kubernetes, national
from stormpetrel.adapters.calendar.fetch import fetch, read_file
from stormpetrel.app.config import Config
from stormpetrel.app.config_context import IcalConfig, KubernetesConfig
from stormpetrel.model.calendar import CalendarEntry, EntryKind

HOLIDAYS = "holidays"
_DAY_SECONDS = 86_400.0
_MAX_MANIFESTS = 500


@dataclass(frozen=True, slots=True)
class Fetching:
    """One source: how to look at it, and what was good the last time (None: nothing is kept)."""

    name: str
    kind: str
    refresh_seconds: float
    look: Callable[[int], list[CalendarEntry]]
    last_good: Callable[[int], list[CalendarEntry] | None]


def fetchers(config: Config) -> list[Fetching]:
    """The sources that the configuration names."""
    context, zone = config.context, config.context.time_zone
    kept = config.data_dir / "calendar"
    found = [_ical(one, one.time_zone or zone, kept / f"{one.name}.ics") for one in context.ical]
    cluster = context.kubernetes
    if cluster.manifests or cluster.api_url:
        found.append(_kubernetes(cluster, cluster.time_zone or zone, kept / "kubernetes.json"))
    country = context.holidays
    if country.country:

        def look(now_unix_nano: int) -> list[CalendarEntry]:
            window = ical.horizon(now_unix_nano, 366.0)
            return national.read_holidays(country.country, country.subdivision, ZoneInfo(zone), window)

        found.append(Fetching(national.SOURCE, HOLIDAYS, _DAY_SECONDS, look, lambda _now: None))
    return found


def _ical(one: IcalConfig, zone: str, kept: Path) -> Fetching:
    defaults = ical.IcalDefaults(one.name, EntryKind(one.kind), tuple(one.scopes), ZoneInfo(zone))

    def look(now_unix_nano: int) -> list[CalendarEntry]:
        if one.path:
            body = read_file(one.path, ical.MAX_BYTES)
        else:
            body = fetch(one.url, one.timeout_seconds, ical.MAX_BYTES, one.bearer_token_file)
        entries = ical.read_ical(body, defaults, ical.horizon(now_unix_nano))
        _keep(kept, body)
        return entries

    def last_good(now_unix_nano: int) -> list[CalendarEntry] | None:
        if not kept.exists():
            return None
        return ical.read_ical(read_file(str(kept), ical.MAX_BYTES), defaults, ical.horizon(now_unix_nano))

    return Fetching(one.name, "ical", one.refresh_seconds, look, last_good)


def _kubernetes(one: KubernetesConfig, zone: str, kept: Path) -> Fetching:
    def look(_now: int) -> list[CalendarEntry]:
        found: list[CalendarEntry] = []
        for path in sorted(_globbed(one.manifests))[:_MAX_MANIFESTS]:
            body = read_file(str(path), kubernetes.MAX_BYTES)
            found += kubernetes.read_cronjobs(body, str(path), zone, one.duration_seconds)
        if one.api_url:
            url = one.api_url.rstrip("/") + kubernetes.API_PATH
            ca_file = one.ca_file if one.ca_file and Path(one.ca_file).exists() else ""
            body = fetch(url, 15.0, kubernetes.MAX_BYTES, one.token_file, ca_file)
            found += kubernetes.read_cronjobs(body, url, zone, one.duration_seconds)
            _keep(kept, body)
        return list({entry.entry_id: entry for entry in found}.values())

    def last_good(_now: int) -> list[CalendarEntry] | None:
        if not (one.api_url and kept.exists()):
            return None
        body = read_file(str(kept), kubernetes.MAX_BYTES)
        return kubernetes.read_cronjobs(body, str(kept), zone, one.duration_seconds)

    return Fetching(kubernetes.SOURCE, "kubernetes", one.refresh_seconds, look, last_good)


def _globbed(patterns: list[str]) -> set[Path]:
    """The files that patterns mean, from the root or from the working directory."""
    found: set[Path] = set()
    for pattern in patterns:
        root = Path(pattern).anchor
        found.update(Path(root or ".").glob(pattern[len(root) :]))
    return found


def _keep(path: Path, body: bytes) -> None:
    """The good copy, in place of the one before; a full disk costs only the copy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        partial.write_bytes(body)
        partial.replace(path)
    except OSError:
        return
