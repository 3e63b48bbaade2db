"""Flow tables as tools really write them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.flows_csv import FlowsCsvDecoder
from stormpetrel.ingest.flows_csv_columns import ALIASES, DURATIONS, find_columns, plain_name
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND  # 2023-11-14T22:13:20Z

CIC = """ Source IP, Source Port, Destination IP, Destination Port, Protocol, Timestamp, Flow Duration,\
 Total Fwd Packets, Total Backward Packets,Total Length of Fwd Packets, Total Length of Bwd Packets, Label
10.0.0.5,49152,192.0.2.80,443,6,14/11/2023 10:13:20 PM,2500000,12,10,1500,9000,BENIGN
"""
NFDUMP = """ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt,opkt,obyt
2023-11-14 22:13:20,2023-11-14 22:13:22.500,2.500,10.0.0.5,192.0.2.80,49152,443,TCP,...AP.SF,12,1500,10,9000
Summary
flows,bytes,packets
"""
NETFLOW = """IPV4_SRC_ADDR;L4_SRC_PORT;IPV4_DST_ADDR;L4_DST_PORT;PROTOCOL;IN_BYTES;OUT_BYTES;\
IN_PKTS;OUT_PKTS;FLOW_START_MILLISECONDS;FLOW_DURATION_MILLISECONDS;Attack
10.0.0.5;49152;192.0.2.80;443;6;1500;9000;12;10;1700000000000;2500;Benign
"""
ARGUS = """StartTime\tDur\tProto\tSrcAddr\tSport\tDir\tDstAddr\tDport\tState\tTotPkts\t\
TotBytes\tSrcBytes\tsrcpkts
2023/11/14 22:13:20.000000\t2.5\ttcp\t10.0.0.5\t49152\t->\t192.0.2.80\t443\tFSPA_FSPA\t22\t10500\t1500\t12
"""
VPC = """srcaddr,dstaddr,srcport,dstport,protocol,packets,bytes,start,end,action
10.0.0.5,192.0.2.80,49152,443,6,12,1500,1700000000,1700000002.5,ACCEPT
"""


def push(body: str | bytes) -> PushRequest:
    packed = body.encode() if isinstance(body, str) else body
    return PushRequest(packed, "text/csv", "", "/flows/csv", "edge/flows_csv", NOW + 60 * SECOND)


VALID_REQUESTS = [push(CIC), push(ARGUS)]


def decode(body: str | bytes) -> Decoded:
    return FlowsCsvDecoder(SeriesRegistry(), 1 << 20).decode(push(body))


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    return [] if decoded.flows is None else decoded.flows.records.to_pylist()


@pytest.mark.parametrize(
    ("body", "received", "state"),
    [
        (CIC, 9000, ""),
        (NFDUMP, 9000, ""),
        (NETFLOW, 9000, ""),
        (ARGUS, 9000, "FSPA_FSPA"),
        (VPC, 0, "ACCEPT"),
    ],
)
def test_one_flow_told_by_five_tools(body: str, received: int, state: str) -> None:
    (flow,) = rows(decode(body))
    assert flow.pop("request_token") != 0
    del flow["attributes"]
    assert flow == {
        "start_unix_nano": NOW, "end_unix_nano": NOW + 2_500_000_000, "entity": "job:edge",
        "source": "edge/flows_csv",
        "source_address": "10.0.0.5", "source_port": 49152, "destination_address": "192.0.2.80",
        "destination_port": 443, "protocol": 6, "bytes_sent": 1500, "bytes_received": received,
        "packets_sent": 12, "packets_received": 10 if received else 0, "state": state, "application": "",
    }  # fmt: skip


def test_other_columns_are_attributes() -> None:
    (flow,) = rows(decode(ARGUS))
    assert json.loads(flow["attributes"]) == {"Dir": "->"}
    (flow,) = rows(decode(CIC))
    assert json.loads(flow["attributes"]) == {"Label": "BENIGN"}


def test_lines_that_are_no_flows_are_refused_alone() -> None:
    decoded = decode(NFDUMP)
    assert [(one.reason, one.rows) for one in decoded.rejected] == [("field_count", 2)]


SLASHES = "sa,da,timestamp\n1.1.1.1,2.2.2.2,03/04/2023 8:55\n1.1.1.1,2.2.2.2,{}\n"


def starts(body: str) -> list[int]:
    return [(flow["start_unix_nano"] - 1_680_000_000 * SECOND) // SECOND for flow in rows(decode(body))]


def test_dates_with_slashes_are_day_first_unless_they_cannot_be() -> None:
    day_first = starts(SLASHES.format("05/04/2023 08:55:58"))
    month_first = starts(SLASHES.format("04/25/2023 08:55:58 PM"))
    assert day_first == [1680512100 - 1_680_000_000, 1680684958 - 1_680_000_000]  # 3 and 5 April
    assert month_first[0] == 1677920100 - 1_680_000_000  # 4 March
    assert month_first[1] == 1682456158 - 1_680_000_000  # 25 April, in the evening


def test_a_table_that_says_no_times_is_dated_by_its_receipt() -> None:
    (flow,) = rows(decode("src,dst,dur\n10.0.0.1,10.0.0.2,1.5\n"))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW + 60 * SECOND, NOW + 61_500_000_000)
    (flow,) = rows(decode("src,dst,dur,te\n10.0.0.1,10.0.0.2,1.5,1700000000\n"))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW - 1_500_000_000, NOW)


def test_quotes_a_byte_order_mark_and_a_gzip_file() -> None:
    body = '\ufeff"Src IP","Dst IP","note"\n"10.0.0.1","FE80::1","a, ""b"""\n\n'.encode()
    for packed in (body, gzip.compress(body)):
        (flow,) = rows(decode(packed))
        assert (flow["source_address"], flow["destination_address"]) == ("10.0.0.1", "fe80::1")
        assert json.loads(flow["attributes"]) == {"note": 'a, "b"'}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("router,10.0.0.2,1700000000", "bad_address"),
        ("10.0.0.1,10.0.0.2,soon", "bad_time"),
        ("10.0.0.1,10.0.0.2,1800000000", "time_in_future"),
        ("10.0.0.1,10.0.0.2", "field_count"),
        ("10.0.0.1,10.0.0.2,1700000000" + "x" * 140_000, "bad_row"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_alone(row: str, reason: str) -> None:
    header = "sa,da,ts\n"
    decoded = decode(f"{header}{row}\n10.0.0.1,10.0.0.2,1700000000\n")
    assert [(one.reason, one.rows) for one in decoded.rejected] == [(reason, 1)]
    assert len(rows(decoded)) == 1
    with pytest.raises(DecodeError, match=reason):
        decode(f"{header}{row}\n")


@pytest.mark.parametrize(
    "body", ["", "\n\n", "a,b,c\n1,2,3\n", "src_ip,bytes\n10.0.0.1,2\n", ",".join("x" * 300)]
)
def test_a_table_without_a_usable_header_is_refused(body: str) -> None:
    with pytest.raises(DecodeError):
        decode(body)


def test_counts_that_are_none_are_0_and_ports_are_ports() -> None:
    (flow,) = rows(decode("sa,da,sp,dp,pr,bytes,packets\n10.0.0.1,10.0.0.2,-1,70000,weird,NaN,1e3\n"))
    names = ("source_port", "destination_port", "protocol", "bytes_sent", "packets_sent")
    assert [flow[name] for name in names] == [0, 0, 0, 0, 1000]


def test_every_alias_is_a_plain_name_and_means_one_thing() -> None:
    names = [name for aliases in ALIASES.values() for name in aliases] + list(DURATIONS)
    assert [name for name in names if plain_name(name) != name] == []
    assert sorted(names) == sorted(set(names))
    assert find_columns(["src", "dst", "src"]).places["source_address"] == 0
