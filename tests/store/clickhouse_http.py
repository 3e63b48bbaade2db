"""A small ClickHouse server: its HTTP interface, as far as clients use it, before a chDB directory.

    python clickhouse_http.py DIRECTORY PORT

prints `ready PORT` once it listens on 127.0.0.1 (PORT 0: any free one). Knows the user `default` with
the password `secret`. Stops on SIGTERM and survives `kill -9` as well as chDB does.
"""

from __future__ import annotations

import base64
import contextlib
import email
import re
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

PASSWORD = "secret"
# URL parameters that are no settings of a query.
_TRANSPORT = frozenset(
    {"query", "database", "query_id", "session_id", "wait_end_of_query", "client_protocol_version",
     "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
     "compress", "decompress", "insert_deduplication_token"}
)  # fmt: skip
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)
_INSERT = re.compile(r"^\s*(INSERT\s+INTO\s+.*?)\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")

Session = tuple[str, frozenset[tuple[str, str]]]


class Engine:
    """chDB connections by database and settings, each used by one request at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._idle: dict[Session, list[Any]] = defaultdict(list)
        self._first = chdb.connect(directory)  # keeps the engine running

    @contextlib.contextmanager
    def connection(self, session: Session) -> Iterator[Any]:
        with self._lock:
            found = self._idle[session].pop() if self._idle[session] else None
        if found is None:
            found = chdb.connect(self._directory)
            for name, value in sorted(session[1]):
                found.query(f"SET {name} = '{value}'")
            if session[0]:
                found.query(f"USE `{session[0]}`")
        try:
            yield found
        finally:
            with self._lock:
                self._idle[session].append(found)


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n", {})
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        if not self._welcome():
            message = b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)"
            self._answer(403, message, {"X-ClickHouse-Exception-Code": "516"})
            return
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        form = self.headers.get("Content-Type", "")
        if form.startswith("multipart/form-data"):
            asked |= _form_fields(form, body)
            body = b""
        try:
            answer, form = self._run(asked, body)
        except RuntimeError as error:  # what the engine raises is the answer
            code = _CODE.search(str(error))
            self._answer(
                500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1000"}
            )
        else:
            self._answer(200, answer, {"X-ClickHouse-Format": form} if form else {})

    def _run(self, asked: dict[str, str], body: bytes) -> tuple[bytes, str]:
        query = asked.get("query", "")
        if not query:
            query, body = _split(body)
        names = {n: v for n, v in asked.items() if n not in _TRANSPORT and not n.startswith("param_")}
        parameters = {n.removeprefix("param_"): v for n, v in asked.items() if n.startswith("param_")}
        session = (asked.get("database", ""), frozenset(names.items()))
        with self.engine.connection(session) as connection:
            insert = _INSERT.match(query)
            if insert and body:
                return self._insert(connection, insert, body, asked), ""
            form = _FORMAT.search(query)
            result = connection.query(query, form[1] if form else "TabSeparated", params=parameters)
            return bytes(result.bytes() or b""), form[1] if form else "TabSeparated" if result.bytes() else ""

    def _insert(self, connection: Any, insert: re.Match[str], body: bytes, asked: dict[str, str]) -> bytes:
        token = asked.get("insert_deduplication_token", "")
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            settings = f" SETTINGS insert_deduplication_token = '{token}'" if token else ""
            connection.query(f"{insert[1]} FROM INFILE '{file.name}'{settings} FORMAT {insert[2]}")
        return b""

    def _welcome(self) -> bool:
        given = self.headers.get("Authorization", "")
        wanted = base64.b64encode(f"default:{PASSWORD}".encode()).decode()
        return given == f"Basic {wanted}"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Summary": "{}", "X-ClickHouse-Timezone": "UTC", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Long parameters come as a form."""
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    found = {}
    for part in message.walk():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content.decode()
    return found


def _split(body: bytes) -> tuple[str, bytes]:
    """A body that holds the statement and, after its line, the rows of an insert."""
    line, _, rest = body.partition(b"\n")
    if _INSERT.match(line.decode(errors="replace")):
        return line.decode(), rest
    return body.decode(), b""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    directory, port = sys.argv[1], int(sys.argv[2])
    Path(directory).mkdir(parents=True, exist_ok=True)
    Requests.engine = Engine(directory)
    server = Server(("127.0.0.1", port), Requests)
    print(f"ready {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
