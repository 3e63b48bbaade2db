"""OTLP logs in JSON: the tree read directly agrees with the messages filled from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from tests.ingest.decoders.otlp_logs_built import JSON, REQUESTS, as_json, built, long_way, outcome


@settings(max_examples=100, deadline=None)
@given(REQUESTS)
def test_the_tree_says_what_the_messages_say(groups: Any) -> None:
    body = as_json(built(groups))
    assert outcome(body, JSON) == long_way(body, JSON)


@pytest.mark.parametrize(
    "field",
    [
        '"flags":4294967296', '"flags":-1', '"droppedAttributesCount":4294967296', '"flags":true',
        '"severityNumber":2147483648', '"severityNumber":"9"', '"timeUnixNano":18446744073709551616',
        '"timeUnixNano":"18446744073709551615"', '"timeUnixNano":" 5"', '"traceId":"0 1"', '"traceId":"AB"',
        '"spanId":"00 1020304050607"', '"spanId":"ABCDEF0102030405"', '"body":null', '"body":{}',
        '"body":{"intValue":"-5"}', '"eventName":null', '"attributes":{}', '"attributes":[{"key":"a"}]',
        '"attributes":[{"key":"a","value":{"stringValue":"x","intValue":1}}]', '"severity_text":"INFO"',
        '"attributes":[{"key":"a","value":{"intValue":"--5"}}]', '"attributes":[{"key":1,"value":{}}]',
    ],
)  # fmt: skip
def test_json_of_every_sort_meets_the_same_end(field: str) -> None:
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{field}}},{{}}]}}]}}]}}'.encode()
    assert outcome(body, JSON) == long_way(body, JSON)
