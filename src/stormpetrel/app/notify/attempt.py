"""One attempt at a delivery, which ends in time whatever the notifier does."""

from __future__ import annotations

import threading

from stormpetrel.errors import NotifyError, StormPetrelError
from stormpetrel.model.notification import Message
from stormpetrel.ports.notify import Notifier

_GRACE_SECONDS = 2.0  # a notifier gives up by itself first, and can say why


class Attempt:
    """Calls a notifier in a thread of its own, one at a time, and waits no longer than it may take.

    One that hangs for good keeps its one thread; until it ends nothing more is given to it.

    Args:
        name: of the route.
    """

    def __init__(self, notifier: Notifier, timeout_seconds: float, name: str) -> None:
        self._notifier, self._seconds, self._name = notifier, timeout_seconds + _GRACE_SECONDS, name
        self._thread: threading.Thread | None = None

    def send(self, message: Message) -> None:
        """Deliver a message.

        Raises:
            StormPetrelError: it was not delivered, or nobody knows; the text holds no secret.
        """
        if self._thread is not None and self._thread.is_alive():
            raise NotifyError("the delivery before this one still hangs")
        failed: list[StormPetrelError] = []

        def call() -> None:
            try:
                self._notifier.notify(message)
            except StormPetrelError as error:
                failed.append(error)
            # A notifier of another package may raise anything, with the address and its secrets in the text.
            except Exception as error:  # noqa: BLE001 - told by its name alone, and tried again
                failed.append(NotifyError(f"the notifier failed: {type(error).__name__}"))

        self._thread = threading.Thread(target=call, name=f"notify-{self._name}-send", daemon=True)
        self._thread.start()
        self._thread.join(self._seconds)
        if self._thread.is_alive():
            raise NotifyError(f"no answer within {self._seconds:g} s")
        if failed:
            raise failed[0]
