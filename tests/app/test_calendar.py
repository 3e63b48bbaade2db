"""The calendar's desk in a real runtime: entries, sources and their last good copy, heartbeats, decisions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.runtime import Runtime
from stormpetrel.context.excursions import ENDED, Edge
from stormpetrel.errors import AuthError, ConfigError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.calendar import (
    OPEN_END,
    CalendarView,
    Cron,
    Decision,
    EntryDraft,
    EntryKind,
    JobSignal,
    Once,
)
from stormpetrel.model.time import Window, from_seconds, to_iso

ROB, VERA = Caller("rob", Role.RESPONDER), Caller("vera", Role.VIEWER)
AGENT, BOT = (
    Caller("agent", None, frozenset({Scope.INGEST})),
    Caller("bot", None, frozenset({Scope.CALENDAR})),
)
MINUTE, DAY = from_seconds(60), from_seconds(86_400)


def configured(tmp_path: Path, **context: Any) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False,
             "smart": {"enabled": False}}  # fmt: skip
    return load_config(None, {"data_dir": str(tmp_path / "data"), "sources": quiet, "context": context})


@pytest.fixture
def started() -> Iterator[Callable[[Config], Runtime]]:
    running: list[Runtime] = []

    def start(config: Config) -> Runtime:
        for one in running:
            one.stop()
        running[:] = [Runtime(config)]
        running[0].start()
        assert running[0].pipeline is not None
        until(lambda: running[0].service.ready()[0])
        return running[0]

    yield start
    for one in running:
        one.stop()


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what another thread does; the test fails when it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def source(view: CalendarView, name: str) -> Any:
    return next(one for one in view.sources if one.name == name)


def test_entries_are_made_changed_ended_and_outlive_a_restart(
    tmp_path: Path, started: Callable[[Config], Runtime]
) -> None:
    config = configured(tmp_path)
    service = started(config).service
    now = service.now_unix_nano()
    draft = EntryDraft(EntryKind.MAINTENANCE, " Upgrade ", ("host:a",), Once(now - MINUTE, OPEN_END - 1))
    with pytest.raises(StateError, match="within a year"):
        service.add_entry(draft, "page", ROB)
    draft = EntryDraft(EntryKind.MAINTENANCE, " Upgrade ", ("host:a",), Once(now - MINUTE, now + DAY))
    with pytest.raises(AuthError):
        service.add_entry(draft, "page", VERA)
    with pytest.raises(AuthError):
        service.add_entry(draft, "api", AGENT)
    made = service.add_entry(draft, "page", ROB)
    job = EntryDraft(EntryKind.EXPECTED_JOB, "Backup", ("*",), Cron("0 2 * * *", "Europe/Berlin", 60.0))
    service.add_entry(job, "api", BOT)
    assert [o.entry.title for o in service.calendar().current] == ["Upgrade"]

    service = started(config).service
    assert [e.title for e in service.calendar().entries] == ["Upgrade", "Backup"]
    longer = EntryDraft(EntryKind.FREEZE, "Longer", ("*",), Once(now - MINUTE, now + 2 * DAY))
    service.change_entry(made.entry_id, longer, ROB)
    current = service.calendar().current
    assert [(o.entry.title, o.entry.kind) for o in current] == [("Longer", EntryKind.FREEZE)]
    service.end_entry(made.entry_id, ROB)
    assert service.calendar().current == ()
    with pytest.raises(NotFoundError, match="not made here"):
        service.end_entry("job:nothing", ROB)


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (EntryDraft(EntryKind.FREEZE, "  ", ("*",), Once(1, 2)), "a title has"),
        (EntryDraft(EntryKind.FREEZE, "x", (), Once(1, 2)), "scopes"),
        (EntryDraft(EntryKind.FREEZE, "x", ("web 1",), Once(1, 2)), "entity such as"),
        (EntryDraft(EntryKind.FREEZE, "x", ("*",), Once(2, 2)), "must end after"),
        (
            EntryDraft(EntryKind.FREEZE, "x", ("*",), Cron("0 0 31 2 *", "UTC", 60.0)),
            r"cron expression|comes true",
        ),
        (EntryDraft(EntryKind.FREEZE, "x", ("*",), Cron("0 0 * * *", "Mars", 60.0)), "no time zone"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, started: Callable[[Config], Runtime], draft: EntryDraft, reason: str
) -> None:
    with pytest.raises(StateError, match=reason):
        started(configured(tmp_path)).service.add_entry(draft, "page", ROB)


def ical(title: str, start: int) -> bytes:
    text = "".join(c for c in to_iso(start)[:19] if c not in "-:") + "Z"
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:1", f"SUMMARY:{title}",
             f"DTSTART:{text}", "DURATION:PT2H", "END:VEVENT", "END:VCALENDAR", ""]  # fmt: skip
    return "\r\n".join(lines).encode()


class Answers(BaseHTTPRequestHandler):
    """A server of one calendar, that can fail."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/team.ics"
    server.shutdown()
    server.server_close()


def test_the_last_good_copy_of_a_calendar_stays(
    tmp_path: Path, started: Callable[[Config], Runtime], address: str
) -> None:
    now = time.time_ns()
    file = tmp_path / "own.ics"
    file.write_bytes(ical("Own", now - MINUTE))
    Answers.status, Answers.body = 200, ical("Provider", now - MINUTE)
    config = configured(
        tmp_path,
        ical=[{"name": "provider", "url": address}, {"name": "own", "path": str(file), "kind": "freeze"}],
    )
    Answers.status = 503
    runtime = started(config)
    until(lambda: source(runtime.service.calendar(), "provider").problem)
    until(lambda: source(runtime.service.calendar(), "own").entries)
    assert runtime._calendar.unread() == ("provider",)
    assert runtime._around().calendar_read() is False, "what was never read may hold a freeze"
    Answers.status = 200
    runtime = started(config)
    service = runtime.service
    until(lambda: len(service.calendar().current) == 2)
    assert runtime._around().calendar_read() is True
    assert source(service.calendar(), "provider").problem == ""

    Answers.status = 503
    file.write_bytes(b"nonsense")
    runtime = started(config)
    service = runtime.service
    until(lambda: source(service.calendar(), "own").problem)
    until(lambda: source(service.calendar(), "provider").problem)
    view = service.calendar()
    assert "answered 503" in source(view, "provider").problem
    assert "cannot be read as iCalendar" in source(view, "own").problem
    assert {o.entry.title for o in view.current} == {"Own", "Provider"}
    assert source(view, "own").entries == 1
    assert runtime._calendar.unread() == (), "the last good copies say what there is"


def test_heartbeats_come_through_the_store_and_move_the_job(
    tmp_path: Path, started: Callable[[Config], Runtime]
) -> None:
    job = {
        "name": "sync",
        "cron": "* * * * *",
        "duration_seconds": 10,
        "heartbeat": True,
        "scopes": ["host:a"],
    }
    runtime = started(configured(tmp_path, jobs=[job]))
    service = runtime.service
    with pytest.raises(AuthError):
        service.tell_job("sync", JobSignal.START, VERA)
    until(lambda: service.calendar().jobs)
    service.tell_job("sync", JobSignal.START, AGENT)
    until(lambda: service.calendar().jobs[0].state == "running")
    service.tell_job("sync", JobSignal.FAIL, AGENT)
    until(lambda: service.calendar().jobs[0].state == "failed")
    now = service.now_unix_nano()
    until(service.list_incidents)
    assert service.list_incidents()[0].sentence.startswith("job failed: sync on host:a since")
    changes = service.changes(Window(now - DAY, now + DAY))
    assert [(c.title, c.state.value, c.actor) for c in changes] == [
        ("sync", "failed", "agent"), ("sync", "started", "agent"),
    ]  # fmt: skip


def test_a_learned_slot_is_accepted_into_the_calendar_and_kept_over_a_restart(
    tmp_path: Path, started: Callable[[Config], Runtime]
) -> None:
    config = configured(tmp_path)
    runtime = started(config)
    series = runtime.registry.intern("load", {"host": "a"}, "agent")
    fresh = runtime.registry.fresh()
    runtime.store.insert_series(fresh)
    runtime.registry.stored(fresh)
    start = (runtime.clock.now_unix_nano() // DAY - 9) * DAY
    context = runtime.pipeline.context

    def learn() -> None:
        for day in range(9):
            begin = start + day * DAY
            edge = Edge(ENDED, series, begin, begin + 30 * MINUTE, 5.0)
            found = context.learner.update(edge, start, MINUTE)
            if found is not None and found[1]:
                context.roster.add(found[0])

    learn()
    (proposal,) = runtime.service.calendar().proposals
    assert (proposal.title, proposal.decision) == ("daily job at 00:00 UTC", Decision.OPEN)

    runtime = started(config)  # what was learned was kept when it stopped
    (again,) = runtime.service.calendar().proposals
    assert again.runs == proposal.runs
    with pytest.raises(AuthError):
        runtime.service.decide_proposal(again.proposal_id, Decision.ACCEPTED, VERA)
    runtime.service.decide_proposal(again.proposal_id, Decision.REJECTED, ROB)
    assert runtime.service.calendar().proposals[0].decision is Decision.REJECTED
    runtime.service.decide_proposal(again.proposal_id, Decision.ACCEPTED, ROB)
    view = runtime.service.calendar()
    assert view.proposals == ()
    assert [(e.title, e.source, e.created_by, e.scopes) for e in view.entries] == [
        ("daily job at 00:00 UTC", "learned", "rob", ('load{host="a"}',))
    ]
    with pytest.raises(NotFoundError, match="did not come again"):
        runtime.service.decide_proposal("p0", Decision.ACCEPTED, ROB)
    runtime.service.end_entry(view.entries[0].entry_id, ROB)
    assert len(runtime.service.calendar().proposals) == 1, "taken out, it is a question again"


def test_damaged_memory_is_learnt_anew(tmp_path: Path, started: Callable[[Config], Runtime]) -> None:
    config = configured(tmp_path)
    kept = config.data_dir / "calendar" / "slots.npz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"PK\x03\x04 not really")
    assert started(config).service.calendar().proposals == ()
    np.savez(kept, version=np.array([999]))
    assert started(config).service.calendar().proposals == ()


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"time_zone": "Mars"}, "context.time_zone: .*no time zone"),
        ({"jobs": [{"name": "a", "cron": "61 * * * *"}]}, "context.jobs.0.cron: .*no cron expression"),
        (
            {"jobs": [{"name": "a", "cron": "0 2 * * *", "scopes": ["web 1"]}]},
            "jobs.0.scopes: .*entity such",
        ),
        (
            {"jobs": [{"name": "a", "cron": "0 2 * * *", "series": ['{x=~"("}']}]},
            "jobs.0.series: .*RE2",
        ),
        ({"jobs": [{"name": "a", "cron": "0 2 * * *"}] * 2}, "the name a is there twice"),
        ({"ical": [{"name": "a"}]}, "give either path or url"),
        ({"ical": [{"name": "a", "url": "ftp://x"}]}, "context.ical.0.url"),
        ({"windows": [{"name": "a", "cron": "0 2 * * *", "kind": "party"}]}, "context.windows.0.kind"),
        ({"holiday": {}}, "unknown key context.holiday; did you mean context.holidays"),
    ],
)
def test_the_configuration_names_what_is_wrong(tmp_path: Path, context: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        configured(tmp_path, **context)
