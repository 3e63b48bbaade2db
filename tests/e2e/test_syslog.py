"""Real senders of syslog: what they sent is what is stored, in order, with its time."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, free_port, wait_until
from tests.e2e.syslog_senders import SECOND, listening, log_rows, logger, messages, rsyslog, stored, syslog_ng

pytestmark = pytest.mark.e2e

COUNT = 3000


def holds(petrel: Petrel, rows: int) -> bool:
    return log_rows(petrel) == rows


def test_logger_over_udp_and_tcp_in_every_form(tmp_path: Path) -> None:
    udp, tcp = free_port(), free_port()
    petrel = listening(tmp_path, udp_port=udp, tcp_port=tcp).start()
    began = time.time_ns()
    forms = [
        (udp, ["-d", "--rfc3164"]),
        (udp, ["-d", "--rfc5424"]),
        (tcp, ["-T", "--rfc3164"]),
        (tcp, ["-T", "--rfc5424"]),
        (tcp, ["-T", "--rfc3164", "--octet-count"]),
        (tcp, ["-T", "--rfc5424", "--octet-count"]),
        (tcp, ["-T", "--rfc5424", "--msgid", "ID7", "--sd-id", "order@1", "--sd-param", 'n="5"']),
    ]
    for number, (port, options) in enumerate(forms):
        logger(port, [f"form {number} line {n}" for n in range(100)], *options)
        wait_until(partial(holds, petrel, 100 * (number + 1)), 20, lambda: petrel.output)
    rows = stored(petrel, tmp_path)
    assert [row["body"] for row in rows] == [f"form {m} line {n}" for m in range(7) for n in range(100)]
    assert {row["severity_number"] for row in rows} == {13}
    assert {row["entity"] for row in rows} == {f"host:{socket.gethostname().partition('.')[0]}"}
    # RFC 3164 says whole seconds.
    assert all(began - SECOND <= row["time_unix_nano"] <= row["observed_unix_nano"] for row in rows)
    attributes = [json.loads(row["attributes"]) for row in rows]
    assert all(
        (one["process"], one["process.pid"], one["syslog.facility"]) == ("shop", "77", "local3")
        for one in attributes
    )
    assert attributes[-1]["syslog.msgid"] == "ID7"
    assert attributes[-1]["syslog.order@1.n"] == "5"


def send_counted(port: int, sent: list[tuple[int, str, bytes]]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sender:
        sender.sendall(b"".join(b"%d %s" % (len(message), message) for _, _, message in sent))


def check_stored(petrel: Petrel, folder: Path, sent: list[tuple[int, str, bytes]], structured: bool) -> None:
    wait_until(lambda: log_rows(petrel) >= len(sent), 60, lambda: f"{log_rows(petrel)} stored")
    rows = stored(petrel, folder)
    assert [(row["time_unix_nano"], row["body"]) for row in rows] == [(at, text) for at, text, _ in sent]
    assert {(row["entity"], row["severity_number"]) for row in rows} == {("host:web-1", 13)}
    attributes = [json.loads(row["attributes"]) for row in rows]
    assert {(one["process"], one["process.pid"]) for one in attributes} == {("shop", "77")}
    if structured:
        assert [one["syslog.order@1.n"] for one in attributes] == [str(n) for n in range(len(sent))]


@pytest.mark.parametrize(
    ("destination", "structured"),
    [
        ('syslog("127.0.0.1" port({port}) transport("tcp"))', True),
        ('network("127.0.0.1" port({port}) transport("tcp"))', False),
        ('syslog("127.0.0.1" port({port}) transport("tcp") disk-buffer(reliable(yes) disk-buf-size(10485760)'
         ' mem-buf-size(1048576) dir("{folder}")))', True),
    ],
    ids=["rfc5424", "rfc3164", "disk-buffer"],
)  # fmt: skip
def test_syslog_ng(tmp_path: Path, destination: str, structured: bool) -> None:
    port, incoming = free_port(), free_port()
    petrel = listening(tmp_path, tcp_port=port).start()
    sent = messages(COUNT)
    with syslog_ng(tmp_path, incoming, destination.format(port=port, folder=tmp_path)):
        send_counted(incoming, sent)
        check_stored(petrel, tmp_path, sent, structured)


def test_syslog_ng_over_tls_with_a_client_certificate(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    port, incoming = free_port(), free_port()
    files = {"certificate_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem"}
    named = {name: str(tmp_path / file) for name, file in files.items()}
    petrel = listening(tmp_path, tls_port=port, **named).start()
    destination = (
        f'syslog("localhost" port({port}) transport("tls") tls(ca-file("{tmp_path}/ca.pem") '
        f'key-file("{tmp_path}/client.key") cert-file("{tmp_path}/client.pem") '
        "peer-verify(required-trusted)))"
    )
    sent = messages(COUNT)
    with syslog_ng(tmp_path, incoming, destination):
        send_counted(incoming, sent)
        check_stored(petrel, tmp_path, sent, structured=True)


def make_certificates(folder: Path) -> None:
    """An authority, and certificates of a server and a client signed by it."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    commands = [
        ["req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2"]
    ]
    for who in ("server", "client"):
        commands += [
            ["req", *new, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}"],
            ["x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", "2", "-extfile", "names", "-out", f"{who}.pem"],
        ]  # fmt: skip
    for command in commands:
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


RSYSLOG_FORMS = {
    "rfc5424": 'port="{port}" protocol="tcp" TCP_Framing="octet-counted" '
    'template="RSYSLOG_SyslogProtocol23Format"',
    "rfc3164": 'port="{port}" protocol="tcp" template="RSYSLOG_ForwardFormat"',
}


def send_lines(port: int, sent: list[tuple[int, str, bytes]]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sender:
        sender.sendall(b"".join(message + b"\n" for _, _, message in sent))


@pytest.mark.parametrize("form", RSYSLOG_FORMS)
def test_rsyslog(tmp_path: Path, form: str) -> None:
    port, incoming = free_port(), free_port()
    petrel = listening(tmp_path, tcp_port=port).start()
    sent = messages(COUNT)
    with rsyslog(tmp_path, incoming, RSYSLOG_FORMS[form].format(port=port)):
        send_lines(incoming, sent)
        check_stored(petrel, tmp_path, sent, structured=form == "rfc5424")
