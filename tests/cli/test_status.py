from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stormpetrel.cli.main import app

RUN = CliRunner()
NOW = 1_790_000_000_000_000_000
SOURCE = {"name": "local/remote_write", "kind": "remote_write", "state": "healthy", "rows_total": 12,
          "rows_per_second": 1.5, "last_unix_nano": NOW, "lag_seconds": 0.1, "rejected_total": 0,
          "last_error": ""}  # fmt: skip
INCIDENT = {"incident_id": "i1", "sentence": "checkout fails [/bold]", "state": "open", "severity": 3,
            "start_unix_nano": NOW - 300 * 10**9}  # fmt: skip
VIEW: dict[str, Any] = {"now_unix_nano": NOW, "open_incidents": [], "sources": [SOURCE], "series_total": 5,
        "series_unknown": 1, "series_warming_up": 2, "quarantined_last_hour": 3}  # fmt: skip


class Answering(ThreadingHTTPServer):
    """Answers /readyz and /api/v1/now as told."""

    ready: tuple[int, str] = (200, "{}")
    now: tuple[int, str] = (200, "")
    tokens: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers.get("Authorization", ""))
        status, text = self.server.ready if self.path == "/readyz" else self.server.now
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    one = Answering(("127.0.0.1", 0), Handler)
    one.tokens = []
    thread = threading.Thread(target=one.serve_forever, args=(0.02,))
    thread.start()
    yield one
    one.shutdown()
    thread.join()
    one.server_close()


def ask(server: Answering, *more: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    found = RUN.invoke(app, ["status", "--url", f"http://127.0.0.1:{server.server_port}", *more], env=env)
    return found.exit_code, found.output


def test_healthy_is_0_and_shows_the_sources(server: Answering) -> None:
    server.now = (200, json.dumps(VIEW))
    code, text = ask(server, "--token", "t")
    assert code == 0
    assert "No open incident" in text
    assert "local/remote_write" in text
    assert "5 series, 2 warming up, 1 unknown" in text
    assert set(server.tokens) == {"Bearer t"}


def test_open_incidents_are_1_and_their_text_is_not_markup(server: Answering) -> None:
    server.now = (200, json.dumps({**VIEW, "open_incidents": [INCIDENT]}))
    code, text = ask(server)
    assert code == 1
    assert "checkout fails [/bold]" in text
    assert "5 min ago" in text
    assert "error" in text


def test_what_senders_say_does_not_steer_the_terminal(server: Answering) -> None:
    hostile = "\x1b[2J\x9b31mred\x1b]0;title\x07\u202e"
    sources = [{**SOURCE, "name": hostile, "last_error": hostile}]
    incident = {**INCIDENT, "sentence": hostile}
    server.now = (200, json.dumps({**VIEW, "sources": sources, "open_incidents": [incident]}))
    _, text = ask(server)
    assert not set(text) & set("\x1b\x9b\x07\u202e")
    assert "⟨U+001B⟩" in text


def test_json_is_the_answer_itself(server: Answering) -> None:
    server.now = (200, json.dumps(VIEW))
    code, text = ask(server, "--json")
    assert (code, json.loads(text)) == (0, VIEW)


def test_the_token_comes_from_a_file_or_the_environment(server: Answering, tmp_path: Path) -> None:
    server.now = (200, json.dumps(VIEW))
    file = tmp_path / "token"
    file.write_text("from-file\n")
    ask(server, "--token-file", str(file))
    ask(server, env={"STORMPETREL_TOKEN": "from-env"})
    assert server.tokens == ["Bearer from-file"] * 2 + ["Bearer from-env"] * 2
    code, text = ask(server, "--token-file", str(tmp_path / "none"))
    assert code == 2
    assert "cannot be read" in text


@pytest.mark.parametrize(
    ("ready", "now", "said"),
    [
        ((503, "warming up"), (200, ""), "not ready: warming up"),
        ((200, ""), (401, ""), "token is refused"),
        ((200, ""), (500, "x"), "500"),
        ((200, ""), (200, "<html>"), "no answer"),
        ((200, ""), (200, "[]"), "not that of a Storm Petrel"),
    ],
)
def test_everything_else_is_2_and_says_why(
    server: Answering, ready: tuple[int, str], now: tuple[int, str], said: str
) -> None:
    server.ready, server.now = ready, now
    code, text = ask(server)
    assert code == 2
    assert said in text
    assert "Traceback" not in text


def test_nobody_there_is_2() -> None:
    found = RUN.invoke(app, ["status", "--url", "http://127.0.0.1:1"])
    assert found.exit_code == 2
    assert "gives no answer" in found.stderr
    assert RUN.invoke(app, ["status", "--url", "http://[broken"]).exit_code == 2
