"""What is a variable by its look, and what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patterns.test_skeleton import reduced

from stormpetrel.patterns.mask import WILD, tokens
from stormpetrel.patterns.structured import key_of


def key(line: str) -> str:
    return " ".join(key_of(reduced(line)[0])[0])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("took 532 ms", "took <*> ms"),
        ("took 5ms or 532ms.", "took <*> or <*>."),
        ("sent 12 bytes (1.2 KB) in 3 seconds", "sent <*> in <*>"),
        ("GET https://example.org/a?b=c failed", "GET <*> failed"),
        ("from ::ffff:10.1.2.3 port 22 ssh2", "from <*> port <*> ssh2"),
        ("mail to ada@example.org bounced", "mail to <*> bounced"),
        ("open /var/log/syslog: No such file", "open <*>: No such file"),
        (r"load C:\Windows\system32\x.dll now", "load <*> now"),
        ("rhost=db.example.org  user=root", "rhost=<*> user=<*>"),
        ('tag="View Lock" ok=true', 'tag="<*>" ok=<*>'),
        ("eth1: up", "eth<*>: up"),
        ("core.2275 generated", "core.<*> generated"),
        ("BSSID 00:1a:2b:3c:4d:5e", "BSSID <*>"),
        ("at Mon Jul 03 10:05:25 2005", "at <*>"),
        ("session opened for user root by me", "session opened for user <*> by me"),
        ("list 1 2 3 4", "list <*>"),
        ("isBluetoothA2dpOn", "isBluetoothA2dpOn"),
        ("jk2_init() Found child 12", "jk2_init() Found child <*>"),
        ("AirPort_Brcm43xx::powerChange", "AirPort_Brcm<*>xx::powerChange"),
    ],
)
def test_looks(line: str, wanted: str) -> None:
    assert key(line) == wanted


def test_constants_are_kept_beside() -> None:
    said = {c.at: (c.text, c.habit) for c in tokens("tty=ssh took 0 seconds on eth1")[1]}
    assert said == {0: ("tty=ssh", True), 2: ("<*> seconds", False), 4: ("eth1", False)}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            '{"time":"2024-01-01","level":"error","msg":"order 17 failed","user":"ada"}',
            "msg= order <*> failed level=error time=<*> user=<*>",
        ),
        ('{"user":"bob","msg":"order 8 failed","level":"error","time":"x"}',
         "msg= order <*> failed level=error time=<*> user=<*>"),
        ('ts=17 level=warn msg="slow query" ms=17', "msg= slow query level=warn ms=<*> ts=<*>"),
        ("{not json}", "{not json}"),
        ("\tat com.example.Main.run(Main.java:17)", "at <*>"),
    ],
)  # fmt: skip
def test_structures(line: str, wanted: str) -> None:
    assert key(line) == wanted


TRACE = """request 17 failed
java.lang.IllegalStateException: outer
\tat com.example.A.run(A.java:{a})
\tat com.example.B.run(B.java:9)
Caused by: java.io.IOException: disk {b} is full
\tat com.example.C.run(C.java:12)
\t... 17 more"""


def test_a_trace_is_its_first_line_exception_cause_and_frames() -> None:
    one, other = key(TRACE.format(a=10, b=3)), key(TRACE.format(a=99, b=4))
    assert one == other
    assert one.startswith("request <*> failed | java.io.IOException disk <*> is full | frames:")
    assert key(TRACE.format(a=10, b=3).replace("B.run", "Z.walk")) != one


def test_a_trace_of_python() -> None:
    text = "Traceback (most recent call last):\n  File \"a.py\", line 7, in run\n    f()\nKeyError: 'id'"
    assert key(text).startswith("Traceback (most recent call last): | KeyError 'id' | frames:")


@given(st.text(max_size=300))
def test_any_text(line: str) -> None:
    said, constants = key_of(line)
    assert all(" " not in token for token in said)
    assert all(WILD in said[c.at] for c in constants)
