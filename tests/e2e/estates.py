"""What the closed loops act on: real workers of a shop, HAProxy, supervisord, and customers who order."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.conftest import CONFIG, free_port, http_get, wait_until

from stormpetrel.adapters.actuate.base import Deadline
from stormpetrel.adapters.actuate.sockets import ask_line

WORKER = Path(__file__).with_name("shop_worker.py")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
SUPERVISORD = shutil.which("supervisord")


def config_of(text: str) -> str:
    """A configuration that begins with the one of all end-to-end tests."""
    return CONFIG + text.replace("{", "{{").replace("}", "}}")


@contextmanager
def program(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program while it is needed; it is ended by its own process id."""
    with output.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int, path: str = "/health") -> bool:
    """Whether something serves there."""
    try:
        return http_get(f"http://127.0.0.1:{port}{path}", timeout=1).status_code == 200
    except Exception:  # noqa: BLE001 - whatever keeps it from answering
        return False


SUPERVISOR = """
[supervisord]
nodaemon=true
logfile={folder}/supervisor.log
pidfile={folder}/supervisor.pid
[unix_http_server]
file={folder}/rpc.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/rpc.sock
[program:shop]
command={python} {worker} A {ports} %(process_num)d {seconds} {folder}/targets
process_name=%(program_name)s_%(process_num)d
numprocs={count}
autostart={autostart}
autorestart=false
startsecs=0
"""


@dataclass
class Supervised:
    """Workers of the shop under supervisord; `running` of `count` are started."""

    folder: Path
    count: int = 1
    begin: int = 1
    seconds: float = 0.005
    ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ports = [free_port() for _ in range(self.count)]

    @contextmanager
    def running(self) -> Iterator[None]:
        assert SUPERVISORD is not None
        (self.folder / "targets").mkdir(exist_ok=True)
        conf = self.folder / "supervisor.conf"
        conf.write_text(
            SUPERVISOR.format(
                folder=self.folder, python=sys.executable, worker=WORKER, seconds=self.seconds,
                ports=",".join(map(str, self.ports)), count=self.count,
                autostart="true" if self.begin == self.count else "false",
            )
        )  # fmt: skip
        with program([SUPERVISORD, "-n", "-c", str(conf)], self.folder / "supervisor.out"):
            wait_until((self.folder / "rpc.sock").exists, 30, lambda: self.log)
            if self.begin < self.count:
                names = [f"shop:shop_{number}" for number in range(self.begin)]
                control = Path(SUPERVISORD).with_name("supervisorctl")
                command = [str(control), "-c", str(conf), "start", *names]
                subprocess.run(command, check=True, capture_output=True, timeout=60)
            wait_until(lambda: all(map(answers, self.ports[: self.begin])), 30, lambda: self.log)
            yield

    @property
    def log(self) -> str:
        return (self.folder / "supervisor.log").read_text()


PROXY = """
global
  stats socket {folder}/haproxy.sock mode 600 level admin
  maxconn 400
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
  timeout queue 20s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend front
  bind 127.0.0.1:{front}
  default_backend shop
backend shop
  balance leastconn
  option httpchk GET /health
  default-server check inter 300ms fall 2 rise 1
"""


@dataclass
class Proxy:
    """HAProxy in front of workers, by name and port; those in `idle` get no traffic at first."""

    folder: Path
    servers: dict[str, int]
    idle: tuple[str, ...] = ()
    front: int = field(default_factory=free_port)

    @property
    def socket(self) -> Path:
        return self.folder / "haproxy.sock"

    @contextmanager
    def running(self) -> Iterator[None]:
        assert HAPROXY is not None
        expected = {name for name, port in self.servers.items() if answers(port)}
        text = PROXY.format(folder=self.folder, front=self.front)
        text += "".join(f"  server {name} 127.0.0.1:{port}\n" for name, port in self.servers.items())
        conf = self.folder / "haproxy.cfg"
        conf.write_text(text)
        with program([HAPROXY, "-db", "-f", str(conf)], self.folder / "haproxy.out"):
            wait_until(self.socket.exists, 30)
            for name in self.idle:
                self.say(f"set server shop/{name} state drain")
            wait_until(lambda: answers(self.front) and self.up() == expected, 30)
            yield

    def up(self) -> set[str]:
        """The servers whose checks succeed."""
        return {row[3] for row in self._rows() if row[5] == "2"}

    def _rows(self) -> list[list[str]]:
        return [line.split() for line in self.say("show servers state shop").splitlines()[2:]]

    def say(self, line: str) -> str:
        """One command of the runtime API, and its answer."""
        return ask_line(self.socket, line, Deadline(20)).strip()

    def states(self) -> dict[str, int]:
        """What is set of each server: 0 is ready, 8 is drained."""
        return {row[3]: int(row[6]) & 9 for row in self._rows()}


@dataclass
class Releases:
    """Two workers of version A and two of B behind HAProxy; A serves until B is deployed."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {n: free_port() for n in ("a1", "a2", "b1", "b2")})

    def __post_init__(self) -> None:
        self.proxy = Proxy(self.folder, self.ports, idle=("b1", "b2"))

    @contextmanager
    def running(self) -> Iterator[None]:
        (self.folder / "targets").mkdir()
        with ExitStack() as stack:
            for name, port in self.ports.items():
                command = [sys.executable, str(WORKER), name[0].upper(), str(port), "0", "0.005"]
                command.append(str(self.folder / "targets"))
                stack.enter_context(program(command, self.folder / f"{name}.out"))
            wait_until(lambda: all(map(answers, self.ports.values())), 30)
            stack.enter_context(self.proxy.running())
            yield

    def deploy(self, version: str) -> None:
        """As a deployment does it: the new one gets the traffic, the old one is drained."""
        for name in self.ports:
            state = "ready" if name[0].upper() == version else "drain"
            assert self.proxy.say(f"set server shop/{name} state {state}") == ""

    def serving(self) -> set[str]:
        """The versions that get traffic."""
        return {name[0].upper() for name, state in self.proxy.states().items() if state == 0}


class Customers:
    """Customers who order at a rate, so many at once at most, and tell what they see of it."""

    def __init__(self, port: int, rate: float, at_once: int = 24) -> None:
        self._port, self._rate, self._at_once = port, rate, at_once
        self._lock = threading.Lock()
        self._due = time.monotonic()
        self._stop = threading.Event()
        self._counts: dict[str, int] = {"200": 0, "500": 0}
        self._seconds = 0.0
        self.metrics_port = 0

    def order_at(self, rate: float) -> None:
        """From now on so many orders a second."""
        with self._lock:
            self._rate, self._due = rate, time.monotonic()

    @property
    def counts(self) -> dict[str, int]:
        """Orders by how they ended."""
        with self._lock:
            return dict(self._counts)

    @property
    def lost(self) -> dict[str, int]:
        """Orders that nobody served."""
        return {status: count for status, count in self.counts.items() if status not in ("200", "500")}

    @contextmanager
    def ordering(self) -> Iterator[None]:
        customers = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = customers.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *rest: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.metrics_port = server.server_port
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,))]
        threads += [threading.Thread(target=self._order) for _ in range(self._at_once)]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self._stop.set()
            server.shutdown()
            server.server_close()
            for one in threads:
                one.join(60)

    def metrics(self) -> str:
        with self._lock:
            lines = ["# TYPE http_client_requests_total counter"]
            lines += [f'http_client_requests_total{{code="{c}"}} {n}' for c, n in self._counts.items()]
            lines += ["# TYPE http_client_request_seconds summary"]
            lines += [f"http_client_request_seconds_sum {self._seconds}"]
            lines += [f"http_client_request_seconds_count {sum(self._counts.values())}"]
        return "\n".join(lines) + "\n"

    def _wait_for_turn(self) -> bool:
        with self._lock:
            # Who was held up does not make up for it later: so many at once are all there are.
            self._due = max(self._due + 1.0 / self._rate, time.monotonic() - 0.2)
            due = self._due
        return not self._stop.wait(max(0.0, due - time.monotonic()))

    def _order(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while self._wait_for_turn():
            begun = time.monotonic()
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = "failed"
            with self._lock:
                self._counts[status] = self._counts.get(status, 0) + 1
                self._seconds += time.monotonic() - begun
        connection.close()


def scraped(folder: Path, customers: Customers) -> str:
    """The sections that scrape the workers that are there, and the customers, every second."""
    files = json.dumps(str(folder / "targets" / "*.json"))
    return f"""
[[sources.discovery]]
name = "shop"
files = [{files}]
refresh_seconds = 1
interval_seconds = 1
timeout_seconds = 0.9
[[sources.scrape]]
name = "customers"
url = "http://127.0.0.1:{customers.metrics_port}/metrics"
interval_seconds = 1
timeout_seconds = 0.9
labels = {{service = "shop"}}
"""
