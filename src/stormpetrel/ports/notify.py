"""The notifier port: brings one message to people, by mail, chat, pager or webhook."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.notification import Message


class Notifier(Protocol):
    """Delivers messages. Made of its section (`Settings`) and a place, as `NotifierPlace` has it.

    A message is plain text, and stays it: a notifier marks nothing up, and makes no link of anything. It
    holds no queue and tries once: who calls it repeats, counts and gives up. It is called by one thread at a
    time. It may take as long as its `timeout_seconds`, and gives up then.
    """

    def notify(self, message: Message) -> None:
        """Deliver one message; returning says that the receiver took it.

        The same message may come again, when nobody knows whether it arrived: `key` is the same then.

        Raises:
            NotifyError: it was not delivered, and may be later. The text names no address and no secret.
            NotTakenError: the receiver will not take it, however often it is sent.
            ConfigError: its secret cannot be read; names file or variable.
        """
        ...
