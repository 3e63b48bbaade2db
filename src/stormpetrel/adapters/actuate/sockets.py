"""HTTP and lines over loopback and unix sockets, bounded in time and size.

The one thing that matters here is to know what a failure means: an order that was never sent was certainly
not done; anything later is in doubt.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx

from stormpetrel.adapters.actuate.base import Deadline, NotDoneError
from stormpetrel.errors import ActuatorError

MAX_BYTES = 4 << 20
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def http_client(unix_socket: str = "", verify: ssl.SSLContext | bool = True) -> httpx.Client:
    """A client that follows no redirect, heeds no proxy of the environment and keeps no cookie."""
    if unix_socket:
        return httpx.Client(transport=httpx.HTTPTransport(uds=unix_socket), trust_env=False)
    return httpx.Client(transport=httpx.HTTPTransport(verify=verify, trust_env=False), trust_env=False)


def exchange(
    client: httpx.Client, request: httpx.Request, deadline: Deadline, most: int = MAX_BYTES
) -> tuple[int, bytes]:
    """Status and body of the answer to one request.

    Raises:
        NotDoneError: it was never sent. ActuatorError: no whole answer in time, or one of more than `most`
            bytes; the request may have had its effect.
    """
    request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), deadline.left())
    try:
        answer = client.send(request, stream=True, follow_redirects=False)
        try:
            body = b""
            for part in answer.iter_bytes(1 << 16):
                body += part
                if len(body) > most:
                    raise ActuatorError(f"answered {answer.status_code} with more than {most} bytes")
                deadline.check()
            return answer.status_code, body
        finally:
            answer.close()
    except _NEVER_SENT as error:
        raise NotDoneError(f"cannot be reached: {type(error).__name__}: {error}") from None
    except (httpx.HTTPError, OSError) as error:
        raise ActuatorError(f"no whole answer: {type(error).__name__}: {error}") from None


def ask_line(path: Path, line: str, deadline: Deadline, most: int = MAX_BYTES) -> str:
    """The answer to one line on a unix stream socket, to its end.

    Raises:
        NotDoneError, ActuatorError: as `exchange`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(deadline.left())
        try:
            connection.connect(str(path))
        except OSError as error:
            raise NotDoneError(f"{path} cannot be reached: {error.strerror or error}") from None
        try:
            connection.sendall(line.encode("ascii") + b"\n")
            found = b""
            while part := connection.recv(1 << 16):
                found += part
                if len(found) > most:
                    raise ActuatorError(f"{path} answered more than {most} bytes")
                connection.settimeout(deadline.left())
        except TimeoutError:
            raise ActuatorError(f"{path} did not answer within the time that was given") from None
        except OSError as error:
            raise ActuatorError(f"{path}: {error.strerror or error}") from None
    return found.decode("utf-8", "replace")
