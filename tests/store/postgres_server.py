"""A real PostgreSQL server on loopback for tests: of its own directory, user and port."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def programs() -> Path:
    """Where `initdb` and `postgres` are, the newest of several; skips the test where there are none."""
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve().parent] if on_path else []
    usable = [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]
    if not usable:
        pytest.skip("no PostgreSQL server is installed")
    return max(usable, key=lambda path: [int(part) for part in path.parts if part.isdigit()])


class PostgresServer:
    """One server; `database` makes an empty database. It flushes nothing: it dies with the test."""

    def __init__(self) -> None:
        self._bin = programs()
        # It refuses to run as root, and its user must reach its directory.
        self._prefix: list[str | Path] = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        if os.getuid() != 0:
            self._prefix = []
        self._home = Path(tempfile.mkdtemp(prefix="petrel-pg-"))
        if self._prefix:
            user = pwd.getpwnam("postgres")
            os.chown(self._home, user.pw_uid, user.pw_gid)
        self._port = _free_port()
        command: list[str | Path] = [
            *self._prefix, self._bin / "initdb", "-D", self._home / "data", "-U", "petrel", "-A", "trust",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._home)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": self._home,
            "fsync": "off", "max_connections": 120, "shared_buffers": "32MB",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = (self._home / "log").open("ab")
        with log:
            process = subprocess.Popen(
                [*self._prefix, self._bin / "postgres", "-D", self._home / "data", *options],
                stdout=log, stderr=log, cwd=self._home,
            )  # fmt: skip
        while not self._answers():
            if process.poll() is not None:
                raise RuntimeError((self._home / "log").read_text(encoding="utf-8")[-2000:])
        return process

    def _answers(self) -> bool:
        ready: list[str | Path] = [
            self._bin / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
            "-t",
            "1",
        ]
        return subprocess.run(ready, check=False).returncode == 0

    def database(self, name: str) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://petrel@127.0.0.1:{self._port}/{name}"

    def _dsn(self, name: str) -> str:
        return f"host=127.0.0.1 port={self._port} user=petrel dbname={name}"

    def stop(self) -> None:
        """End it by its own process id, and remove its directory."""
        self._process.send_signal(2)
        self._process.wait(30)
        shutil.rmtree(self._home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
