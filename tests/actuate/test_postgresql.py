"""PostgreSQL: a real server, with a role of the least rights."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.actuate.acts import action, place, program, wait_for
from tests.actuate.tap import Tap

from stormpetrel.adapters.actuate.postgresql import PostgresqlActuator, PostgresqlSettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

INITDB, POSTGRES = program("initdb", "postgresql"), program("postgres", "postgresql")
ENTITY, PASSWORD = "database:orders", "petrel-pass-4711"


def as_postgres(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        prefix = as_postgres(folder)
        secret = folder / "admin"
        secret.write_text("admin-pass")
        secret.chmod(0o644)
        subprocess.run(
            [*prefix, INITDB, "-D", str(folder / "db"), "-U", "admin", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={secret}"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.process = subprocess.Popen(
            [*prefix, POSTGRES, "-D", str(folder / "db"), "-k", str(folder), "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "max_connections=30"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for((folder / ".s.PGSQL.5432").exists, "PostgreSQL does not start")
        self.admin = self.connect("admin", "admin-pass")
        self.admin.execute(f"CREATE ROLE petrel LOGIN PASSWORD '{PASSWORD}'")
        self.admin.execute("GRANT pg_signal_backend, pg_read_all_stats TO petrel")
        self.admin.execute("CREATE ROLE app LOGIN PASSWORD 'app-pass'")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o600)
        (folder / "tap").mkdir()
        self.tap = Tap(
            folder / ".s.PGSQL.5432", folder / "tap" / ".s.PGSQL.5432", b"pg_terminate", b"pg_cancel"
        )
        self.clients: list[psycopg.Connection[Any]] = []
        self.begun = 0

    def connect(self, user: str, password: str) -> psycopg.Connection[Any]:
        deadline = time.monotonic() + 20  # the socket is there before it lets anybody in
        while True:
            try:
                return psycopg.connect(
                    host=str(self.folder), user=user, password=password, dbname="postgres", autocommit=True,
                    options="-c TimeZone=UTC",
                )  # fmt: skip
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def make(self, journal: Path) -> PostgresqlActuator:
        password = {"file": str(self.folder / "password")}
        of = {"host": str(self.folder / "tap"), "user": "petrel", "tls": "disable", "password": password}
        settings = PostgresqlSettings.model_validate({"type": "postgresql", "targets": {ENTITY: of}})
        return PostgresqlActuator(place(journal), settings)

    def session(self) -> tuple[psycopg.Connection[Any], dict[str, Any]]:
        """A new session of the application, and how it is named."""
        client = self.connect("app", "app-pass")
        self.clients.append(client)
        self.begun += 1
        row = self.admin.execute(
            "SELECT backend_start::text FROM pg_stat_activity WHERE pid = %s", (client.info.backend_pid,)
        ).fetchone()
        assert row is not None
        return client, {"pid": client.info.backend_pid, "started": row[0]}

    def ended(self) -> int:
        row = self.admin.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").fetchone()
        assert row is not None
        return self.begun - int(row[0])

    def close(self) -> None:
        for client in (*self.clients, self.admin):
            client.close()
        self.tap.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Not in pytest's own folder: the server's account must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="petrel-pg-") as folder:
        found = Server(Path(folder))
        yield found
        found.close()


def test_contract(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path / "look")

    def against_a_new_session() -> Action:
        _, named = server.session()
        return action(actuator, "query.terminate", ENTITY, **named)

    check_actuator(
        ActuatorCase(
            make=server.make, folder=tmp_path / "journal", action=against_a_new_session, effects=server.ended,
            hang=server.tap.mute, secrets=(PASSWORD,),
        )
    )  # fmt: skip


def test_a_pid_of_another_time_is_not_hit(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path)
    client, named = server.session()
    other = {**named, "started": "2001-02-03 04:05:06.789+00"}
    result = actuator.act(Order("k", action(actuator, "query.terminate", ENTITY, **other), 20, 1))
    assert (result.outcome, "ended already" in result.text) == (ActOutcome.DONE, True)
    assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_statement_is_cancelled_and_its_session_lives(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path)
    client, named = server.session()
    caught: list[str] = []

    def work() -> None:
        try:
            client.execute("SELECT pg_sleep(60) /* 'secret literal' */")
        except psycopg.errors.QueryCanceled as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    look = "SELECT query_start::text FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
    wait_for(lambda: server.admin.execute(look, (named["pid"],)).fetchone(), "the statement does not run")
    row = server.admin.execute(look, (named["pid"],)).fetchone()
    assert row is not None
    listed = actuator.act(Order("list", action(actuator, "query.list", ENTITY, seconds=0.0), 20, 1))
    line = dict(listed.evidence)[f"pid {named['pid']}"]
    assert row[0] in line
    assert "secret literal" not in line
    other = {**named, "started": "2001-02-03 04:05:06+00"}
    actuator.act(Order("other", action(actuator, "query.cancel", ENTITY, **other), 20, 1))
    assert thread.is_alive()
    result = actuator.act(
        Order("k", action(actuator, "query.cancel", ENTITY, **{**named, "started": row[0]}), 20, 1)
    )
    thread.join(20)
    assert (result.outcome, len(caught)) == (ActOutcome.DONE, 1)
    assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_superusers_session_cannot_be_ended(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path)
    row = server.admin.execute(
        "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert row is not None
    wrong = action(actuator, "query.terminate", ENTITY, pid=row[0], started=row[1])
    result = actuator.act(Order("k", wrong, 20, 1))
    assert (result.outcome, "refuses" in result.text) == (ActOutcome.NOT_DONE, True)
    assert server.admin.execute("SELECT 1").fetchone() == (1,)


def test_the_servers_own_workers_are_not_touched(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path)
    row = server.admin.execute(
        "SELECT pid, backend_start::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    ).fetchone()
    assert row is not None
    wrong = action(actuator, "query.terminate", ENTITY, pid=row[0], started=row[1])
    assert "nothing was done" in actuator.act(Order("k", wrong, 20, 1)).text


def test_an_answer_that_was_lost_is_found_out(server: Server, tmp_path: Path) -> None:
    actuator = server.make(tmp_path)
    _, named = server.session()
    order = Order("k", action(actuator, "query.terminate", ENTITY, **named), 1.5, 1)
    with server.tap.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(order).outcome is ActOutcome.DONE


def test_a_wrong_password_is_told_without_it(server: Server, tmp_path: Path) -> None:
    of = {"host": str(server.folder), "user": "petrel", "password": {"env": "PG"}, "tls": "disable"}
    settings = PostgresqlSettings.model_validate({"type": "postgresql", "targets": {ENTITY: of}})
    actuator = PostgresqlActuator(place(tmp_path, {"PG": "wrong-horse"}), settings)
    with pytest.raises(ActuatorError, match="cannot connect") as caught:
        actuator.read(ENTITY)
    assert "wrong-horse" not in str(caught.value)
