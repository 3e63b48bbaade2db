"""Notifiers before real receivers: mail and JSON by Apprise, and the signed webhook."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.notify.receivers import Mailbox, Service, running

from stormpetrel.adapters.notify.apprise import AppriseNotifier, AppriseSettings
from stormpetrel.adapters.notify.settings import NotifierPlace
from stormpetrel.adapters.notify.webhook import WebhookNotifier, WebhookNotifySettings
from stormpetrel.adapters.signing import KEY, NONCE, TIMESTAMP, signed_text, verify
from stormpetrel.errors import ConfigError, NotifyError, NotTakenError
from stormpetrel.testing.check_notifier import NOTIFIER_CHECKS, Bench, MakeBench, sample_message

HUSH = "s3cr3t-of-the-receiver"
Making = Callable[[str, float], Bench]


def hidden(folder: Path, name: str, text: str) -> dict[str, str]:
    """A file that only its owner reads, as sections name it."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return {"file": str(path)}


@pytest.fixture
def making(tmp_path: Path) -> Iterator[Making]:
    """Makes benches by kind; their receivers end with the test."""
    with ExitStack() as stack:

        def make(kind: str, seconds: float) -> Bench:
            number = len(list(tmp_path.iterdir()))
            if kind == "mail":
                mailbox = Mailbox()
                stack.enter_context(running(mailbox))
                url = f"mailto://127.0.0.1:{mailbox.port}/?from=petrel@example.org&to=ann@example.org"
                section = {
                    "type": "apprise",
                    "timeout_seconds": seconds,
                    "url": hidden(tmp_path, f"{number}", url),
                }
                notifier = AppriseNotifier(NotifierPlace("mail", {}), AppriseSettings.model_validate(section))
                return Bench(
                    notifier,
                    lambda: mailbox.mails,
                    lambda how: setattr(mailbox, "how", how),
                    (url, "ann@exa"),
                )
            service = Service()
            stack.enter_context(running(service))
            received = lambda: [  # noqa: E731 - one expression, given to two benches
                f"{one['title']}\n{one.get('message', one.get('text'))}" for one in service.posts
            ]
            behave = lambda how: setattr(service, "how", how)  # noqa: E731 - the same
            if kind == "json":
                url = f"json://127.0.0.1:{service.port}/{HUSH}"
                section = {
                    "type": "apprise",
                    "timeout_seconds": seconds,
                    "url": hidden(tmp_path, f"{number}", url),
                }
                made = AppriseNotifier(NotifierPlace("json", {}), AppriseSettings.model_validate(section))
                return Bench(made, received, behave, (url, HUSH))
            url = f"http://127.0.0.1:{service.port}/{HUSH}"
            section = {
                "type": "webhook", "timeout_seconds": seconds, "url": hidden(tmp_path, f"{number}", url),
                "secret": hidden(tmp_path, f"{number}-key", "signing-key"),
            }  # fmt: skip
            place = NotifierPlace("hook", {})
            hook = WebhookNotifier(place, WebhookNotifySettings.model_validate(section))
            return Bench(hook, received, behave, (url, HUSH, "signing-key"))

        yield make


@pytest.mark.parametrize("kind", ["mail", "json", "webhook"])
@pytest.mark.parametrize("check", NOTIFIER_CHECKS, ids=lambda check: str(check.__name__))
def test_contract(check: Callable[[MakeBench], None], kind: str, making: Making) -> None:
    check(lambda seconds: making(kind, seconds))


def hook_of(folder: Path, address: str, key: str = "signing-key") -> WebhookNotifier:
    section = {
        "type": "webhook",
        "timeout_seconds": 60,
        "url": hidden(folder, "url", address),
        "secret": hidden(folder, "key", key),
    }
    return WebhookNotifier(NotifierPlace("hook", {}), WebhookNotifySettings.model_validate(section))


def test_a_webhook_is_signed_over_all_of_it_and_repeats_its_key(tmp_path: Path) -> None:
    service = Service()
    with running(service):
        hook = hook_of(tmp_path, f"http://127.0.0.1:{service.port}/in?team=a")
        hook.notify(sample_message())
        hook.notify(sample_message())
    first, second = service.headers
    assert first[KEY.lower()] == second[KEY.lower()], "the receiver can tell that it is the same"
    assert first[NONCE.lower()] != second[NONCE.lower()]
    given = {TIMESTAMP: first[TIMESTAMP.lower()], NONCE: first[NONCE.lower()], KEY: first[KEY.lower()]}
    text = signed_text("POST", "/in?team=a", given, service.bodies[0])
    assert verify("signing-key", text, first["x-storm-petrel-signature"])
    assert not verify("another", text, first["x-storm-petrel-signature"])
    sent = service.posts[0]
    assert sent["answers"] == [{"person": "ann", "link": "https://petrel.example/consent/abc"}]
    assert sent["severity"] == "critical"


@pytest.mark.parametrize("how", ["refuse", "elsewhere"])
def test_what_is_refused_for_good_is_not_sent_again_and_no_redirect_is_followed(
    how: str, tmp_path: Path
) -> None:
    service = Service()
    service.how = how
    with running(service), pytest.raises(NotTakenError):
        hook_of(tmp_path, f"http://127.0.0.1:{service.port}/in").notify(sample_message())
    assert service.tried == 1


@pytest.mark.parametrize(
    "address", ["http://example.org/in", "ftp://example.org/x", "https//nonsense", "[::"]
)
def test_an_address_that_will_not_do_is_told_without_being_told(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        hook_of(tmp_path, address).notify(sample_message())
    assert "notify.hook" in str(told.value)
    assert address not in str(told.value)


@pytest.mark.parametrize("url", ["nonsense://x", "not an address", "syslog://", "dbus://", "mailto://"])
def test_apprise_addresses_that_tell_nobody_are_errors(url: str, tmp_path: Path) -> None:
    section = {"type": "apprise", "url": hidden(tmp_path, "url", url)}
    notifier = AppriseNotifier(NotifierPlace("chat", {}), AppriseSettings.model_validate(section))
    with pytest.raises(ConfigError, match=r"notify\.chat"):
        notifier.notify(sample_message())


def test_a_secret_is_read_anew_and_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    first, second = Service(), Service()
    with running(first), running(second):
        section = {"type": "apprise", "timeout_seconds": 60, "url": {"env": "CHAT"}}
        environment = {"CHAT": f"json://127.0.0.1:{first.port}"}
        place = NotifierPlace("chat", environment)
        notifier = AppriseNotifier(place, AppriseSettings.model_validate(section))
        notifier.notify(sample_message())
        environment["CHAT"] = f"json://127.0.0.1:{second.port}"
        notifier.notify(sample_message())
        assert (first.tried, second.tried) == (1, 1)
    hook = hook_of(tmp_path, "http://127.0.0.1:1/")
    os.chmod(tmp_path / "key", 0o644)  # noqa: PTH101 - the mode that is wrong
    with pytest.raises(ConfigError, match="chmod 600"):
        hook.notify(sample_message())


class Root(logging.Handler):
    """What reaches the logs of this process."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_nothing_that_apprise_logs_goes_anywhere(
    making: Making, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root()
    monkeypatch.setattr(logging.getLogger("apprise"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("apprise"), "level", logging.DEBUG)
    logging.getLogger().addHandler(root)
    try:
        bench = making("json", 60.0)
        bench.behave("busy")
        with pytest.raises(NotifyError, match="HTTP 503"):
            bench.notifier.notify(sample_message())
    finally:
        logging.getLogger().removeHandler(root)
    out, err = capfd.readouterr()
    assert HUSH not in "\n".join(root.lines) + out + err
