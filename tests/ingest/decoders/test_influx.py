"""Line protocol: series, values and times as InfluxDB reads them; lines refused alone."""

from __future__ import annotations

import json

import pytest

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest import influx
from stormpetrel.ingest.influx import InfluxDecoder
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

T = 1_700_000_000_123_456_789
NOW = T + 9
BODY = (
    b"cpu,host=web-1,cpu=cpu0 usage_idle=98.34710743801653,usage_user=1i,up=true,state=\"ok\" %d\n"
    b"\n# a comment\n"
    b"disk\\ io,host=a\\,b\\=c free=1e3 \r\n" % T
)  # fmt: skip


def push(body: bytes | str, query: str = "", path: str = "/api/v2/write") -> PushRequest:
    raw = body.encode() if isinstance(body, str) else body
    return PushRequest(raw, "text/plain; charset=utf-8", "", path, "test", NOW, query=query)


VALID_REQUESTS = [push(BODY)]


class Sender:
    """A decoder and its registry."""

    def __init__(self, max_series: int = 1000) -> None:
        self.registry = SeriesRegistry(max_series)
        self.decoder = InfluxDecoder(self.registry, 8 << 20)

    def send(self, body: bytes | str, query: str = "", path: str = "/api/v2/write") -> Decoded:
        return self.decoder.decode(push(body, query, path))

    def rows(self, body: bytes | str, query: str = "") -> list[tuple[str, int, float]]:
        """Series, time and value; nothing may be refused."""
        decoded = self.send(body, query)
        assert decoded.status == 204, decoded.answer
        return self.shown(decoded)

    def shown(self, decoded: Decoded) -> list[tuple[str, int, float]]:
        batch = decoded.metrics
        if batch is None:
            return []
        names = [self.registry.info(int(n)).text() for n in batch.series]
        return list(zip(names, batch.time_unix_nano.tolist(), batch.value.tolist(), strict=True))


def rows(body: bytes | str, query: str = "") -> list[tuple[str, int, float]]:
    return Sender().rows(body, query)


def test_what_becomes_of_lines() -> None:
    sender = Sender()
    wanted = [
        ('cpu_usage_idle{cpu="cpu0",host="web-1"}', T, 98.34710743801653),
        ('cpu_usage_user{cpu="cpu0",host="web-1"}', T, 1.0),
        ('cpu_up{cpu="cpu0",host="web-1"}', T, 1.0),
        ('disk io_free{host="a,b=c"}', NOW, 1000.0),
    ]
    assert sender.rows(BODY) == wanted
    assert sender.rows(BODY) == wanted  # known series now
    assert len(sender.registry) == 4
    assert sender.registry.info(0).entity == "host:web-1"
    assert [(r.reason, r.rows) for r in sender.send(BODY).rejected] == [("text_field", 1)]


def test_tags_in_another_order_are_the_same_series() -> None:
    sender = Sender()
    assert sender.rows("m,a=1,b=2 f=1 1") == sender.rows("m,b=2,a=1 f=1 1")
    assert len(sender.registry) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "no_fields"),
        ("m,a=b", "no_fields"),
        ("m ", "no_fields"),
        (",a=b f=1", "no_measurement"),
        ("m f", "malformed_field"),
        ("m =1", "malformed_field"),
        ("m f=1,", "malformed_field"),
        ("m f=1, g=2", "malformed_field"),
        ("m f g=1", "malformed_field"),
        ("m f=", "malformed_value"),
        ("m f= 1", "malformed_value"),
        ("m f=x", "malformed_value"),
        ("m f=1x", "malformed_value"),
        ("m f=1.5i", "malformed_value"),
        ("m f=1.i", "malformed_value"),
        ("m f=-1u", "malformed_value"),
        ("m f=i", "malformed_value"),
        ("m f=9223372036854775808i", "malformed_value"),
        ("m f=1e", "malformed_value"),
        ("m f=1e+", "malformed_value"),
        ("m f=.", "malformed_value"),
        ("m f=-", "malformed_value"),
        ("m f=--1", "malformed_value"),
        ("m f=nan", "malformed_value"),
        ("m f=inf", "malformed_value"),
        ("m f=0x10", "malformed_value"),
        ("m f=1_0", "malformed_value"),
        ("m f=tRUE", "malformed_value"),
        ("m f=trues", "malformed_value"),
        ('m f="a"b', "unclosed_text"),
        ("m f=1 x", "malformed_time"),
        ("m f=1 1.5", "malformed_time"),
        ("m f=1 1 2", "malformed_time"),
        ("m f=1 99999999999999999999", "time_out_of_range"),
        ("m f=1 9223372036854775808", "time_out_of_range"),
        ("m,a f=1", "malformed_tag"),
        ("m,a= f=1,g=2", "malformed_tag"),
        ("m,=b f=1", "malformed_tag"),
        ("m,a=b=c f=1", "malformed_tag"),
        ("m,a=1,a=2 f=1", "duplicate_label"),
        ("m,__name__=x f=1", "reserved_label"),
        ("m," + ",".join(f"t{n}=x" for n in range(65)) + " f=1", "too_many_labels"),
        ("m,a=" + "x" * 20_000 + " f=1", "labels_too_long"),
    ],
)
@pytest.mark.parametrize("path", ["/write", "/api/v2/write"])
def test_a_bad_line_is_refused_alone(line: str, reason: str, path: str) -> None:
    sender = Sender()
    decoded = sender.send(f"m f=1 1\n{line}\nm f=2 2\n", path=path)
    assert sender.shown(decoded) == [("m_f", 1, 1.0), ("m_f", 2, 2.0)]
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
    assert (decoded.status, decoded.answer_type) == (400, "application/json")
    answer = json.loads(decoded.answer)
    text = answer["error"] if path == "/write" else answer["message"]
    assert text.startswith("partial write: line 2: ")
    assert text.endswith(" dropped=1")


def test_labels_that_are_not_utf8() -> None:
    sender = Sender()
    decoded = sender.send(b"m,a=\xff f=1 1\n\xfe f=1 1\nm \xff=1,g=2 1\nm h=3 1")
    assert sender.shown(decoded) == [("m_g", 1, 2.0), ("m_h", 1, 3.0)]
    assert [(r.reason, r.rows) for r in decoded.rejected] == [("not_utf8", 3)]


def test_texts_are_skipped_and_counted_and_may_hold_anything() -> None:
    sender = Sender()
    decoded = sender.send('m a="x, y=1 \\" \\\\",b=1,c="" 1\nm d="two\nlines\n",e=2 2\nbad\n')
    assert sender.shown(decoded) == [("m_b", 1, 1.0), ("m_e", 2, 2.0)]
    assert {r.reason: r.rows for r in decoded.rejected} == {"text_field": 3, "no_fields": 1}
    assert b"line 5: " in decoded.answer
    assert sender.send('m a="only" 1').status == 204


def test_an_unclosed_text_takes_the_rest_with_it() -> None:
    decoded = Sender().send('m f=1 1\nm a="x 1\nm f=2 2')
    assert [(r.reason, r.rows) for r in decoded.rejected] == [("unclosed_text", 1)]


@pytest.mark.parametrize(
    ("line", "series"),
    [
        (r"a\ b f=1", "a b_f"),
        (r"a\,b f=1", "a,b_f"),
        (r"a\=b f=1", r"a\=b_f"),
        (r"a=b f=1", "a=b_f"),
        (r"m,k\ \,\=k=v\ \,\=v f=1", 'm{k ,=k="v ,=v"}'.replace("m{", "m_f{")),
        (r"m f\ \,\=g=1", "m_f ,=g"),
        (r"m,path=C:\dir f=1", 'm_f{path="C:\\\\dir"}'),
        (r"m\\,a=b f=1", r"m\,a=b_f"),
        (r"m\\ x f=1", r"m\ x_f"),
        ("größe,ort=köln f=1", 'größe_f{ort="köln"}'),
        ('m,a="q" f=1', 'm_f{a="\\"q\\""}'),
        ("  m f=1  ", "m_f"),
        ("m\t f=1", "m\t_f"),
    ],
)  # fmt: skip
def test_names_and_escapes(line: str, series: str) -> None:
    assert rows(line) == [(series, NOW, 1.0)]


def test_a_source_without_room_has_its_samples_counted_by_admission() -> None:
    sender = Sender(max_series=1)
    for _ in range(2):
        batch = sender.send("m f=1 1\nm g=1 1").metrics
        assert batch is not None
        assert batch.series.tolist() == [0, REFUSED_SERIES]


def test_ids_follow_the_order_of_first_sight() -> None:
    body = "\n".join(f"m,n={n % 50} f={n} {n}" for n in range(500))
    sender = Sender()
    found = sender.rows(body)
    assert [name for name, _, _ in found[:50]] == [f'm_f{{n="{n}"}}' for n in range(50)]
    assert [sender.registry.info(n).labels for n in range(50)] == [(("n", str(n)),) for n in range(50)]
    assert [v for _, _, v in found] == list(map(float, range(500)))


def test_too_many_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx, "MAX_SAMPLES", 10)
    line = "m " + ",".join(f"f{n}={n}" for n in range(10))
    assert len(rows(line)) == 10
    with pytest.raises(TooLargeError):
        rows(line + ",g=1")


def test_nothing_and_comments() -> None:
    for body in ("", "\n", "# x", "\r\n \n\t\n#=1"):
        decoded = Sender().send(body)
        assert (decoded.status, decoded.metrics, decoded.rejected) == (204, None, ())
