"""From the lines of a log file to records: container wrappers taken off, broken-up lines put together.

Wrappers known by sight: Docker's json-file driver and the CRI format of Kubernetes nodes. Both say time
and stream, and whether a long line goes on in the next.

A line belongs to the record before it when it is indented or begins as stack traces go on, or when the
record began with a time and the line has none. The blank lines inside of a record are kept, those after
it are not. Decided by content alone: the same bytes read again give the same records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

MAX_JOINED_LINES = 500
_CRI = re.compile(rb"(\d{4}-\d\d-\d\dT\S{8,40}) (stdout|stderr) ([FP]) ?(.*)", re.DOTALL)
_DOCKER = b'{"log":"'
_GOES_ON = re.compile(
    rb"[ \t}\])]|Caused by: |Traceback \(most recent|During handling of|The above exception|"
    rb"\.\.\. \d+ (?:more|common)|goroutine \d+ \[|at [\w$.<>]+\(|from \S+:\d+:in |--- End of "
)

# When a line's leading time is, and where it ends in the line; None where there is none.
FindTime = Callable[[bytes, int], tuple[int, int] | None]


class Raw(NamedTuple):
    """One line as the program wrote it. `stamp` is the wrapper's time as text, `part` that it goes on."""

    text: bytes
    stamp: bytes = b""
    stream: str = ""
    part: bool = False


def unwrap(line: bytes) -> Raw:
    """The line without its wrapper, if it has one."""
    if line.startswith(_DOCKER):
        try:
            read = orjson.loads(line)
            text = str(read["log"]).encode("utf-8", "replace")
            stamp, stream = str(read.get("time", "")), str(read.get("stream", ""))
        except (orjson.JSONDecodeError, KeyError, AttributeError):
            return Raw(line)
        return Raw(text.rstrip(b"\r\n"), stamp.encode("utf-8", "replace"), stream, not text.endswith(b"\n"))
    found = _CRI.fullmatch(line) if line[:2].isdigit() else None
    if found is None:
        return Raw(line)
    return Raw(found[4], found[1], found[2].decode(), found[3] == b"P")


def record_starts(lines: Sequence[Raw], find_time: FindTime, observed_unix_nano: int) -> list[bool]:
    """For each line whether a record begins with it; the first always does, blank lines never do."""
    starts: list[bool] = []
    timed = part = False
    length = 0
    for line in lines:
        blank = not line.text.strip()
        if not starts:
            begins = True
        elif blank or part:
            begins = False
        elif length >= MAX_JOINED_LINES:
            begins = True
        else:
            goes_on = _GOES_ON.match(line.text) is not None
            begins = not goes_on and (not timed or find_time(line.text[:200], observed_unix_nano) is not None)
        if begins:
            timed = find_time(line.text[:200], observed_unix_nano) is not None
            length = 0
        length += 1
        part = line.part
        starts.append(begins)
    return starts


def last_start(content: bytes, find_time: FindTime, observed_unix_nano: int) -> int:
    """Where in whole lines the last record begins: it may still go on; 0 when there is one record only."""
    pieces = content.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    starts = record_starts([unwrap(piece.strip(b"\r\0")) for piece in pieces], find_time, observed_unix_nano)
    last = max((k for k, begins in enumerate(starts) if begins), default=0)
    return sum(len(piece) + 1 for piece in pieces[:last])


def put_together(lines: Sequence[Raw], starts: Sequence[bool]) -> list[Raw]:
    """Records: each the lines from one start to the next; pieces of one line without a break between."""
    records: list[Raw] = []
    texts: list[bytes] = []
    part = False
    for line, begins in zip(lines, starts, strict=True):
        if begins and records:
            records[-1] = records[-1]._replace(text=b"".join(texts).rstrip())
        if begins:
            records.append(line)
            texts = [line.text]
        else:
            texts += [line.text] if part else [b"\n", line.text]
        part = line.part
    if records:
        records[-1] = records[-1]._replace(text=b"".join(texts).rstrip())
    return [record for record in records if record.text.strip()]


def container_of(path: str) -> dict[str, str]:
    """What the path of a container's log says of it; empty for other paths.

    >>> container_of("/var/log/containers/web-7d_shop_nginx-0123abcd.log")["k8s.pod.name"]
    'web-7d'
    """
    name = path.rpartition("/")[2]
    found = re.fullmatch(r"([a-z0-9.-]+)_([a-z0-9-]+)_([a-z0-9.-]+)-([0-9a-f]{8,64})\.log", name)
    if found and "/containers/" in path:
        return {
            "k8s.pod.name": found[1],
            "k8s.namespace.name": found[2],
            "k8s.container.name": found[3],
            "container.id": found[4],
        }
    docker = re.fullmatch(r"([0-9a-f]{12,64})-json\.log", name)
    return {"container.id": docker[1]} if docker else {}
