"""Headers of lines that nobody described before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.patterns.test_skeleton import reduced

from stormpetrel.patterns.header import LONGEST, Layout, learn
from stormpetrel.patterns.stream import read
from stormpetrel.patterns.structured import key_of

SAID = (
    "connection from {} closed",
    "worker {} started",
    "cache of {} entries is cold",
    "retry {} of job",
    "all quiet",
)

HEADERS = [
    "2024-03-01 10:00:{s:02d},{n:03d} INFO [main] com.example.Service: ",
    "2024-03-01T10:00:{s:02d}.{n:03d}Z {level} ",
    "Mar  1 10:00:{s:02d} host-{h} sshd[{n}]: ",
    "[Fri Mar 01 10:00:{s:02d} 2024] [{low}] ",
    "24/03/01 10:00:{s:02d} {level} storage.BlockManager: ",
    "03-01 10:00:{s:02d}.{n:03d}  1{n} {n} D WindowManager: ",
    "- 17092872{s:02d} 2024.03.01 r{n} 2024-03-01-10.00.{s:02d}.675872 r{n} RAS KERNEL {level} ",
    "{n} node-{h} unix.hw state_change 17092872{s:02d} 1 ",
    "[03.01 10:00:{s:02d}] chrome.exe{w} - ",
    "20240301-10:00:{s:02d}:{n}|Step_LSC|30002312|",
    "2024-03-01 10:00:{s:02d}, {level:<20} CBS    ",
    "api.log.1 2024-03-01 10:00:{s:02d}.{n:03d} {n} {level} nova.api.server [req-{n}] ",
    "2024-03-01 10:00:{s:02d},{n:03d} - {level}  [Main[id=1]/0:0:0:0:2181:Fast@774] - ",
]


def lines(header: str, count: int = 200) -> tuple[list[str], list[str]]:
    """Whole lines and their messages."""
    rng = np.random.default_rng(3)
    whole, messages = [], []
    for k in range(count):
        n, level = int(rng.integers(100, 999)), ("INFO", "WARN", "ERROR")[int(rng.integers(3))]
        head = header.format(
            s=k % 60, n=n, h=n % 3, level=level, low=level.lower(), w=" *64" if n % 2 else ""
        )
        messages.append(SAID[int(rng.integers(len(SAID)))].format(n))
        whole.append(head + messages[-1])
    return whole, messages


@pytest.mark.parametrize("header", HEADERS)
def test_the_header_goes_and_nothing_else(header: str) -> None:
    whole, messages = lines(header)
    layout = learn([(line, reduced(line)[0]) for line in whole])
    assert [layout.message(reduced(line)[0]) for line in whole] == [reduced(text)[0] for text in messages]


def test_no_header_is_a_layout() -> None:
    _, messages = lines("")
    assert learn([(text, reduced(text)[0]) for text in messages]) == Layout()
    assert learn([]) == Layout()
    assert learn([("", "")]) == Layout()


def test_lines_that_go_on_are_left_alone() -> None:
    whole, _ = lines(HEADERS[0])
    frames = ["\tat com.example.Main.run(Main.java:17)"] * 150
    layout = learn([(line, reduced(line)[0]) for line in whole + frames])
    assert layout.kinds == ("time", "level", "bracket", "component")
    assert layout.message(reduced(frames[0])[0]) == reduced(frames[0])[0]


def test_a_single_statement_is_no_header() -> None:
    whole = [f"2024-03-01 10:00:{k % 60:02d} INFO size: {k}" for k in range(200)]
    layout = learn([(line, reduced(line)[0]) for line in whole])
    assert layout.message(reduced(whole[0])[0]) == "size: 0"


@settings(deadline=None)
@given(
    st.sampled_from([(), ("time", "level"), ("word", "time"), ("time", "any", "level", "component")]),
    st.text('0ab:-. INFO\n=<*>{}"', max_size=60),
    st.sampled_from([0, LONGEST]),
)
def test_what_is_remembered_of_a_skeleton_is_what_is_read(
    kinds: tuple[str, ...], text: str, more: int
) -> None:
    layout, skeleton = Layout(kinds), text + more * "x"
    message = layout.message(skeleton)
    for _ in range(2):
        assert read(layout, skeleton) == (*key_of(message), len(message.split()))
