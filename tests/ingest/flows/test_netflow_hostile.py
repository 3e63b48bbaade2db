"""Whatever comes over the wire gives flows or counted refusals, soon and within bounds."""

from __future__ import annotations

import struct
import tracemalloc

import netflow.ipfix
import netflow.v5
import netflow.v9
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.flows.wire import (
    NOW,
    ROUTER,
    V4,
    decode,
    flows,
    ipfix,
    one_set,
    refused,
    specifier,
    template,
    v4_record,
    v5,
    v5_record,
    v9,
)

from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.ingest.netflow_packet import MAX_FIELDS

REASONS = {"malformed", "unsupported", "truncated", "no_template", "no_address", "time_out_of_range"}
GOOD_9 = v9(template(256, V4), one_set(256, v4_record(1) + v4_record(2), pad=3))
GOOD_10 = ipfix(template(256, V4, 10), one_set(256, v4_record(1) + v4_record(2)))

HOSTILE = {
    "empty": (b"", {"unsupported": 1}),
    "short_5": (b"\0\5\0\1", {"malformed": 1}),
    "short_9": (v9()[:19], {"malformed": 1}),
    "short_10": (ipfix()[:15], {"malformed": 1}),
    "version_7": (b"\0\7" + bytes(30), {"unsupported": 1}),
    "count_lies": (v5(v5_record(), count=30), {"truncated": 1}),
    "set_of_length_0": (v9(struct.pack("!HH", 256, 0)), {"truncated": 1}),
    "set_of_length_3": (ipfix(struct.pack("!HH", 256, 3)), {"truncated": 1}),
    "set_beyond_the_end": (v9(struct.pack("!HH", 0, 400)), {"truncated": 1}),
    "length_lies": (GOOD_10[:2] + b"\xff\xff" + GOOD_10[4:], {"truncated": 1}),
    "no_fields_9": (v9(one_set(0, struct.pack("!HH", 256, 0))), {}),
    "records_of_no_length": (v9(template(300, ((8, 0), (12, 0))), one_set(300, bytes(40))), {"malformed": 1}),
    "options_of_no_length": (v9(one_set(1, struct.pack("!HHHHH", 256, 4, 0, 1, 0))), {"malformed": 1}),
    "too_many_fields": (v9(one_set(0, struct.pack("!HH", 256, MAX_FIELDS + 1))), {"malformed": 1}),
    "template_cut_off_9": (v9(one_set(0, struct.pack("!HHHH", 256, 2, 8, 4))), {"malformed": 1}),
    "template_cut_off_10": (ipfix(one_set(2, struct.pack("!HHH", 256, 2, 0x8001))), {"malformed": 1}),
    "options_cut_off": (ipfix(one_set(3, struct.pack("!HH", 256, 2))), {"malformed": 1}),
    "reserved_sets": (ipfix(one_set(0, bytes(8)), one_set(77, bytes(8))), {}),
    "value_beyond_the_end": (
        ipfix(
            template(300, ((8, 4), (12, 4), (96, 0xFFFF)), 10),
            one_set(300, bytes(8) + b"\xff\xff\xff" + bytes(9)),
        ),
        {"truncated": 1},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_datagrams_are_counted(name: str) -> None:
    payload, expected = HOSTILE[name]
    decoder = NetflowDecoder()
    decoded = decode(payload, decoder=decoder)
    assert refused(decoded) == expected
    assert all(len(one.example) < 300 for one in decoded.rejected)
    assert len(flows(decode(GOOD_9, decoder=decoder))) == 2, "the next datagram is read"


def test_what_is_whole_of_a_damaged_datagram_is_kept() -> None:
    assert len(flows(decode(v5(v5_record(), v5_record())[:-1]))) == 1
    damaged = decode(v9(template(256, V4), one_set(256, v4_record()), struct.pack("!HH", 256, 2)))
    assert (len(flows(damaged)), refused(damaged)) == (1, {"truncated": 1})


def test_odd_widths_of_known_elements_are_read_or_left_out() -> None:
    fields = ((8, 4), (12, 4), (8, 16), (4, 2), (1, 9), (7, 0), (22, 16), (96, 3), (233, 4), (56, 2))
    width = sum(length for _, length in fields)
    (flow,) = flows(decode(v9(template(256, fields), one_set(256, b"\xff" * width))))
    assert (flow["source_address"], flow["protocol"], flow["bytes_sent"]) == ("255.255.255.255", 255, 0)
    assert (flow["application"], flow["state"], flow["source_port"]) == ("\ufffd\ufffd\ufffd", "", 0)


def test_a_datagram_cannot_unpack_to_much() -> None:
    fields = [(8, 4), (12, 4), *[(96, 0xFFFF)] * (MAX_FIELDS - 2)]
    record = bytes(8 + MAX_FIELDS - 2)
    payload = ipfix(template(300, fields, 10), one_set(300, record * 110))
    tracemalloc.start()
    decoded = decode(payload, payload, payload, payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(flows(decoded)) == 440
    assert peak < 100 << 20


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\5", b"\0\x09", b"\0\x0a"]))
def test_any_bytes_give_flows_or_refusals(payload: bytes, start: bytes) -> None:
    decoded = decode(start + payload)
    assert {one.reason for one in decoded.rejected} <= REASONS
    assert all(one.rows > 0 for one in decoded.rejected)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_datagrams_give_flows_or_refusals(data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from([GOOD_9, GOOD_10, v5(v5_record())])))
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decoder = NetflowDecoder()
    decoded = decode(
        bytes(payload[: data.draw(st.integers(0, len(payload)))]), bytes(payload), decoder=decoder
    )
    assert {one.reason for one in decoded.rejected} <= REASONS
    after = decoder.decode(
        [(ROUTER, NOW, v9(template(256, V4), one_set(256, v4_record()), domain=5))], "netflow"
    )
    assert len(flows(after)) == 1


FIXED = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (6, 1), (10, 4)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=26, max_size=26), min_size=1, max_size=20), st.sampled_from([9, 10]))
def test_clean_datagrams_are_read_as_another_reader_reads_them(records: list[bytes], version: int) -> None:
    """The library `netflow`, where it is right: known elements of fixed length, no padding, no enterprise."""
    content = one_set(300, b"".join(records))
    make = v9 if version == 9 else ipfix
    payload = make(template(300, FIXED, version), content)
    if version == 9:
        theirs = [flow.data for flow in netflow.v9.V9ExportPacket(payload, {}).flows]
        names = ("IN_BYTES", "IN_PKTS", "L4_SRC_PORT", "L4_DST_PORT", "PROTOCOL")
    else:
        theirs = [flow.data for flow in netflow.ipfix.IPFIXExportPacket(payload, {}).flows]
        names = (
            "octetDeltaCount", "packetDeltaCount", "sourceTransportPort", "destinationTransportPort",
            "protocolIdentifier",
        )  # fmt: skip
    ours = ("bytes_sent", "packets_sent", "source_port", "destination_port", "protocol")
    found = [[flow[name] for name in ours] for flow in flows(decode(payload))]
    assert found == [[one[name] for name in names] for one in theirs]


def test_version_5_is_read_as_another_reader_reads_it() -> None:
    payload = v5(*(v5_record(octets=n, sport=n, protocol=n % 256) for n in range(30)))
    theirs = [
        (f.data["IN_OCTETS"], f.data["SRC_PORT"], f.data["PROTO"])
        for f in netflow.v5.V5ExportPacket(payload).flows
    ]
    assert [(f["bytes_sent"], f["source_port"], f["protocol"]) for f in flows(decode(payload))] == theirs


def test_specifiers_of_enterprises_are_written_with_their_bit() -> None:
    assert specifier(1, 4, 29305) == b"\x80\x01\x00\x04\x00\x00\x72\x79"
