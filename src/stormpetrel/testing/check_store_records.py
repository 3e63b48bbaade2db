"""The clauses of `ports.store.TelemetryStore` about flows, alerts and changes, and about what is dropped."""

from __future__ import annotations

import dataclasses

import numpy as np

from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.records import (
    Alert,
    AlertState,
    Change,
    ChangeKind,
    ChangeState,
    Flow,
)
from stormpetrel.model.time import Window
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.check_store_metrics import EVER, MakeStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_records import alert_batch, change_batch, flow_batch
from stormpetrel.testing.store_samples import NOW, ODD_TEXT, SECOND, log_batch, metric_batch, span_batch

LOWEST, HIGHEST = -(2**63), 2**63 - 2


def alerts_come_back(make_store: MakeStore) -> None:
    """Every column, odd text, extreme times and labels included."""
    store = make_store()
    odd: dict[str, object] = dict.fromkeys(("entity", "source", "fingerprint", "name"), ODD_TEXT)
    odd |= {"summary": ODD_TEXT, "url": ODD_TEXT, "time_unix_nano": HIGHEST, "start_unix_nano": LOWEST}
    odd |= {"labels": '{"a":"b","n":1}', "annotations": "no object", "request_token": 2**64 - 1}
    store.insert_records(alert_batch([odd, {}, {"time_unix_nano": LOWEST, "fingerprint": "old"}]), "alerts")
    store.insert_records(alert_batch([]), "empty")
    plain = Alert(
        NOW, NOW, 0, "host:a", "test", "f1", "DiskFull", AlertState.FIRING, 13, "the disk is full",
        "http://localhost/graph", {"alertname": "DiskFull"}, {},
    )  # fmt: skip
    found = store.read_alerts(EVER)
    equal(found[1:], [plain, dataclasses.replace(plain, time_unix_nano=LOWEST, fingerprint="old")])
    equal((found[0].time_unix_nano, found[0].start_unix_nano), (HIGHEST, LOWEST))
    texts = (found[0].entity, found[0].source, found[0].fingerprint, found[0].name, found[0].summary)
    equal({*texts, found[0].url}, {ODD_TEXT})
    equal((dict(found[0].labels), len(found[0].annotations)), ({"a": "b", "n": "1"}, 1))
    store.close()


def _states(store: TelemetryStore, window: Window, limit: int = 500) -> list[tuple[str, str, str, str]]:
    found = store.read_alerts(window, limit)
    return [(one.source, one.fingerprint, one.state.value, one.summary) for one in found]


def alerts_have_one_state(make_store: MakeStore) -> None:
    """The newest state by source and fingerprint of what the window holds, in whatever order it came."""
    store = make_store()
    over: dict[str, object] = {"time_unix_nano": NOW + 9, "end_unix_nano": NOW + 9, "state": "resolved"}
    store.insert_records(alert_batch([{"fingerprint": "late", **over}]), "late end")
    store.insert_records(alert_batch([{}, {"fingerprint": "late"}, {"source": "other"}]), "starts")
    store.insert_records(alert_batch([{"summary": "said again"}, {"summary": "and again"}]), "again")
    late, other = (
        ("test", "late", "resolved", "the disk is full"),
        ("other", "f1", "firing", "the disk is full"),
    )
    equal(_states(store, EVER)[0], late)
    equal(sorted(_states(store, EVER)), sorted([late, other, ("test", "f1", "firing", "and again")]))
    store.insert_records(alert_batch([{"state": "resolved", "summary": "at once"}]), "no length")
    store.insert_records(alert_batch([{"summary": "told late"}]), "behind")
    require(("test", "f1", "resolved", "at once") in _states(store, EVER), "of one time, resolved is newer")
    before = Window(NOW, NOW + 9)
    require(("test", "late", "firing", "the disk is full") in _states(store, before), "windows are half-open")
    equal(_states(store, EVER, limit=1), [late])
    equal(_states(store, EVER, limit=0), [])
    equal(_states(store, Window(NOW + 10, NOW + 20)), [])
    store.insert_records(alert_batch([{"state": "unheard of", "fingerprint": "new word"}]), "word")
    require(("test", "new word", "firing", "the disk is full") in _states(store, EVER), "unknown words fire")
    store.close()


def changes_come_back(make_store: MakeStore) -> None:
    """Every column; the newest message of each change by source and change id; newest first."""
    store = make_store()
    first = Change(
        NOW, "service:shop", "test", "c1", ChangeKind.DEPLOY, ChangeState.STARTED, "shop 2.1", "production",
        "2.1", "ann", "http://localhost/deploys/1", {},
    )  # fmt: skip
    store.insert_records(change_batch([{}, {"change_id": "c2", "time_unix_nano": NOW + 1}]), "two")
    store.insert_records(change_batch([]), "empty")
    second = dataclasses.replace(first, change_id="c2", time_unix_nano=NOW + 1)
    equal(store.read_changes(EVER), [second, first])
    store.insert_records(change_batch([{"state": "failed"}, {"state": "succeeded"}]), "same time")
    equal(store.read_changes(EVER)[1], dataclasses.replace(first, state=ChangeState.SUCCEEDED))
    store.insert_records(change_batch([{"time_unix_nano": NOW - 1, "title": "told late"}]), "late")
    equal([one.title for one in store.read_changes(EVER)], ["shop 2.1", "shop 2.1"])
    equal([one.title for one in store.read_changes(Window(NOW - 1, NOW))], ["told late"])
    odd: dict[str, object] = {"title": ODD_TEXT, "kind": "unheard of", "state": "?", "source": "other"}
    odd |= {"attributes": '{"commit":"abc","n":[1]}', "version": ODD_TEXT, "time_unix_nano": HIGHEST}
    store.insert_records(change_batch([odd]), "odd")
    newest = store.read_changes(EVER, limit=1)[0]
    equal((newest.kind, newest.state), (ChangeKind.OTHER, ChangeState.UNKNOWN))
    equal((newest.title, newest.version, newest.time_unix_nano), (ODD_TEXT, ODD_TEXT, HIGHEST))
    equal(dict(newest.attributes), {"commit": "abc", "n": "[1]"})
    store.close()


def flows_come_back(make_store: MakeStore) -> None:
    """Every column, newest start first, within window and limit, of one address if asked."""
    store = make_store()
    biggest: dict[str, object] = {"bytes_sent": 2**64 - 1, "bytes_received": 2**63, "source_port": 65_535}
    biggest |= {"protocol": 255, "state": ODD_TEXT, "application": "dns", "source_address": "2001:db8::1"}
    rows: list[dict[str, object]] = [
        {"start_unix_nano": NOW + place, "end_unix_nano": NOW + 9, "destination_address": f"10.0.1.{place}"}
        for place in range(5)
    ]
    store.insert_records(flow_batch([*rows, {"start_unix_nano": NOW + 5, **biggest}]), "flows")
    store.insert_records(flow_batch([]), "empty")
    found = store.read_flows(Window(NOW, NOW + 6))
    equal([flow.start_unix_nano - NOW for flow in found], [5, 4, 3, 2, 1, 0])
    plain = Flow(
        NOW + 4, NOW + 9, "host:a", "test", "10.0.0.1", 40_000, "10.0.1.4", 443, 6, 100, 200, "", ""
    )  # fmt: skip
    equal(found[1], plain)
    last = found[0]
    equal((last.bytes_sent, last.bytes_received, last.source_port), (2**64 - 1, 2**63, 65_535))
    equal((last.protocol, last.state, last.application), (255, ODD_TEXT, "dns"))
    equal(len(store.read_flows(Window(NOW, NOW + 5))), 5)
    equal([flow.start_unix_nano - NOW for flow in store.read_flows(EVER, limit=2)], [5, 4])
    equal(store.read_flows(EVER, limit=0), [])
    equal([one.destination_address for one in store.read_flows(EVER, address="10.0.1.3")], ["10.0.1.3"])
    equal(len(store.read_flows(EVER, address="10.0.0.1")), 5)
    equal(store.read_flows(EVER, address="10.0.1.3' OR 1"), [])
    store.close()


def tokens_of_every_kind(make_store: MakeStore) -> None:
    """Request tokens of flows, alerts and changes are known like those of log records; so is their size."""
    store = make_store()
    store.insert_logs(log_batch([{"request_token": 1}]), "a")
    store.insert_spans(span_batch([{"request_token": 2}]), "b")
    tokens: list[list[dict[str, object]]] = [
        [{"request_token": token} for token in (0, own, 9)] for own in (3, 4, 5)
    ]
    for _ in range(2):
        store.insert_records(flow_batch(tokens[0]), "once")
        store.insert_records(alert_batch(tokens[1]), "once")
        store.insert_records(change_batch(tokens[2]), "once")
    equal(sorted(store.recent_tokens(0).tolist()), [1, 2, 3, 4, 5, 9])
    equal(len(store.recent_tokens(2**62)), 0)
    sizes = {size.table: size.rows for size in store.table_sizes()}
    equal((sizes["flows"], sizes["alerts"], sizes["changes"]), (3, 3, 3))
    store.close()


def quarantine_is_dropped(make_store: MakeStore) -> None:
    """Of the window, of some series or of all; at once, for good, and nothing else."""
    store = make_store()
    batch = metric_batch([(place % 3, NOW + place * SECOND, 1.0) for place in range(12)])
    store.insert_samples(batch, "kept")
    store.insert_quarantine(Quarantined(batch, np.full(12, Quality.FUTURE, np.uint8)), "apart")

    def left() -> list[int]:
        times = store.read_quarantine(EVER).batch.time_unix_nano
        return sorted(((times - NOW) // SECOND).tolist())

    store.drop_quarantine(Window(NOW, NOW + 6 * SECOND), [0, 2, 99])
    equal(left(), [1, 4, 6, 7, 8, 9, 10, 11])
    store.drop_quarantine(EVER, [])
    store.drop_quarantine(Window(NOW + 12 * SECOND, NOW + 99 * SECOND))
    equal(len(left()), 8)
    store.drop_quarantine(EVER, range(2, 12_000))
    equal(left(), [1, 4, 6, 7, 9, 10])
    store.drop_quarantine(Window(NOW, NOW + 10 * SECOND))
    equal(left(), [10])
    store.close()
    store = make_store()
    equal(left(), [10])
    store.drop_quarantine(EVER)
    equal(left(), [])
    equal(len(store.scan_series([0, 1, 2], EVER)), 12)
    store.close()


RECORD_CHECKS = (
    alerts_come_back,
    alerts_have_one_state,
    changes_come_back,
    flows_come_back,
    tokens_of_every_kind,
    quarantine_is_dropped,
)
