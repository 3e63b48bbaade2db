"""The contract of `ports.notify.Notifier`, checked against a real receiver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stormpetrel.errors import NotifyError
from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import Message, NotificationKind
from stormpetrel.ports.notify import Notifier
from stormpetrel.testing.require import equal, require


@dataclass(frozen=True, slots=True)
class Bench:
    """A notifier before a real receiver.

    Attributes:
        notifier: with the timeout that was asked for.
        received: the texts that the receiver took so far, decoded, whole.
        behave: makes the receiver "take", be "busy" (for now), or "hang" (it accepts, and says nothing).
        secrets: texts that no error may hold: the address, passwords, keys.
    """

    notifier: Notifier
    received: Callable[[], list[str]]
    behave: Callable[[str], None]
    secrets: tuple[str, ...]


MakeBench = Callable[[float], Bench]  # of a timeout in seconds
_PATIENT_SECONDS, _SHORT_SECONDS = 60.0, 1.0


def sample_message(number: int = 1) -> Message:
    """A message of several lines with a link, and with what mail and chat could trip over."""
    return Message(
        key=f"page:i{number}",
        kind=NotificationKind.PAGE,
        severity=Severity.CRITICAL,
        time_unix_nano=1_790_000_000_000_000_000,
        title=f"Page {number}: checkout fails, 100 % of «requests» & more",
        body=f"Line one of {number}: naïve (b)no bold(/b) &amp; 5 + 3\nLine two.\n"
        f".\nhttps://petrel.example/incidents/i{number}",
        link=f"https://petrel.example/incidents/i{number}",
        answers=(("ann", "https://petrel.example/consent/abc"),),
    )


def messages_arrive_whole(make: MakeBench) -> None:
    """Title and every line, once each, in order, as they are."""
    bench = make(_PATIENT_SECONDS)
    for number in (1, 2):
        bench.notifier.notify(sample_message(number))
    found = bench.received()
    equal(len(found), 2)
    for number, text in zip((1, 2), found, strict=True):
        message = sample_message(number)
        for line in (message.title, *message.body.split("\n")):
            require(line in text, f"{line!r} did not arrive in {text!r}")


def a_refusal_is_told_and_over(make: MakeBench) -> None:
    """A receiver that is busy is told as such, and the next message is taken."""
    bench = make(_PATIENT_SECONDS)
    bench.behave("busy")
    error = _failure(bench)
    require(error.retryable, "what is busy may be free later")
    equal(bench.received(), [])
    bench.behave("take")
    bench.notifier.notify(sample_message(2))
    equal(len(bench.received()), 1)


def silence_ends(make: MakeBench) -> None:
    """A receiver that accepts and says nothing is given up."""
    bench = make(_SHORT_SECONDS)
    bench.behave("hang")
    require(_failure(bench).retryable, "nobody knows, so it comes again")


def errors_hold_no_secret(make: MakeBench) -> None:
    """Whatever goes wrong."""
    for how in ("busy", "hang"):
        bench = make(_SHORT_SECONDS if how == "hang" else _PATIENT_SECONDS)
        bench.behave(how)
        error = _failure(bench)
        told = f"{error} {error!r} {error.__cause__!r}"
        for secret in bench.secrets:
            require(secret not in told, f"the error tells a secret: {told}")


def a_title_is_one_line(make: MakeBench) -> None:
    """A line break in a title adds no header and no line of its own to what carries it."""
    bench = make(_PATIENT_SECONDS)
    message = sample_message()
    broken = Message(
        message.key, message.kind, message.severity, message.time_unix_nano,
        "Page\r\nBcc: everybody@example.org\r\n\r\nmore", "body",
    )  # fmt: skip
    bench.notifier.notify(broken)
    for line in bench.received()[0].splitlines():
        require(not line.lower().startswith("bcc:"), f"a title became a header: {line!r}")


def _failure(bench: Bench) -> NotifyError:
    try:
        bench.notifier.notify(sample_message())
    except NotifyError as error:
        return error
    raise AssertionError("it says that it was delivered, and it was not")


NOTIFIER_CHECKS: tuple[Callable[[MakeBench], None], ...] = (
    messages_arrive_whole,
    a_refusal_is_told_and_over,
    silence_ends,
    errors_hold_no_secret,
    a_title_is_one_line,
)
