"""`petrel replay`: judge stored telemetry again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from stormpetrel.cli.console import counted, out, plain, progress_bar
from stormpetrel.cli.options import ConfigFile, DataDir, From, Json, To, stored_settings, window
from stormpetrel.errors import StateError
from stormpetrel.model.time import Window, to_iso

if TYPE_CHECKING:
    from stormpetrel.app.config import Config
    from stormpetrel.app.replay import ReplayReport


def replay(
    start: From = "-6h",
    end: To = "now",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    twice: Annotated[bool, typer.Option("--twice", help="run twice and fail unless both agree")] = False,
    as_json: Json = False,
) -> None:
    """Run stored telemetry through the very stages that judge live, and show what they find.

    Shows what a changed configuration would have found. Nothing stored is changed. Needs the data
    directory for itself: stop the running Storm Petrel first. Equal digests mean equal incidents.

    Examples:

      petrel replay --from -6h

      petrel replay --from 2026-05-01T00:00:00Z --to 2026-05-02T00:00:00Z --config stricter.toml

      petrel replay --from -1d --twice

    Exit codes: 0 done, 1 failed or the two runs differ, 2 an argument, 3 the data directory is in use.
    """
    chosen, span = stored_settings(config, data_dir), window(start, end)
    first = _run(chosen, span, "replaying", as_json)
    if twice:
        second = _run(chosen, span, "replaying again", as_json)
        if first.digest != second.digest:
            raise StateError(
                f"the two runs differ ({first.digest[:16]} and {second.digest[:16]}): please report it"
            )
    if as_json:
        typer.echo(_json(first))
    else:
        _print(first, twice)


def _run(config: Config, span: Window, label: str, quiet: bool) -> ReplayReport:
    # Numba and the store's engine take a second to load: other commands should not wait for them.
    from stormpetrel.app.replay import replay as run  # noqa: PLC0415 - slow to load

    with progress_bar(quiet) as bar:
        task = bar.add_task(label, total=1.0)
        return run(config, span, lambda share: bar.update(task, completed=share))


def _json(report: ReplayReport) -> str:
    return orjson.dumps(
        {
            "from_unix_nano": report.window.start_unix_nano,
            "to_unix_nano": report.window.end_unix_nano,
            "samples": report.samples,
            "log_records": report.log_records,
            "quarantined": report.quarantined,
            "findings": len(report.findings),
            "digest": report.digest,
            "incidents": [report.incidents[key] for key in sorted(report.incidents)],
        },
        option=orjson.OPT_NON_STR_KEYS,
    ).decode()


def _print(report: ReplayReport, twice: bool) -> None:
    console = out()
    for incident in sorted(report.incidents.values(), key=lambda i: (i.start_unix_nano, i.incident_id)):
        severity = incident.severity.name.lower()
        line = f"{to_iso(incident.start_unix_nano)}  {severity:8}  {incident.sentence}"
        console.print(plain(f"{line}  [{counted(len(incident.findings), 'finding')}]"))
    same = " (the same in both runs)" if twice else ""
    console.print(
        f"{counted(len(report.incidents), 'incident')}, {counted(len(report.findings), 'finding')} in "
        f"{counted(report.samples, 'sample')} and {counted(report.log_records, 'log record')}; "
        f"{counted(report.quarantined, 'sample')} kept apart"
    )
    console.print(f"digest {report.digest}{same}")
