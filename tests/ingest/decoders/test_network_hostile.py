"""Whatever stands in a sensor's lines or a flow table gives rows or counted refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.decoders import test_flows_csv as csv_tables
from tests.ingest.decoders import test_suricata as suricata_lines
from tests.ingest.decoders import test_zeek as zeek_logs

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import flow_rows
from stormpetrel.ingest.flows_csv import FlowsCsvDecoder
from stormpetrel.ingest.sensor_rows import flat
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.suricata import SuricataDecoder
from stormpetrel.ingest.webhook_values import RowRefusedError
from stormpetrel.ingest.zeek import ZeekDecoder
from stormpetrel.model.push import Decoded, PushRequest

ODD = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(["", "-", "(empty)", "²", "\0", "1e400", "0x10", "::", "1.2.3", "\ud7ff", "T", "a,b"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def outcome(decoder: type[Any], request: PushRequest) -> Decoded | DecodeError:
    """What became of a request: rows whose JSON is JSON, and refusals that are counted and short."""
    try:
        decoded: Decoded = decoder(SeriesRegistry(), 1 << 20).decode(request)
    except DecodeError as error:
        return error
    assert all(one.reason and one.rows > 0 and len(one.example) < 1000 for one in decoded.rejected)
    for batch in (decoded.flows, decoded.alerts, decoded.logs):
        for row in [] if batch is None else batch.records.to_pylist():
            for name in ("attributes", "labels", "annotations"):
                assert name not in row or isinstance(json.loads(row[name]), dict)
    return decoded


@settings(max_examples=150, deadline=None)
@given(st.lists(ODD, min_size=19, max_size=19), st.booleans())
def test_odd_values_in_zeek_s_tables(values: list[str], whole: bool) -> None:
    row = tuple(value.replace("\t", " ").replace("\n", " ").replace("\r", " ") for value in values)
    good = zeek_logs.CONN_ROW
    odd = row if whole else (good[0], good[1], good[2], row[3], good[4], *row[5:])
    found = outcome(ZeekDecoder, zeek_logs.push(zeek_logs.table("conn", zeek_logs.CONN_FIELDS, good, odd)))
    assert isinstance(found, Decoded)
    assert found.flows is not None
    assert len(found.flows) + sum(one.rows for one in found.rejected) == 2
    assert whole or not found.rejected, "an odd count, port or name does not cost the flow"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_for_zeek(body: bytes) -> None:
    head = zeek_logs.table("conn", zeek_logs.CONN_FIELDS).encode()
    outcome(ZeekDecoder, zeek_logs.push(head + body))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["flow", "netflow", "alert", "dns", "stats"]), st.dictionaries(st.text(max_size=8), JSON)
)
def test_odd_values_in_suricata_s_lines(kind: str, odd: dict[str, Any]) -> None:
    known = [*suricata_lines.BASE, "flow", "alert", "netflow", "app_proto"]
    told = {**suricata_lines.FLOW, **suricata_lines.ALERT, "event_type": kind}
    told |= dict(zip(known, odd.values(), strict=False))
    outcome(SuricataDecoder, suricata_lines.push({**told, **odd}, suricata_lines.DNS))


@settings(max_examples=150, deadline=None)
@given(st.lists(ODD, min_size=9, max_size=9))
def test_odd_values_in_flow_tables(values: list[str]) -> None:
    header = "sa,da,sp,dp,pr,ts,te,td,label\n"
    row = ",".join(
        '"' + value.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"' for value in values
    )
    found = outcome(FlowsCsvDecoder, csv_tables.push(f"{header}1.1.1.1,2.2.2.2,1,2,6,1,2,3,x\n{row}\n"))
    assert isinstance(found, Decoded)
    assert found.flows is not None
    assert len(found.flows) + sum(one.rows for one in found.rejected) == 2


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_text_for_a_flow_table(text: str) -> None:
    outcome(FlowsCsvDecoder, csv_tables.push("sa;da;ts;bytes\n" + text.encode("utf-8", "replace").decode()))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_flat_attributes_are_json(tree: dict[str, Any]) -> None:
    known = json.loads(json.dumps(tree))
    assert all(not isinstance(value, dict) for value in flat(known).values())


@given(ODD | JSON)
def test_values_are_read_within_their_ranges(value: Any) -> None:
    assert 0 <= flow_rows.count_of(value) < 2**63
    assert 0 <= flow_rows.port_of(value) <= 65535
    assert 0 <= flow_rows.protocol_of(value) <= 255
    assert 0 <= flow_rows.nanos_of(value) < 2**63
    assert reason_of(lambda: flow_rows.moment_of(value, 10**18)) in ("", "bad_time", "time_in_future")
    assert reason_of(lambda: flow_rows.address_of(value)) in ("", "bad_address")


def reason_of(read: Callable[[], object]) -> str:
    """Why it was refused, if it was."""
    try:
        read()
    except RowRefusedError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("told", "nanos"),
    [("1700000000.123456789", 1_700_000_000_123_456_789), (1_700_000_000, 1_700_000_000 * 10**9),
     (1_700_000_000_123, 1_700_000_000_123_000_000), ("1700000000123456", 1_700_000_000_123_456_000),
     (1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
     ("2023-11-14T23:13:20+0100", 1_700_000_000 * 10**9)],
)  # fmt: skip
def test_moments_are_exact(told: Any, nanos: int) -> None:
    assert flow_rows.moment_of(told, nanos) == nanos
