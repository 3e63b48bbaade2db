"""A ClickHouse server over HTTP."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from stormpetrel.adapters.store.connections import SETTINGS, Connections, explain
from stormpetrel.errors import ConfigError, StoreError

CONNECTIONS = 16
DATABASE = "stormpetrel"


def open_remote(url: str) -> Connections:
    """Connect to `http[s]://[user[:password]@]host[:port][/database]` and create the database.

    The port defaults to 8123 (8443 for https), the database to `stormpetrel`. Certificates are checked.

    Raises:
        ConfigError: the URL is not of that form.
        StoreError: nobody answers there, or refuses; the message never holds the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"store.url: {error}; write http://host:8123/database") from None
    secure = parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("store.url: not an http(s) address; write http://host:8123/database")
    host, port = parts.hostname, port or (8443 if secure else 8123)
    database = unquote(parts.path.strip("/")) or DATABASE
    if not database.isidentifier():
        raise ConfigError(f"store.url: {database!r} cannot be a database's name; use letters, digits and _")

    def connect(into: str = database) -> Client:
        return get_client(
            interface=parts.scheme,
            host=host,
            port=port,
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=into,
            secure=secure,
            connect_timeout=10,
            send_receive_timeout=150,
            autogenerate_session_id=False,
            settings=SETTINGS,
        )

    name = f"{parts.scheme}://{host}:{port}/{database}"
    try:
        with connect("") as first:
            first.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        return Connections(connect, CONNECTIONS, retry=True, name=name, anchor=connect())
    except (ClickHouseError, OSError) as error:
        reason = explain(error, name)
        raise StoreError(f"{reason}; check store.url and that the server runs") from error
