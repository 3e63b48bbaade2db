"""A running Storm Petrel tells by mail and by webhook, shows what fails, and writes no address down."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Petrel, http_get, wait_until
from tests.e2e.sent import csrf, person
from tests.notify.receivers import Mailbox, Service, running
from tests.notify.test_notifiers import HUSH, hidden

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROUTES = """
[notify.mail]
type = "apprise"
url = {{{{file = "{folder}/mail"}}}}
[notify.hook]
type = "webhook"
kinds = ["switch"]
timeout_seconds = 30
url = {{{{file = "{folder}/hook"}}}}
secret = {{{{file = "{folder}/key"}}}}
"""


def test_mail_and_webhook_are_told_and_what_fails_is_shown(petrel: Petrel, tmp_path: Path) -> None:
    mailbox, service = Mailbox(), Service()
    folder = tmp_path / "secrets"
    folder.mkdir()
    petrel.config = CONFIG + ROUTES.format(folder=folder)
    with running(mailbox), running(service):
        hidden(
            folder, "mail", f"mailto://127.0.0.1:{mailbox.port}/?from={HUSH}@example.org&to=ann@example.org"
        )
        hidden(folder, "hook", f"http://127.0.0.1:{service.port}/{HUSH}")
        hidden(folder, "key", f"key-{HUSH}")
        petrel.start()
        with person(petrel) as admin:
            form = csrf(admin.get("/about").text)
            page = admin.get("/settings/notifications").text
            assert "nothing sent yet" in page
            stop = {"scope": "service:service:shop", "reason": "see http://evil.example", **form}
            assert admin.post("/automation/switch/engage", data=stop).is_success
            wait_until(lambda: bool(mailbox.mails and service.posts), 60, lambda: petrel.output[-2000:])
            assert "Kill switch engaged: service:service:shop is stopped" in mailbox.mails[0]
            assert "see http[:]//evil[.]example" in mailbox.mails[0]
            assert f"{petrel.url}/automation" in mailbox.mails[0]
            assert service.posts[0]["link"] == f"{petrel.url}/automation"
            service.how = "busy"
            assert admin.post("/settings/notifications/hook/test", data=form).is_success
            wait_until(
                lambda: "the route hook does not deliver" in http_get(f"{petrel.url}/readyz").text, 60,
                lambda: petrel.output[-2000:],
            )  # fmt: skip
            metrics = http_get(f"{petrel.url}/metrics").text
            assert 'petrel_notify_failures_total{reason="not_delivered",route="hook"}' in metrics
            assert 'petrel_notify_sent_total{route="mail"} 1.0' in metrics
            assert "failing" in admin.get("/settings/notifications").text
            shown = admin.get("/settings/notifications").text + admin.get("/automation/ledger").text + metrics
    assert petrel.stop() == 0
    kept = [path for path in (petrel.directory / "data").rglob("*") if path.is_file()]
    assert HUSH not in shown + petrel.output
    assert not any(HUSH.encode() in path.read_bytes() for path in kept)
