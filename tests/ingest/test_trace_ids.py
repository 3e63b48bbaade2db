"""Trace and span ids out of the texts of log records."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.trace_ids import with_trace_ids
from stormpetrel.model.columns import build_logs

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def found(body: str = "", attributes: str = "{}") -> tuple[str, str]:
    records = with_trace_ids(build_logs([1], [body], source="t", attributes=[attributes])).records
    return records.column("trace_id")[0].as_py(), records.column("span_id")[0].as_py()


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ("", f'{{"trace_id":"{TRACE}","span_id":"{SPAN}"}}'),
        ("", f'{{"traceId":"{TRACE.upper()}","spanId":"{SPAN}"}}'),
        ("", f'{{"n":1, "trace.id": "{TRACE}", "span.id": "{SPAN}"}}'),
        ("", f'{{"otelTraceID":"{TRACE}","otelSpanID":"{SPAN}"}}'),
        ("", f'{{"http":{{"traceparent":"00-{TRACE}-{SPAN}-01"}}}}'),
        ("", f'{{"resource.host.name":"a","mdc.traceId":"{TRACE}","mdc.spanId":"{SPAN}"}}'),
        (f"INFO [shop,trace_id={TRACE},span_id={SPAN}] paid", "{}"),
        (f"trace_id={TRACE} span_id={SPAN} msg=paid", "{}"),
        (f'{{"msg":"paid","trace_id":"{TRACE}","span_id":"{SPAN}"}}', "{}"),
        (f'{{\\"traceId\\":\\"{TRACE}\\",\\"spanId\\":\\"{SPAN}\\"}}', "{}"),
        (f"X-B3-TraceId: {TRACE} X-B3-SpanId: {SPAN}", "{}"),
        (f"traceID={TRACE}", f'{{"span_id":"{SPAN}"}}'),
        (f"traceparent: 00-{TRACE}-{SPAN}-01", "{}"),
    ],
)
def test_names_and_forms(body: str, attributes: str) -> None:
    assert found(body, attributes) == (TRACE, SPAN)


def test_other_lengths() -> None:
    assert found("trace_id=4bf92f35-77b3-4da6-a3ce-929d0e0e4736") == (TRACE, "")
    assert found(f"x-b3-traceid={SPAN}") == (SPAN.rjust(32, "0"), "")
    assert found(attributes='{"dd.trace_id":"1234567890123456789","dd.span_id":"255"}') == (
        "112210f47de98115".rjust(32, "0"), "00000000000000ff",
    )  # fmt: skip
    assert found(attributes=f'{{"dd.trace_id":"{TRACE}"}}') == (TRACE, "")


@pytest.mark.parametrize(
    "body",
    [
        "trace_id=", "trace_id=0", f"trace_id={'0' * 32}", "trace_id=abc", f"trace_id={TRACE}00",
        "traceid 123",
        f"parent_span_id={SPAN}", f"parentSpanId: {SPAN}", f"parent.span.id={SPAN}", f"span_id={SPAN}ff",
        f"my_trace_id_x={TRACE}", "dd.trace_id=99999999999999999999", "stack trace: ids 1",
    ],
)  # fmt: skip
def test_what_is_no_id(body: str) -> None:
    assert found(body) == ("", "")


def test_what_is_given_stays_and_attributes_come_before_the_body() -> None:
    other = "f" * 32
    records = with_trace_ids(
        build_logs([1, 2], f"trace_id={TRACE} span_id={SPAN}", source="t", trace_id=[other, ""],
                   span_id=["", ""],
                   attributes=["{}", f'{{"trace_id":"{"e" * 32}"}}'])
    ).records  # fmt: skip
    assert records.column("trace_id").to_pylist() == [other, "e" * 32]
    assert records.column("span_id").to_pylist() == [SPAN, SPAN]


def test_a_batch_without_ids_is_the_same_batch() -> None:
    for batch in (
        build_logs([1, 2], ["a", "trace_id=no"], source="t"),
        build_logs([1], [f"trace_id={TRACE}"], source="t", trace_id="a" * 32, span_id="b" * 16),
        build_logs([], [], source=[]),
    ):
        assert with_trace_ids(batch) is batch


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([f"trace_id={TRACE}", f"span_id={SPAN}", "x", f"a trace_id={TRACE} span_id={SPAN}"])
    )
)
def test_rows_do_not_mix(bodies: list[str]) -> None:
    records = with_trace_ids(build_logs([1] * len(bodies), bodies, source="t")).records
    assert records.column("trace_id").to_pylist() == [TRACE if TRACE in b else "" for b in bodies]
    assert records.column("span_id").to_pylist() == [SPAN if SPAN in b else "" for b in bodies]


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    trace, span = found(text, text)
    assert len(trace) in (0, 32)
    assert len(span) in (0, 16)
