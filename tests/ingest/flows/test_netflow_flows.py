"""NetFlow and IPFIX to flows: every column, from every way of telling it."""

from __future__ import annotations

import json
import struct

import pytest
from tests.ingest.flows.wire import (
    MS,
    NOW,
    ROUTER,
    SECOND,
    UPTIME,
    V4,
    decode,
    flows,
    ip,
    ipfix,
    one_set,
    refused,
    template,
    v4_record,
    v5,
    v5_record,
    v9,
)

from stormpetrel.ingest.netflow_packet import REVERSE


def test_version_5() -> None:
    (flow, other) = flows(decode(v5(v5_record(), v5_record("10.0.0.9", protocol=17, octets=1, tos=8))))
    exported = NOW + 250_000_000
    attributes = json.loads(flow.pop("attributes"))
    assert flow == {
        "start_unix_nano": exported - 2500 * MS, "end_unix_nano": exported - 500 * MS,
        "entity": f"host:{ROUTER}", "source": "netflow",
        "source_address": "10.0.0.1", "source_port": 40000,
        "destination_address": "10.0.0.2", "destination_port": 443, "protocol": 6,
        "bytes_sent": 4321, "bytes_received": 0, "packets_sent": 7, "packets_received": 0,
        "state": "", "application": "", "request_token": 0,
    }  # fmt: skip
    assert attributes == {
        "ipNextHopIPv4Address": "10.0.0.254", "ingressInterface": 3, "egressInterface": 4,
        "tcpControlBits": 27,
        "bgpSourceAsNumber": 65001, "sourceIPv4PrefixLength": 24, "destinationIPv4PrefixLength": 16,
    }  # fmt: skip
    assert (other["source_address"], other["protocol"], other["bytes_sent"]) == ("10.0.0.9", 17, 1)
    assert json.loads(other["attributes"])["ipClassOfService"] == 8


def test_a_datagram_of_letters_is_no_hexadecimal_text() -> None:
    payload = v5(v5_record("65.66.67.68", "69.70.71.72"))
    assert len(flows(decode(payload))) == 1


def test_version_9_with_templates_in_the_same_datagram() -> None:
    payload = v9(template(256, V4), one_set(256, v4_record(1) + v4_record(2), pad=3))
    (flow, other) = flows(decode(payload))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW - 2500 * MS, NOW - 500 * MS)
    assert (flow["bytes_sent"], flow["packets_sent"], flow["protocol"]) == (1001, 5, 17)
    assert (flow["source_port"], flow["destination_port"]) == (40000, 53)
    assert [flow["destination_address"], other["destination_address"]] == ["10.0.1.1", "10.0.1.2"]
    assert flow["attributes"] == "{}"


def test_several_datagrams_of_several_exporters_in_one_call() -> None:
    told = [v9(template(256, V4), one_set(256, v4_record(1)), domain=n) for n in range(5)]
    assert len(flows(decode(*told, v5(v5_record())))) == 6


@pytest.mark.parametrize(("uptime", "first"), [(5000, 2**32 - 1000), (2**32 - 10, 2**32 - 4010), (100, 150)])
def test_uptimes_are_exact_across_their_wrap(uptime: int, first: int) -> None:
    age = (uptime - first + 2**31) % 2**32 - 2**31
    payload = v9(template(256, V4), one_set(256, v4_record(first=first, last=first)), uptime=uptime)
    (flow,) = flows(decode(payload))
    assert flow["start_unix_nano"] == flow["end_unix_nano"] == NOW - age * MS


TIMES = [
    ((152, 8), (153, 8), struct.pack("!QQ", NOW // MS - 1500, NOW // MS - 500), 1500 * MS, 500 * MS),
    ((150, 4), (151, 4), struct.pack("!II", NOW // SECOND - 9, NOW // SECOND - 2), 9 * SECOND, 2 * SECOND),
    ((158, 4), (159, 4), struct.pack("!II", 2_500_000, 1_000_000), 2500 * MS, 1000 * MS),
    ((150, 4), (161, 4), struct.pack("!II", NOW // SECOND - 9, 4500), 9 * SECOND, 4500 * MS),
    ((161, 4), (151, 4), struct.pack("!II", 4500, NOW // SECOND - 1), 5500 * MS, SECOND),
    ((151, 4), (150, 4), struct.pack("!II", NOW // SECOND - 9, NOW // SECOND), 9 * SECOND, 0),  # turned round
    ((152, 8), (153, 8), struct.pack("!QQ", 0, NOW // MS - 1), MS, 0),  # 0 is not said: the export
    ((22, 4), (21, 4), struct.pack("!II", 1000, 4000), 3000 * MS, 0),  # no uptime known: ends with the export
]


@pytest.mark.parametrize(("first", "last", "packed", "began", "ended"), TIMES)
def test_ways_of_telling_the_time(
    first: tuple[int, int], last: tuple[int, int], packed: bytes, began: int, ended: int
) -> None:
    fields = ((8, 4), (12, 4), first, last)
    record = ip("10.0.0.1") + ip("10.0.0.2") + packed
    (flow,) = flows(decode(ipfix(template(300, fields, 10), one_set(300, record))))
    assert (NOW - flow["start_unix_nano"], NOW - flow["end_unix_nano"]) == (began, ended)


@pytest.mark.parametrize("elements", [(154, 155), (156, 157)])
def test_ntp_times(elements: tuple[int, int]) -> None:
    fields = ((8, 4), (12, 4), (elements[0], 8), (elements[1], 8))
    since = NOW // SECOND + 2_208_988_800
    record = ip("10.0.0.1") + ip("10.0.0.2") + struct.pack("!IIII", since - 3, 1 << 31, since, 1 << 30)
    (flow,) = flows(decode(ipfix(template(300, fields, 10), one_set(300, record))))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW - 2500 * MS, NOW + 250 * MS)


@pytest.mark.parametrize("uptime", [UPTIME, -800])
def test_ipfix_uptimes_count_from_the_boot_that_an_options_record_tells(uptime: int) -> None:
    """Below 0: the export is told in whole seconds, and so seems to be before a boot in the same second."""
    options = struct.pack("!HHH", 400, 2, 1) + struct.pack("!HHHH", 143, 4, 160, 8)
    told = struct.pack("!IQ", 1, NOW // MS - uptime)
    record = v4_record(first=(uptime - 2500) % 2**32, last=(uptime - 500) % 2**32)
    sets = (one_set(3, options), one_set(400, told), template(256, V4, 10), one_set(256, record))
    (flow,) = flows(decode(ipfix(*sets)))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW - 2500 * MS, NOW - 500 * MS)


def test_ipfix_elements_of_enterprises_are_not_taken_for_ianas() -> None:
    fields = ((8, 4), (12, 4), (1, 4), (1, 4, 9999), (1, 4, REVERSE), (2, 4, REVERSE), (6, 1, REVERSE))
    record = ip("10.0.0.1") + ip("10.0.0.2") + struct.pack("!IIIIB", 100, 777, 5000, 50, 18)
    (flow,) = flows(decode(ipfix(template(300, fields, 10), one_set(300, record))))
    assert (flow["bytes_sent"], flow["bytes_received"], flow["packets_received"]) == (100, 5000, 50)
    assert json.loads(flow["attributes"]) == {"reverseTcpControlBits": 18}


def test_ipfix_values_of_variable_length() -> None:
    fields = ((8, 4), (96, 0xFFFF), (12, 4), (82, 0xFFFF), (1, 2))
    addresses = ip("10.0.0.1"), ip("10.0.0.2")
    long = b"e" * 300
    records = (
        addresses[0] + b"\x03tls" + addresses[1] + b"\xff" + struct.pack("!H", 300) + long + b"\x01\x00"
        + addresses[0] + b"\x00" + addresses[1] + b"\x02\xff\xfe" + b"\x00\x07"
    )  # fmt: skip
    (flow, other) = flows(decode(ipfix(template(300, fields, 10), one_set(300, records, pad=3))))
    assert (flow["application"], flow["destination_address"], flow["bytes_sent"]) == ("tls", "10.0.0.2", 256)
    assert json.loads(flow["attributes"]) == {"interfaceName": "e" * 64}
    assert (other["application"], other["bytes_sent"]) == ("", 7)
    assert json.loads(other["attributes"]) == {"interfaceName": "\ufffd\ufffd"}


def test_ipv6_and_templates_of_both_families() -> None:
    fields = ((8, 4), (12, 4), (27, 16), (28, 16))
    six = ip("::") + ip("::"), ip("2001:db8::1") + ip("2001:db8::2")
    records = ip("10.0.0.1") + ip("10.0.0.2") + six[0] + bytes(8) + six[1]
    found = flows(decode(v9(template(256, fields), one_set(256, records))))
    assert [flow["source_address"] for flow in found] == ["10.0.0.1", "2001:db8::1"]
    assert [flow["destination_address"] for flow in found] == ["10.0.0.2", "2001:db8::2"]


def test_reduced_sizes_and_large_counts() -> None:
    fields = ((8, 4), (12, 4), (1, 3), (2, 8))
    record = ip("10.0.0.1") + ip("10.0.0.2") + b"\x01\x00\x02" + b"\xff" * 8
    (flow,) = flows(decode(ipfix(template(300, fields, 10), one_set(300, record))))
    assert (flow["bytes_sent"], flow["packets_sent"]) == (65538, 2**64 - 1)


def test_what_firewalls_and_samplers_tell() -> None:
    fields = ((8, 4), (12, 4), (231, 4), (232, 4), (298, 4), (299, 4), (233, 1), (225, 4), (56, 6))
    record = ip("10.0.0.1") + ip("10.0.0.2") + struct.pack("!IIIIB", 1, 2, 3, 4, 3) + ip("198.51.100.7")
    options = struct.pack("!HHHHHHHHH", 500, 4, 8, 1, 4, 34, 4, 35, 4)
    told = one_set(500, struct.pack("!III", 7, 100, 1))
    sets = (
        one_set(1, options),
        told,
        template(256, fields),
        one_set(256, record + b"\x00\x1b\x00\x00\x00\x01"),
    )
    (flow,) = flows(decode(v9(*sets)))
    counts = ("bytes_sent", "bytes_received", "packets_sent", "packets_received")
    assert [flow[name] for name in counts] == [1, 2, 3, 4]
    assert flow["state"] == "denied"
    assert json.loads(flow["attributes"]) == {
        "postNATSourceIPv4Address": "198.51.100.7", "sourceMacAddress": "00:1b:00:00:00:01",
        "samplingInterval": 100, "firewallEvent": 3,
    }  # fmt: skip


def test_why_a_flow_ended_and_icmp_without_a_protocol() -> None:
    fields = ((8, 4), (12, 4), (136, 1), (32, 2))
    record = ip("10.0.0.1") + ip("10.0.0.2")
    records = record + b"\x03\x08\x00" + record + b"\xee\x08\x00"
    found = flows(decode(ipfix(template(300, fields, 10), one_set(300, records))))
    assert [flow["state"] for flow in found] == ["end_of_flow", ""]
    assert [flow["protocol"] for flow in found] == [1, 1]


def test_a_sampled_version_5_says_so() -> None:
    (flow,) = flows(decode(v5(v5_record(), sampling=0x4000 | 512)))
    assert json.loads(flow["attributes"])["samplingInterval"] == 512
    assert flow["bytes_sent"] == 4321


def test_a_clock_that_is_off_is_not_believed() -> None:
    payload = v9(template(256, V4), one_set(256, v4_record()), seconds=86400)
    (flow,) = flows(decode(payload))
    assert (flow["start_unix_nano"], flow["end_unix_nano"]) == (NOW - 2500 * MS, NOW - 500 * MS)
    assert json.loads(flow["attributes"]) == {"clock_off_seconds": NOW // SECOND - 86400}


def test_times_that_cannot_be_are_refused_alone() -> None:
    fields = ((8, 4), (12, 4), (152, 8))
    record = ip("10.0.0.1") + ip("10.0.0.2")
    moments = (NOW // MS, 1, 2**64 - 1, NOW // MS + 2 * 86_400_000)
    content = b"".join(record + struct.pack("!Q", moment) for moment in moments)
    decoded = decode(ipfix(template(300, fields, 10), one_set(300, content)))
    assert [flow["start_unix_nano"] for flow in flows(decoded)] == [NOW]
    assert refused(decoded) == {"time_out_of_range": 3}


def test_records_without_addresses_are_counted() -> None:
    decoded = decode(v9(template(256, ((1, 4), (2, 4))), one_set(256, bytes(24))))
    assert (decoded.flows, refused(decoded)) == (None, {"no_address": 3})
