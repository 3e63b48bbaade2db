"""A running Storm Petrel, as commands talk to it: over its API, with a token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import orjson
import typer

from stormpetrel.errors import ConfigError, StormPetrelError
from stormpetrel.model import canonical

T = TypeVar("T")
READ_TOKEN = Path("data/read.token")
_TIMEOUT_SECONDS = 20.0

Url = Annotated[str, typer.Option(help="address of the running Storm Petrel")]
Token = Annotated[str, typer.Option(envvar="STORMPETREL_TOKEN", help="API token", show_envvar=True)]
TokenFile = Annotated[Path | None, typer.Option(help="file that holds the token", dir_okay=False)]
DEFAULT_URL = "http://127.0.0.1:7780"


class ServerError(StormPetrelError):
    """The server does not answer, or does not do what was asked; the message says why and what to do next.

    Args:
        status: of the HTTP answer; 0: there was none, or it is not that of a Storm Petrel.
    """

    reason = "server"

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One server and one token.

    Args:
        url: its address.
        token: "" for none.
        scope: that the token needs; named when it is refused.
        timeout_seconds: for which one answer is waited.
    """

    def __init__(self, url: str, token: str, scope: str, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._url, self._scope, self._timeout = url.rstrip("/"), scope, timeout_seconds
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, kind: type[T]) -> T:
        """What stands at a path, as a value of the model.

        Raises:
            ServerError: not reachable, refused, or not the answer of a Storm Petrel of this version.
        """
        return self._value(self._asked("GET", path, None), kind)

    def put(self, path: str, content: object, kind: type[T]) -> T:
        """Change something; answers as `get`."""
        return self._value(self._asked("PUT", path, content), kind)

    def post(self, path: str, content: object, kind: type[T]) -> T:
        """Begin something; answers as `get`."""
        return self._value(self._asked("POST", path, content), kind)

    def _value(self, answer: httpx.Response, kind: type[T]) -> T:
        try:
            return canonical.read(kind, answer.text)
        except ValueError:
            raise ServerError(
                f"{self._url}: the answer is not that of a Storm Petrel of this version; use its own petrel"
            ) from None

    def _asked(self, method: str, path: str, content: object) -> httpx.Response:
        body = None if content is None else orjson.dumps(content)
        try:
            with httpx.Client(timeout=self._timeout, headers=self._headers, trust_env=False) as client:
                answer = client.request(
                    method, f"{self._url}{path}", content=body, headers={"Content-Type": "application/json"}
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerError(
                f"{self._url} gives no answer ({error}): start it with petrel up, or name another with --url"
            ) from None
        if answer.status_code // 100 == 2:
            return answer
        raise ServerError(f"{self._url}: {self._refusal(answer)}", answer.status_code)

    def _refusal(self, answer: httpx.Response) -> str:
        wanted = f"a token with scope {self._scope} (an admin makes one on the page API tokens)"
        if answer.status_code == 401:
            return f"the token is not known there, or none was given: give {wanted} by --token-file"
        try:
            message = str(orjson.loads(answer.content)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return f"the answer {answer.status_code} is not that of a Storm Petrel"
        if answer.status_code == 403 and "scope" in message:
            return f"{message}; this needs {wanted}"
        return message


def read_token(path: Path | None, default: Path | None = READ_TOKEN) -> str:
    """The token of a file; "" when none is named and the default is not there.

    Raises:
        ConfigError: the named file cannot be read.
    """
    chosen = path or default
    if chosen is None:
        return ""
    try:
        return chosen.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if path is None:
            return ""
        raise ConfigError(f"{path}: the token cannot be read: {error}") from error
