"""A process killed between deciding on a page and delivering it: the page is told after the restart."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.notify.receivers import Service, running
from tests.notify.test_desk import await_it
from tests.notify.test_notifiers import hidden

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.model.notification import DeliveryState

# The desk as the runtime has it, over the real store; the page is decided and stored in the first life only.
_PROGRAM = """
import pathlib, sys
from tests.notify.rig import paged_incident
from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.access import Access
from stormpetrel.app.config import load_config
from stormpetrel.app.notify.desk import NotifyDesk
from dataclasses import replace

folder, life = pathlib.Path(sys.argv[1]), sys.argv[2]
route = {"type": "webhook", "timeout_seconds": 60,
         "url": {"file": str(folder / "url")}, "secret": {"file": str(folder / "key")}}
config = load_config(None, {"data_dir": str(folder), "notify": {"hook": route}})
clock = SystemClock()
store = open_control_store(f"sqlite:///{folder / 'control.sqlite'}", folder, clock)
desk = NotifyDesk(config, store, Access(store, clock), clock, lambda run: 0)
desk.start()
if life == "first":
    incident = paged_incident(1)
    page = replace(incident.page, time_unix_nano=clock.now_unix_nano())
    store.save_incidents([replace(incident, page=page)])
    desk.told([replace(incident, page=page)])
print("begun", flush=True)
sys.stdin.read()
desk.stop()
store.close()
"""


def test_a_page_is_told_after_a_kill_once_or_twice_and_never_not(tmp_path: Path) -> None:
    service = Service()
    service.how = "hang"
    with running(service):
        hidden(tmp_path, "url", f"http://127.0.0.1:{service.port}/")
        hidden(tmp_path, "key", "signing-key")
        with _life(tmp_path, "first") as first:
            await_it(lambda: service.tried > 0)
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert service.posts == [], "it was on its way, and nobody has it"
        service.how = "take"
        service.let_go.set()
        with _life(tmp_path, "second") as second:
            await_it(lambda: len(service.posts) >= 1)  # ending waits for what is under way to be on record
            second.communicate("")
    assert 1 <= len(service.posts) <= 2
    store = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}", tmp_path)
    try:
        assert [one.state for one in store.list_notices()] == [DeliveryState.SENT]
    finally:
        store.close()
    assert {one["key"] for one in service.posts} == {"page:i1"}


def _life(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, str(folder), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
