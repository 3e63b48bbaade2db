"""Messages by Apprise: mail, and a hundred services for chat and paging, each by an address of its own.

An address such as `mailtos://user:password@example.org?to=oncall@example.org` or `slack://A/B/C` holds its
secrets, so the whole of it is one. Apprise is loaded when the first message is sent, which takes a second.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

from pydantic import Field

from stormpetrel.adapters.notify.settings import NotifierPlace, NotifySettings, SecretSettings
from stormpetrel.adapters.secret import read_secret
from stormpetrel.errors import ConfigError, NotifyError
from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import Message

_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning"}  # the rest is a failure
_STATUS = re.compile(r"error=([0-9]{3})")
# Of this host's own desktop and log: nobody elsewhere would be told, and a program could be started.
_LOCAL = frozenset({"dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog"})
_LOADING = threading.Lock()


class AppriseSettings(NotifySettings):
    """A service that Apprise knows."""

    url: SecretSettings = Field(description="where Apprise's address of the service is kept")


class AppriseNotifier:
    """Sends plain text through one service of Apprise's.

    Fails as the service fails; Apprise says no more than "not sent", so whatever fails is tried again. Costs
    a connection a message.
    """

    Settings = AppriseSettings

    def __init__(self, place: NotifierPlace, settings: AppriseSettings) -> None:
        self._place, self._settings = place, settings
        self._kept: tuple[str, Any] | None = None

    def notify(self, message: Message) -> None:
        """One message."""
        url = read_secret(self._settings.url, self._place.environment)
        service = self._service(url)
        with _Heard() as heard:
            try:
                taken = service.notify(
                    body=message.body, title=" ".join(message.title.split()), body_format="text",
                    notify_type=_TYPES.get(message.severity, "failure"),
                )  # fmt: skip
            # A plugin raises what its libraries do, and the text may hold the address with its secrets.
            except Exception as error:  # noqa: BLE001 - told by its name alone
                raise NotifyError(f"the service failed: {type(error).__name__}") from None
        if not taken:
            raise NotifyError(f"the service did not take it{heard.status()}")

    def _service(self, url: str) -> Any:
        """Apprise's object for the address; made again only when the address has changed."""
        if self._kept is not None and self._kept[0] == url:
            return self._kept[1]
        import apprise  # noqa: PLC0415 - slow to load, and most installations tell nobody

        name = self._place.name
        if url.partition("://")[0].lower() in _LOCAL:
            raise ConfigError(
                f"[notify.{name}] url: that is this host's own desktop or log, and tells nobody"
            )
        asset = apprise.AppriseAsset(
            app_id="StormPetrel", app_desc="Storm Petrel", app_url="", async_mode=False, secure_logging=True,
            storage_mode=apprise.PersistentStoreMode.MEMORY, http_redirects=False,
            service_timeout=0,  # else it sends in threads that all services share, and that outlive us
        )  # fmt: skip
        with _LOADING:
            _hush()
            found: Any = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if not found:
            raise ConfigError(f"[notify.{name}] url: what is kept there is no address that Apprise knows")
        seconds = self._settings.timeout_seconds
        found.socket_connect_timeout = found.socket_read_timeout = seconds
        service = apprise.Apprise(asset=asset)
        service.add(found)
        self._kept = (url, service)
        return service


def _hush() -> None:
    """Apprise's lines hold addresses: they reach no log, nor the terminal that lines without one go to."""
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


class _Heard(logging.Handler):
    """What Apprise logs while one message is sent by this thread: its lines may hold secrets, and go nowhere.

    The status of HTTP alone is read from them.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._found = ""

    def __enter__(self) -> _Heard:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        match = _STATUS.search(record.getMessage()) if record.thread == self._thread else None
        if match:
            self._found = match[1]

    def status(self) -> str:
        """The status in words; "" when none was heard of."""
        return f" (HTTP {self._found})" if self._found else ""
