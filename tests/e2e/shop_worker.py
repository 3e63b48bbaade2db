"""A worker of a small shop: serves one request at a time, tells how it fares, and says where it can be found.

    python shop_worker.py VERSION PORTS INDEX SECONDS FOLDER

It listens on the INDEXth of PORTS, takes SECONDS for a request, and writes itself into FOLDER as a list of
Prometheus' file_sd while it runs. Version B fails a third of its requests, A one of a hundred.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

_BUSY_SECONDS = 0.003  # of the processor's time, for each request


class Shop:
    """What the worker counts."""

    def __init__(self, version: str, seconds: float, seed: int) -> None:
        self._version, self._seconds, self._random = version, seconds, Random(seed)
        self._turn = threading.Lock()
        self._under_way = 0
        self._changed = threading.Condition()
        self.ends = False
        self._counts = {"200": 0, "500": 0}
        self._spent = 0.0

    def order(self) -> tuple[int, str]:
        """Serve one request, in turn."""
        begun = time.monotonic()
        with self._changed:
            self._under_way += 1
        try:
            return self._served(begun)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Wait until nothing is under way any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, 8)

    def _served(self, begun: float) -> tuple[int, str]:
        with self._turn:
            until = time.process_time() + _BUSY_SECONDS
            while time.process_time() < until:
                pass
            time.sleep(self._seconds)
            share = 1 / 3 if self._version == "B" else 0.01
            status = "500" if self._random.random() < share else "200"
            self._counts[status] += 1
            self._spent += time.monotonic() - begun
        return int(status), self._version

    def metrics(self) -> str:
        """Prometheus' text format."""
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{code="{code}"}} {count}' for code, count in self._counts.items()]
        lines += [
            "# TYPE http_request_duration_seconds summary",
            f"http_request_duration_seconds_sum {self._spent}",
            f"http_request_duration_seconds_count {sum(self._counts.values())}",
            "# TYPE process_cpu_seconds_total counter",
            f"process_cpu_seconds_total {time.process_time()}",
        ]
        return "\n".join(lines) + "\n"


def served(shop: Shop) -> type[BaseHTTPRequestHandler]:
    """What answers requests to a shop."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/metrics":
                status, text = 200, shop.metrics()
            elif self.path == "/health":
                status, text = 200, "well"
            else:
                status, text = shop.order()
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            if shop.ends:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *rest: object) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the client went away

    return Answers


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main(version: str, ports: str, index: str, seconds: str, folder: str) -> None:
    """Serve until SIGTERM."""
    port = int(ports.split(",")[int(index)])
    shop = Shop(version, float(seconds), port)
    server = Server(("127.0.0.1", port), served(shop))
    place = Path(folder) / f"{port}.json"
    beside = place.with_suffix(".new")
    beside.write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"], "labels": {"service": "shop"}}]))

    def end(*_: object) -> None:
        place.unlink(missing_ok=True)
        shop.ends = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    beside.replace(place)
    server.serve_forever(0.05)
    server.server_close()
    shop.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
