"""PostgreSQL: end a session, cancel a statement, look at what runs long.

Works with PostgreSQL 10 and newer, with the extra `postgres`. A session is known by its pid and the time it
or its statement began: both are compared by the server in the statement that ends it, so a pid that was
given to another session is never hit, and doing it twice is doing it once. Only sessions of clients are
touched, never replication or the server's own workers, nor our own session.

The role needs `pg_signal_backend` and `pg_read_all_stats`, and no right to any table; it cannot end those of
superusers, by PostgreSQL's rule. Texts of statements are only shown redacted and cut.
"""

from __future__ import annotations

import importlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.settings import (
    MAX_TARGETS,
    ActuatorSettings,
    Place,
    SecretSettings,
    Settings,
    read_secret,
)
from stormpetrel.errors import ActuatorError, ConfigError
from stormpetrel.model.action import EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

MAX_SESSIONS = 20
# As PostgreSQL writes timestamptz in ISO style, in UTC.
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00"
_LITERALS = re.compile(r"'(?:[^']|'')*'|\$\w*\$.*?\$\w*\$|\b\d+\b", re.DOTALL)
_PID = ParameterSchema("pid", "int", True, least=1, most=2**31 - 1)
_STARTED = ParameterSchema("started", "text", True, pattern=MOMENT)

_CLIENT = "pid = %(pid)s AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
_TERMINATE = (
    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_CLIENT}"  # noqa: S608 no value in it
    " AND %(started)s::timestamptz IN (backend_start, query_start)"
)
_CANCEL = (
    f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {_CLIENT}"  # noqa: S608 no value in it
    " AND query_start = %(started)s::timestamptz AND state = 'active'"
)
# A session that began later than the moment that was named is another one with the same pid.
_SESSION_LIVES = (
    f"SELECT 1 FROM pg_stat_activity WHERE {_CLIENT}"  # noqa: S608 no value in it
    " AND backend_start <= %(started)s::timestamptz"
)
_STATEMENT_RUNS = (
    f"SELECT 1 FROM pg_stat_activity WHERE {_CLIENT}"  # noqa: S608 no value in it
    " AND query_start = %(started)s::timestamptz AND state = 'active'"
)
_LONGEST = """
SELECT pid, backend_start::text, query_start::text, coalesce(state, ''), coalesce(wait_event_type, ''),
    extract(epoch FROM now() - coalesce(xact_start, query_start))::float8, usename, left(query, 500)
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND coalesce(xact_start, query_start) < now() - make_interval(secs => %(seconds)s)
ORDER BY coalesce(xact_start, query_start) LIMIT %(most)s
"""
_SERVER = "SELECT pg_postmaster_start_time()::text, NOT pg_is_in_recovery()"


class PostgresqlTarget(Settings):
    """One server."""

    host: str = Field(min_length=1, max_length=300, description="its name, address, or socket folder")
    port: int = Field(5432, ge=1, le=65535, description="its port")
    database: str = Field("postgres", min_length=1, max_length=63, description="any one that may be entered")
    user: str = Field(min_length=1, max_length=63, description="role with pg_signal_backend")
    password: SecretSettings | None = Field(None, description="where the password is kept")
    tls: str = Field(
        "prefer", pattern="^(disable|prefer|require|verify-ca|verify-full)$", description="as sslmode"
    )
    tls_ca_file: str = Field("", description="PEM, for verify-ca and verify-full")


class PostgresqlSettings(ActuatorSettings):
    """PostgreSQL servers."""

    targets: dict[str, PostgresqlTarget] = Field(
        min_length=1, max_length=MAX_TARGETS, description="by entity"
    )


class PostgresqlActuator(BaseActuator):
    """Ends sessions, cancels statements, lists what runs long.

    Fails when the role has not the right, or the server has no connection left for it: set
    `reserved_connections`. Costs a connection a call.
    """

    Settings = PostgresqlSettings
    schemas = (
        ActionSchema("query.terminate", EffectClass.DISRUPTIVE, "sessions", (_PID, _STARTED), "", True),
        ActionSchema("query.cancel", EffectClass.DISRUPTIVE, "sessions", (_PID, _STARTED), "", True),
        ActionSchema(
            "query.list", EffectClass.READ, "",
            (ParameterSchema("seconds", "float", False, least=0, most=1e7),), "", False,
        ),
    )  # fmt: skip

    def __init__(self, place: Place, settings: PostgresqlSettings) -> None:
        super().__init__(place, settings, settings.targets)
        try:
            self._client: Any = importlib.import_module("psycopg")
        except ImportError:
            raise ConfigError(
                f"[actuators.{place.name}] needs the extra postgres: pip install 'stormpetrel[postgres]'"
            ) from None
        self._of = settings.targets
        self._passwords: dict[str, str] = {}

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        with self._connected(entity, deadline) as connection:
            started, primary = connection.execute(_SERVER).fetchone()
        generation = f"up since {started}, {'primary' if primary else 'standby'}"
        return LiveTarget(entity, True, generation, True, None)

    @override  # always the same
    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:
        return self._settings.stateful.get(entity, True)

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        given = _given(order)
        with self._connected(target.entity, deadline) as connection:
            if order.action.kind == "query.list":
                return self._longest(connection, float(given.get("seconds", 60.0)))
            statement = _TERMINATE if order.action.kind == "query.terminate" else _CANCEL
            row = connection.execute(statement, given).fetchone()
            what = f"pid {given['pid']} of {given['started']}"
            if row is None:
                return Effect(f"{what}: it had ended already, nothing was done")
            if row[0] is not True:
                raise NotDoneError(f"{what}: the server could not signal it")
            self._await_end(connection, order, deadline)
        return Effect(f"{what}: {order.action.kind} done", (("pid", str(given["pid"])),))

    @override  # the session itself tells
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        if order.action.kind == "query.list":
            return False
        with self._connected(target.entity, deadline) as connection:
            return not self._goes_on(connection, order)

    def _goes_on(self, connection: Any, order: Order) -> bool:
        """Whether the session, or the statement in it, is still there."""
        looked = _SESSION_LIVES if order.action.kind == "query.terminate" else _STATEMENT_RUNS
        return connection.execute(looked, _given(order)).fetchone() is not None

    def _await_end(self, connection: Any, order: Order, deadline: Deadline) -> None:
        pause = threading.Event()
        while self._goes_on(connection, order):
            deadline.check()
            pause.wait(0.02)

    def _longest(self, connection: Any, seconds: float) -> Effect:
        rows = connection.execute(_LONGEST, {"seconds": seconds, "most": MAX_SESSIONS}).fetchall()
        evidence = []
        for pid, began, query_start, state, waits, age, user, query in rows:
            said = _LITERALS.sub("?", query or "")[:120]
            line = f"backend_start={began} query_start={query_start} {state} {age:.0f} s, {user}"
            evidence.append((f"pid {pid}", f"{line}{', waits for ' + waits if waits else ''}: {said}"))
        return Effect(f"{len(rows)} sessions at work for more than {seconds:g} s", tuple(evidence))

    @contextmanager
    def _connected(self, entity: str, deadline: Deadline) -> Iterator[Any]:
        """A connection that is cut when the time is up, whatever the server does."""
        of = self._of[entity]
        if of.password is not None:
            self._passwords[entity] = read_secret(of.password, self._place.environment)
        try:
            connection = self._client.connect(
                host=of.host, port=of.port, dbname=of.database, user=of.user, sslmode=of.tls,
                sslrootcert=of.tls_ca_file or None, password=self._passwords.get(entity),
                connect_timeout=max(1, round(deadline.left())), autocommit=True,
                application_name="stormpetrel", options="-c TimeZone=UTC -c DateStyle=ISO",
            )  # fmt: skip
        except self._client.Error as error:
            raise NotDoneError(f"cannot connect: {str(error).strip()}") from None
        wire = socket.socket(fileno=connection.fileno())
        guard = threading.Timer(deadline.left(), _cut, (wire,))
        guard.start()
        try:
            yield connection
        except self._client.OperationalError as error:
            raise ActuatorError(f"no answer: {str(error).strip()}") from None
        except self._client.Error as error:  # it answered, and refuses
            raise NotDoneError(f"the server refuses: {str(error).strip()}") from None
        finally:
            guard.cancel()
            wire.detach()
            connection.close()

    def _secrets(self) -> tuple[str, ...]:
        return tuple(self._passwords.values())


def _given(order: Order) -> dict[str, Any]:
    return {one.name: one.value for one in order.action.parameters}


def _cut(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed just now
