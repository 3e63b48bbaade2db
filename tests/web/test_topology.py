"""The topology by the API: now, and as it was."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import client_of

TOKEN = {"Authorization": "Bearer read-token"}


def get(path: str, estate: Estate | None = None, token: dict[str, str] = TOKEN) -> tuple[int, Any]:
    async def ask() -> tuple[int, Any]:
        async with client_of(estate or Estate()) as client:
            answer = await client.get(path, headers=token)
            return answer.status_code, answer.json()

    return asyncio.run(ask())


def test_nodes_have_roles_and_edges_have_kinds_and_times() -> None:
    status, found = get("/api/v1/topology")
    assert status == 200
    assert found["time_unix_nano"] == content.NOW
    assert found["nodes"][0] == {"entity": "database:orders", "role": "store", "declared": False}
    assert found["nodes"][1]["entity"] == f"service:{content.HOSTILE}"
    assert [(edge["kind"], edge["callee"]) for edge in found["edges"]] == [
        ("declared", f"service:{content.HOSTILE}"),
        ("calls", "database:orders"),
    ]


def test_a_moment_before_an_edge_was_seen_does_not_have_it() -> None:
    _, found = get("/api/v1/topology?at=-2h")
    assert [edge["kind"] for edge in found["edges"]] == ["declared"]


def test_what_is_no_time_is_refused_and_so_is_who_may_not_read() -> None:
    assert get("/api/v1/topology?at=yesterday")[0] == 400
    assert get("/api/v1/topology", token={"Authorization": "Bearer ingest-token"})[0] == 403


def test_an_empty_estate_has_an_empty_graph() -> None:
    _, found = get("/api/v1/topology", Estate(empty=True))
    assert (found["nodes"], found["edges"]) == ([], [])
