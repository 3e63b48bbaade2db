"""Templates and what waits for them: remembered by exporter, forgotten in time, bounded throughout."""

from __future__ import annotations

import struct

import pytest
from tests.ingest.flows.wire import (
    NOW,
    V4,
    decode,
    flows,
    ip,
    ipfix,
    one_set,
    refused,
    template,
    v4_record,
    v9,
)

from stormpetrel.ingest import netflow_templates
from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.ingest.netflow_templates import (
    MAX_EXPORTERS,
    MAX_TEMPLATES,
    MAX_WAITING_SETS,
    TEMPLATE_NANOS,
    WAITING_NANOS,
)

TOLD, RECORD = v9(template(256, V4)), v9(one_set(256, v4_record()))


def test_a_template_holds_for_later_datagrams() -> None:
    decoder = NetflowDecoder()
    assert decode(TOLD, decoder=decoder).flows is None
    assert len(flows(decode(RECORD, RECORD, decoder=decoder))) == 2


def test_data_before_its_template_waits_for_it() -> None:
    decoder = NetflowDecoder()
    early = decode(RECORD, RECORD, decoder=decoder, received=NOW)
    assert (early.flows, early.rejected) == (None, ())
    later = flows(decode(TOLD, decoder=decoder, received=NOW + 60_000_000_000))
    assert len(later) == 2
    assert {flow["start_unix_nano"] for flow in later} == {NOW - 2_500_000_000}, "dated by its own header"
    assert decode(TOLD, decoder=decoder).flows is None, "it waits no more"


def test_data_before_its_template_in_one_datagram() -> None:
    assert len(flows(decode(v9(one_set(256, v4_record()), template(256, V4))))) == 1


def test_exporters_do_not_share_templates() -> None:
    decoder = NetflowDecoder()
    decode(TOLD, decoder=decoder)
    assert decode(v9(one_set(256, v4_record()), domain=7), decoder=decoder).flows is None
    other = decoder.decode([("192.0.2.99", NOW, RECORD)], "netflow")
    assert other.flows is None
    assert decode(ipfix(one_set(256, v4_record())), decoder=decoder).flows is None


def test_a_template_can_change_its_layout() -> None:
    decoder = NetflowDecoder()
    decode(TOLD, decoder=decoder)
    changed = v9(template(256, ((12, 4), (8, 4))), one_set(256, ip("10.0.0.2") + ip("10.0.0.1")))
    (flow,) = flows(decode(changed, decoder=decoder))
    assert (flow["source_address"], flow["bytes_sent"]) == ("10.0.0.1", 0)


def test_a_template_is_forgotten_unless_it_is_told_again() -> None:
    decoder = NetflowDecoder()
    decode(TOLD, decoder=decoder)
    assert len(flows(decode(RECORD, decoder=decoder, received=NOW + TEMPLATE_NANOS))) == 1
    decode(TOLD, decoder=decoder, received=NOW + TEMPLATE_NANOS)
    late = NOW + TEMPLATE_NANOS + 1
    assert len(flows(decode(RECORD, decoder=decoder, received=late))) == 1
    assert decode(RECORD, decoder=decoder, received=late + TEMPLATE_NANOS).flows is None


def test_ipfix_can_withdraw_a_template() -> None:
    decoder = NetflowDecoder()
    decode(ipfix(template(256, V4, 10)), decoder=decoder)
    withdrawn = ipfix(one_set(2, struct.pack("!HH", 256, 0)), one_set(256, v4_record()))
    assert decode(withdrawn, decoder=decoder).flows is None


def test_what_waits_in_vain_is_counted() -> None:
    decoder = NetflowDecoder()
    decode(RECORD, decoder=decoder)
    assert refused(decode(v9(), decoder=decoder, received=NOW + WAITING_NANOS)) == {}
    assert refused(decode(v9(), decoder=decoder, received=NOW + WAITING_NANOS + 1)) == {"no_template": 1}
    assert decode(TOLD, decoder=decoder).flows is None


def test_few_sets_wait_for_one_exporter() -> None:
    decoder = NetflowDecoder()
    decoded = decode(*[RECORD] * (MAX_WAITING_SETS + 5), decoder=decoder)
    assert refused(decoded) == {"no_template": 5}
    assert len(flows(decode(TOLD, decoder=decoder))) == MAX_WAITING_SETS


def test_few_bytes_wait_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(v4_record())
    monkeypatch.setattr(netflow_templates, "MAX_WAITING_BYTES", 3 * size)
    decoder = NetflowDecoder()
    decoded = decode(*(v9(one_set(256, v4_record()), domain=n) for n in range(5)), decoder=decoder)
    assert refused(decoded) == {"no_template": 2}
    decode(v9(template(256, V4), domain=0), decoder=decoder)
    assert decode(v9(one_set(256, v4_record()), domain=9), decoder=decoder).rejected == (), (
        "there is room again"
    )


def test_few_templates_are_kept_of_one_exporter() -> None:
    decoder = NetflowDecoder()
    for number in range(256, 256 + MAX_TEMPLATES + 1):
        decode(v9(template(number, V4)), decoder=decoder)
    assert decode(v9(one_set(256, v4_record())), decoder=decoder).flows is None
    assert len(flows(decode(v9(one_set(257, v4_record())), decoder=decoder))) == 1


def test_the_exporter_not_heard_for_longest_makes_room() -> None:
    decoder = NetflowDecoder()
    decode(v9(one_set(256, v4_record()), domain=MAX_EXPORTERS), decoder=decoder)  # waits, and goes first
    decoded = decode(*(v9(template(256, V4), domain=n) for n in range(MAX_EXPORTERS)), decoder=decoder)
    assert refused(decoded) == {"no_template": 1}
    assert len(flows(decode(RECORD, decoder=decoder))) == 1
    decode(v9(template(256, V4), domain=MAX_EXPORTERS), decoder=decoder)
    assert decode(v9(one_set(256, v4_record()), domain=1), decoder=decoder).flows is None
