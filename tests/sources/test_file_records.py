"""Container wrappers, stack traces, and where a record begins."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.times import find_time

from stormpetrel.adapters.sources.file_records import (
    MAX_JOINED_LINES,
    Raw,
    container_of,
    last_start,
    put_together,
    record_starts,
    unwrap,
)

NOW = 1_800_000_000_000_000_000


def records(text: str) -> list[str]:
    raws = [unwrap(line) for line in text.encode().split(b"\n")]
    return [r.text.decode() for r in put_together(raws, record_starts(raws, find_time, NOW))]


JAVA = """2024-05-01 10:00:00,123 ERROR [main] OrderService - could not save
java.lang.IllegalStateException: no connection
\tat com.shop.Order.save(Order.java:41)
\tat com.shop.Main.main(Main.java:9)
Caused by: java.net.ConnectException: refused
\t... 12 more
2024-05-01 10:00:01,000 INFO [main] next"""

PYTHON = """2024-05-01 10:00:00 ERROR worker failed
Traceback (most recent call last):
  File "a.py", line 3, in run
    go()

ValueError: no such order
2024-05-01 10:00:02 INFO ready"""

GO = """2024/05/01 10:00:00 panic: runtime error: index out of range

goroutine 1 [running]:
main.main()
\t/srv/main.go:8 +0x1d
2024/05/01 10:00:03 restarted"""


@pytest.mark.parametrize("text", [JAVA, PYTHON, GO])
def test_a_stack_trace_is_one_record_with_its_line(text: str) -> None:
    found = records(text)
    assert found == ["\n".join(text.split("\n")[:-1]), text.rsplit("\n", maxsplit=1)[-1]]


def test_lines_without_times_are_records_of_their_own() -> None:
    assert records("one\ntwo\n\nthree\n") == ["one", "two", "three"]


def test_indented_lines_join_even_without_times() -> None:
    assert records("error: bad\n  at line 3\nok") == ["error: bad\n  at line 3", "ok"]


def test_a_record_has_an_end() -> None:
    lines = ["2024-05-01 10:00:00 start", *(["no time here"] * (2 * MAX_JOINED_LINES))]
    assert max(len(record.split("\n")) for record in records("\n".join(lines))) == MAX_JOINED_LINES


def test_docker_lines_are_unwrapped_and_their_pieces_joined() -> None:
    def line(log: str) -> str:
        return json.dumps(
            {"log": log, "stream": "stderr", "time": "2024-05-01T10:00:00.000000001Z"}, separators=(",", ":")
        )

    raws = [unwrap(text.encode()) for text in (line("long "), line("line\n"), line("next\n"))]
    assert [r.part for r in raws] == [True, False, False]
    assert (raws[0].stream, raws[0].stamp) == ("stderr", b"2024-05-01T10:00:00.000000001Z")
    assert [r.text for r in put_together(raws, record_starts(raws, find_time, NOW))] == [
        b"long line",
        b"next",
    ]


def test_lines_of_kubernetes_nodes_are_unwrapped_and_their_pieces_joined() -> None:
    text = (
        "2024-05-01T10:00:00.123456789Z stdout P a very \n"
        "2024-05-01T10:00:00.123456790Z stdout F long line\n"
        "2024-05-01T10:00:00.2Z stderr F \tat com.shop.Main"
    )
    assert records(text) == ["a very long line\n\tat com.shop.Main"]
    assert unwrap(b"2024-05-01T10:00:00.2Z stderr F hello").stream == "stderr"


@pytest.mark.parametrize("line", [b'{"log":"x', b'{"log":"x"}x', b"2024-05-01T10:00:00Z nostream F x", b""])
def test_what_only_looks_wrapped_stays(line: bytes) -> None:
    assert unwrap(line) == Raw(line)


def test_the_last_record_is_found() -> None:
    content = (JAVA + "\n").encode()
    assert content[last_start(content, find_time, NOW) :] == b"2024-05-01 10:00:01,000 INFO [main] next\n"
    trace = content[: last_start(content, find_time, NOW)]
    assert last_start(trace, find_time, NOW) == 0


def test_the_path_of_a_container_says_whose_it_is() -> None:
    path = "/var/log/containers/web-7d9f_shop_nginx-" + "0a" * 32 + ".log"
    told = container_of(path)
    assert (told["k8s.pod.name"], told["k8s.namespace.name"]) == ("web-7d9f", "shop")
    assert container_of("/var/lib/docker/containers/abc/" + "0b" * 32 + "-json.log") == {
        "container.id": "0b" * 32
    }
    assert container_of("/var/log/syslog") == {}


lines = st.lists(
    st.sampled_from(["2024-05-01 10:00:00 a", "plain", "\tat x", "", "Caused by: y"]), max_size=12
)


@given(lines, lines)
def test_cutting_before_the_last_record_changes_nothing(head: list[str], tail: list[str]) -> None:
    content = "".join(f"{line}\n" for line in head + tail).encode()
    cut = last_start(content, find_time, NOW)
    whole = records(content.decode())
    assert records(content[:cut].decode()) + records(content[cut:].decode()) == whole
