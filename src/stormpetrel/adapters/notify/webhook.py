"""Messages to a service of yours, as signed JSON.

One `POST` a message, signed as the orders of `adapters.actuate.webhook` are (see `adapters.signing`), with an
`Idempotency-Key`: what comes twice has the same. Redirects are never followed, TLS is verified, and plain
HTTP goes to loopback only. 2xx: taken. 408, 409, 425, 429, 5xx and silence: it comes again. The rest: never.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import ssl
import time

import httpx
import orjson
from pydantic import Field

from stormpetrel.adapters.notify.settings import NotifierPlace, NotifySettings, SecretSettings
from stormpetrel.adapters.secret import read_secret
from stormpetrel.adapters.signing import KEY, NONCE, SIGNATURE, TIMESTAMP, signature, signed_text
from stormpetrel.errors import ConfigError, NotifyError, NotTakenError
from stormpetrel.model.notification import Message

_AGAIN = frozenset({408, 409, 425, 429})


class WebhookNotifySettings(NotifySettings):
    """A service of yours that takes messages."""

    url: SecretSettings = Field(description="where the address is kept: often it is a secret itself")
    secret: SecretSettings = Field(description="where the secret is kept that requests are signed with")
    ca_file: str = Field("", description="PEM of who signed the receiver's certificate; empty: the system's")


class WebhookNotifier:
    """Sends each message as one signed JSON object. Costs one request."""

    Settings = WebhookNotifySettings

    def __init__(self, place: NotifierPlace, settings: WebhookNotifySettings) -> None:
        self._place, self._settings = place, settings
        verify = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True
        self._client = httpx.Client(
            verify=verify, timeout=settings.timeout_seconds, follow_redirects=False, trust_env=False
        )

    def notify(self, message: Message) -> None:
        """One request."""
        url = _address(read_secret(self._settings.url, self._place.environment), self._place.name)
        secret = read_secret(self._settings.secret, self._place.environment)
        body = orjson.dumps(_content(message))
        key = hashlib.sha256(message.key.encode("utf-8", "surrogatepass")).hexdigest()
        headers = {TIMESTAMP: str(int(time.time())), NONCE: secrets.token_hex(16), KEY: key}
        text = signed_text("POST", url.raw_path.decode("ascii"), headers, body)
        headers |= {SIGNATURE: signature(secret, text), "Content-Type": "application/json"}
        try:
            with self._client.stream("POST", url, headers=headers, content=body) as answer:
                status = answer.status_code  # what it says is nobody's: a receiver may answer without end
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotifyError(f"the receiver does not answer: {type(error).__name__}") from None
        if status // 100 == 2:
            return
        if status // 100 == 5 or status in _AGAIN:
            raise NotifyError(f"the receiver answered {status}")
        raise NotTakenError(f"the receiver answered {status}, and would again")


def _content(message: Message) -> dict[str, object]:
    return {
        "key": message.key,
        "kind": message.kind.value,
        "severity": message.severity.name.lower(),
        "time_unix_nano": message.time_unix_nano,
        "title": " ".join(message.title.split()),
        "text": message.body,
        "link": message.link,
        "answers": [{"person": person, "link": link} for person, link in message.answers],
    }


def _address(text: str, name: str) -> httpx.URL:
    """The address, if messages may go there.

    Raises:
        ConfigError: they may not; says why without the address.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ConfigError(f"[notify.{name}] url: what is kept there is no address") from None
    if url.scheme != "https" and not (url.scheme == "http" and _loopback(url.host)):
        raise ConfigError(f"[notify.{name}] url: https is needed, except on loopback")
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
