"""The durable driver: a workflow for each run, which calls it again and again until it has ended.

The only module that knows DBOS. A workflow holds nothing but the id of its run: what the run is, and how far
it has come, is in the control store, and each call works that out anew. So a step of a workflow that runs
twice (DBOS promises at least once) does nothing twice. What DBOS brings is time that survives: a wait goes on
after a restart, a run whose process died is called again, and one workflow never runs twice at once in a
process.

Nothing of it listens on a port or talks to anybody but its database. Values are kept as JSON, never pickled.
Start-up takes about a second, most of it for imports, so this module is imported when automation is enabled.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import Serializer as DbosSerializer
from dbos import error as dbos_errors
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from stormpetrel.errors import StoreError

# One for all versions of this program: another one strands the runs that wait. What a workflow remembers (a
# run's id, and pauses) never changes its shape; a change takes another queue and another workflow's name.
VERSION = "1"
QUEUE = "runs"
_NAME = "stormpetrel"
_TOPIC = "wake"
_PAUSE = "pause"
# How long an end waits for calls under way. What is still under way then ends like in a crash.
_END_SECONDS = 5.0
# Workflows of runs that ended are forgotten after so long; the runs themselves are in the control store.
_KEPT = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 1000
# Runs that wait (for people, for windows) each hold a thread.
MAX_AT_ONCE = 64
_ALIVE = frozenset({"ENQUEUED", "PENDING", "DELAYED"})

Advance = Callable[[str], float | None]


class _Ending(BaseException):
    """This process lets go of a workflow. No `Exception`: the library keeps no outcome, it goes on later."""


class _Json(DbosSerializer):
    """Values as JSON: whoever can write to the database cannot run code here."""

    def serialize(self, data: Any) -> str:
        return json.dumps(_plain(data))

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "stormpetrel_json"


def _plain(value: object) -> object:
    """What JSON can hold; errors as their text."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


@dataclass(frozen=True, slots=True)
class DurableSettings:
    """How workflows are kept.

    Attributes:
        url: an SQLAlchemy URL: a SQLite file of its own, or a PostgreSQL database.
        executor: this process, in a name that no other has, nor had before a restart.
        poll_seconds: how soon a new run is begun and a wake is heard.
    """

    url: str
    executor: str
    poll_seconds: float = 0.5


class DurableDriver:
    """Calls `advance` for every run that is submitted until it says that the run has ended.

    There is one in a process at a time (the library's own limit). Safe from any thread.

    Args:
        advance: does the one next thing for a run; seconds to wait, or None when it has ended. It may be
            called for a run that ended long ago.
    """

    def __init__(self, settings: DurableSettings, advance: Advance) -> None:
        self._settings = settings
        self._advance = advance
        self._lock = threading.RLock()
        self._running = False
        self._idle = threading.Condition()
        self._ending = False
        self._inside: set[str] = set()  # workflows that a thread of this process is in
        self._pausing: set[str] = set()
        self._drive: Any = None

    def start(self) -> None:
        """Open the database and begin. No error when it runs already.

        Raises:
            StoreError: the database cannot be opened.
        """
        with self._lock:
            if self._running:
                return
            DBOS.destroy(destroy_registry=True)
            try:
                with _errors():
                    self._open()
            except StoreError:
                DBOS.destroy(destroy_registry=True)
                raise
            self._running = True

    def _open(self) -> None:
        DBOS(config=self._config())
        self._ending = False
        self._drive = self._workflow()
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=MAX_AT_ONCE,
            polling_interval_sec=self._settings.poll_seconds,
            on_conflict="always_update",
        )
        self._forget()

    def _forget(self) -> None:
        """Take away what the library keeps of workflows that ended long ago."""
        before = (datetime.now(UTC) - _KEPT).isoformat()
        old = DBOS.list_workflows(
            status=["SUCCESS", "ERROR"], completed_before=before, limit=_FORGOTTEN_AT_ONCE, load_input=False,
            load_output=False,
        )  # fmt: skip
        if old:
            DBOS.delete_workflows([one.workflow_id for one in old])

    def stop(self) -> None:
        """End; workflows stay where they are, for whoever starts next.

        Pauses end at once. A call under way is waited for a few seconds; one that takes longer goes on, and
        what becomes of its run is found out by the next driver.
        """
        with self._lock:
            if not self._running:
                return
            self._running = False
            with self._idle:
                self._ending = True
                pausing = sorted(self._pausing)
            for name in pausing:
                DBOS.send(name, True, topic=_TOPIC)
            with self._idle:
                self._idle.wait_for(lambda: not self._inside, _END_SECONDS)
            logging.getLogger("dbos").setLevel(logging.CRITICAL)  # it complains of threads that outlive it
            DBOS.destroy(destroy_registry=True)

    def wake(self, run_id: str) -> None:
        """Call a run now instead of at the end of its pause; begin it when it has not begun.

        A wake that is lost in a crash costs no more than the pause.

        Raises:
            StoreError: the database refused.
        """
        with self._lock, _errors():
            if self._running and self._adopt(run_id):
                DBOS.send(run_id, True, topic=_TOPIC)

    def adopt(self, run_ids: Iterable[str]) -> None:
        """See to it that each of these runs is driven by this process: begin what was never begun, and take
        over what a process that is gone had in hand. Called by whoever holds the lease, again and again.

        Raises:
            StoreError: the database refused.
        """
        for run_id in run_ids:
            with self._lock, _errors():
                if self._running:
                    self._adopt(run_id)

    def _adopt(self, run_id: str) -> bool:
        """Whether the run has a workflow that this process drives, or will."""
        status = DBOS.get_workflow_status(run_id)
        if status is None:
            with SetWorkflowID(run_id):
                DBOS.enqueue_workflow(QUEUE, self._drive, run_id)
            return True
        if status.status in _ALIVE and status.executor_id != self._settings.executor:
            if status.status != "ENQUEUED":
                DBOS.resume_workflow(run_id, queue_name=QUEUE)
            return True
        if status.status not in _ALIVE:
            self._again(run_id)
            return False
        return True

    def _again(self, run_id: str) -> None:
        """A workflow that ended before its run did: another one, under the next free name."""
        for number in range(1, 100):
            name = f"{run_id}~{number}"
            status = DBOS.get_workflow_status(name)
            if status is None:
                with SetWorkflowID(name):
                    DBOS.enqueue_workflow(QUEUE, self._drive, run_id)
                return
            if status.status in _ALIVE:
                if status.status != "ENQUEUED" and status.executor_id != self._settings.executor:
                    DBOS.resume_workflow(name, queue_name=QUEUE)
                return

    def _workflow(self) -> Any:
        """The workflow, registered anew for each start: it closes over this driver."""

        @DBOS.workflow(name="drive", max_recovery_attempts=None)
        def drive(run_id: str) -> None:
            name = DBOS.workflow_id or run_id
            self._enter(name)
            try:
                while self._one(name, run_id):
                    pass
            finally:
                self._leave(name)

        return drive

    def _one(self, name: str, run_id: str) -> bool:
        """One call and the pause after it, as a workflow; whether there is more to come."""
        pause = DBOS.run_step({"name": _PAUSE}, self._advance, run_id)
        if pause is None:
            return False
        with self._idle:
            if self._ending:
                raise _Ending
            self._pausing.add(name)
        try:
            if pause > 0:
                DBOS.recv(_TOPIC, timeout_seconds=pause)
        finally:
            with self._idle:
                self._pausing.discard(name)
        if self._ending:
            raise _Ending
        return True

    def _enter(self, name: str) -> None:
        with self._idle:
            if self._ending:
                raise _Ending
            self._inside.add(name)

    def _leave(self, name: str) -> None:
        with self._idle:
            self._inside.discard(name)
            self._idle.notify_all()

    def _config(self) -> DBOSConfig:
        return {
            "name": _NAME,
            "application_version": VERSION,
            "executor_id": self._settings.executor,
            "system_database_url": _plain_url(self._settings.url),
            "serializer": _Json(),
            "enable_otlp": False,
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "notification_listener_polling_interval_sec": self._settings.poll_seconds,
            "scheduler_polling_interval_sec": 3600.0,
            "use_listen_notify": False,
        }


@contextmanager
def _errors() -> Iterator[None]:
    """What the library and its database raise, as this package's error."""
    try:
        yield
    except (SQLAlchemyError, OSError, dbos_errors.DBOSException) as error:
        raise StoreError(f"the database of durable runs failed: {str(error)[:300]}") from error


def _plain_url(url: str) -> str:
    """The URL as the library takes it: it adds the driver of PostgreSQL itself."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)
