"""Webhooks of every kind: whatever JSON comes, rows or a refusal, within bounds."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.decoders.hooks import LIMIT, RECEIVED, decoded, hook

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.alertmanager import AlertmanagerDecoder
from stormpetrel.ingest.argocd import ArgocdDecoder
from stormpetrel.ingest.changes import ChangesDecoder
from stormpetrel.ingest.github import GithubDecoder
from stormpetrel.ingest.gitlab import GitlabDecoder
from stormpetrel.ingest.grafana import GrafanaDecoder
from stormpetrel.ingest.kubernetes_events import KubernetesEventsDecoder
from stormpetrel.ingest.webhook import MAX_BODY_BYTES, MAX_OBJECTS, parse, token_of
from stormpetrel.ingest.webhook_values import shown, text_of
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import AlertState, ChangeKind, ChangeState
from stormpetrel.testing.check_decoder import rows_of

DECODERS = (
    AlertmanagerDecoder, ArgocdDecoder, ChangesDecoder, GithubDecoder, GitlabDecoder, GrafanaDecoder,
    KubernetesEventsDecoder,
)  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(max_size=12) | st.sampled_from(
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "firing", "deploy", "1.0"]
)
trees = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def valid(decoder: type[Any]) -> list[PushRequest]:
    found: list[PushRequest] = importlib.import_module(
        f"tests.ingest.decoders.test_{decoder.name}"
    ).VALID_REQUESTS
    return found


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value of a tree."""
    yield path
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, inner in members:
        yield from places(inner, (*path, key))


def with_value(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(tree)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def attempt(decoder: type[Any], request: PushRequest) -> Decoded | DecodeError:
    try:
        return decoded(decoder, request)
    except DecodeError as error:
        return error


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda one: str(one.name))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_gives_rows_or_a_refusal(decoder: type[Any], data: st.DataObject) -> None:
    request = data.draw(st.sampled_from(valid(decoder)))
    tree = orjson.loads(request.body)
    tree = with_value(tree, data.draw(st.sampled_from(list(places(tree)))), data.draw(trees))
    outcome = attempt(decoder, dataclasses.replace(request, body=json.dumps(tree).encode()))
    if isinstance(outcome, DecodeError):
        assert str(outcome)
        assert outcome.reason
        return
    assert all(one.rows > 0 and len(one.example) < 300 for one in outcome.rejected)
    said = orjson.loads(outcome.answer)
    assert said["accepted"] <= rows_of(outcome) <= 2 * said["accepted"]
    _check_words(outcome.alerts, outcome.changes)


def _check_words(alerts: Any, changes: Any) -> None:
    if alerts is not None:
        assert {*alerts.records["state"].to_pylist()} <= {one.value for one in AlertState}
        assert max(alerts.records["time_unix_nano"].to_pylist()) <= RECEIVED + 86_400 * 10**9
    if changes is not None:
        assert {*changes.records["kind"].to_pylist()} <= {one.value for one in ChangeKind}
        assert {*changes.records["state"].to_pylist()} <= {one.value for one in ChangeState}
        assert all(changes.records["change_id"].to_pylist())


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda one: str(one.name))
def test_hostile_trees_are_refused(decoder: type[Any]) -> None:
    request = valid(decoder)[0]
    for body in (b"[" * 2000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 2000, b"[1e999]", b"\xff\xfe"):
        with pytest.raises(DecodeError):
            decoded(decoder, dataclasses.replace(request, body=body))
    many = b"[" + b"{}," * MAX_OBJECTS + b"{}]"
    with pytest.raises(TooLargeError, match=str(MAX_OBJECTS)):
        decoded(decoder, dataclasses.replace(request, body=many), limit=1 << 30)
    with pytest.raises(TooLargeError, match=str(MAX_BODY_BYTES)):
        decoded(decoder, dataclasses.replace(request, body=b" " * (MAX_BODY_BYTES + 1)), limit=1 << 30)


def test_deep_values_become_no_text() -> None:
    deep = parse(b"[" * 1000 + b"]" * 1000)
    assert text_of(deep) == ""
    assert len(shown({"a": "b" * 10_000})) <= 60
    assert len(shown("b" * 10_000_000)) <= 60


def test_bytes_that_are_not_utf8_and_halves_of_pairs_are_replaced() -> None:
    assert parse(b'{"a":"\xff"}') == {"a": "\ufffd"}
    assert parse(b'"\\ud800"') == "\ufffd"
    with pytest.raises(DecodeError):
        parse(b'"\xff')


def test_tokens_are_of_source_body_and_what_was_said_beside() -> None:
    said: list[tuple[str, ...]] = [(), ("x",), ("x", "y"), ("y", "x"), ("xy",), ("\ud800",)]
    tokens = [token_of("a", b"c"), token_of("b", b"b"), *(token_of("a", b"b", *one) for one in said)]
    assert len(set(tokens)) == len(tokens)
    assert all(0 < token < 2**64 for token in tokens)


def test_control_characters_survive_as_data() -> None:
    request = hook("changes", {"title": "a\u0000b\u001b[31m", "attributes": {"x": "\u0000"}})
    outcome = decoded(ChangesDecoder, request, LIMIT)
    assert outcome.changes is not None
    row = outcome.changes.records.to_pylist()[0]
    assert row["title"] == "a\u0000b\u001b[31m"
    assert json.loads(row["attributes"]) == {"x": "\u0000"}
