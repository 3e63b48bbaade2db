"""Argo CD's notifications in the documented template."""

from __future__ import annotations

from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, rows

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.argocd import ArgocdDecoder

SYNC: dict[str, Any] = {
    "app": "checkout",
    "project": "shop",
    "namespace": "shop-production",
    "cluster": "https://kubernetes.default.svc",
    "repository": "https://github.com/shop/deploy",
    "path": "checkout",
    "revision": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "phase": "Succeeded",
    "health": "Healthy",
    "started": "2023-11-14T22:13:00Z",
    "finished": "2023-11-14T22:13:10Z",
    "actor": "ann",
    "message": "successfully synced (all tasks run)",
    "url": "https://argocd/applications/argocd/checkout",
}
VALID_REQUESTS = [hook("argocd", SYNC), hook("argocd", {"app": "a", "phase": "Running"})]


def taken(**changed: Any) -> dict[str, Any]:
    (row,) = rows(decoded(ArgocdDecoder, hook("argocd", SYNC | changed)).changes)
    return row


def test_fields_of_a_synchronisation() -> None:
    row = taken()
    assert row.pop("request_token") > 0
    assert row == {
        "time_unix_nano": RECEIVED - 10 * SECOND,
        "entity": "service:checkout",
        "source": "ci",
        "change_id": "checkout 2023-11-14T22:13:00Z da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "kind": "deploy",
        "state": "succeeded",
        "title": "checkout da39a3ee5e6b to shop-production: Succeeded",
        "environment": "shop-production",
        "version": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "actor": "ann",
        "url": "https://argocd/applications/argocd/checkout",
        "attributes": {
            "cluster": "https://kubernetes.default.svc",
            "project": "shop",
            "repository": "https://github.com/shop/deploy",
            "path": "checkout",
            "health": "Healthy",
            "message": "successfully synced (all tasks run)",
        },
    }


@pytest.mark.parametrize(
    ("phase", "state", "seconds"),
    [
        ("Running", "started", 20),
        ("Failed", "failed", 10),
        ("Error", "failed", 10),
        ("Terminating", "failed", 10),
    ],
)
def test_phases(phase: str, state: str, seconds: int) -> None:
    row = taken(phase=phase)
    assert (row["state"], row["time_unix_nano"]) == (state, RECEIVED - seconds * SECOND)
    assert row["change_id"] == taken()["change_id"]


def test_what_the_template_found_no_value_for_is_empty() -> None:
    row = taken(actor="<no value>", finished="<no value>", namespace="<no value>", started=None)
    assert (row["actor"], row["environment"], row["time_unix_nano"]) == ("", "", RECEIVED)
    assert row["change_id"].startswith("checkout ")
    assert row["change_id"] != taken(started=None, phase="Running")["change_id"]


@pytest.mark.parametrize(
    "body",
    [{}, [], {"app": "a"}, {"phase": "Running"}, SYNC | {"app": "<no value>"}, SYNC | {"finished": "soon"}],
)
def test_what_is_no_notification_is_refused(body: Any) -> None:
    with pytest.raises(DecodeError):
        decoded(ArgocdDecoder, hook("argocd", body))
