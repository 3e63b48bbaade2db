"""Whose lines belong together: programs, wherever they run."""

from __future__ import annotations

import json

import pytest

from stormpetrel.model.columns import build_logs
from stormpetrel.patterns.lines import LineSources


@pytest.mark.parametrize(
    ("entity", "source", "attributes", "name"),
    [
        ("service:cart", "10.0.0.1/otlp_logs", {}, "service:cart"),
        ("host:a", "files", {"log.file.path": "/var/log/app.log", "process": "sshd"},
         "files/log.file.path:/var/log/app.log"),
        ("pod:x-1", "files", {"k8s.container.name": "app", "log.file.path": "/var/log/pods/x-1/0.log"},
         "files/k8s.container.name:app"),
        ("host:b", "journald", {"process": "cron", "systemd.unit": "cron.service"}, "journald/process:cron"),
        ("host:b", "syslog", {"process": 7}, "syslog/host"),
        ("unknown:unknown", "agent/loki", {}, "loki/unknown"),
    ],
)  # fmt: skip
def test_names(entity: str, source: str, attributes: dict[str, object], name: str) -> None:
    assert LineSources().name(entity, source, json.dumps(attributes)) == name


@pytest.mark.parametrize("attributes", ["", "{", "[1]", "null", '"text"'])
def test_attributes_that_are_no_object_name_nothing(attributes: str) -> None:
    assert LineSources().name("host:a", "syslog", attributes) == "syslog/host"


def test_a_batch_keeps_its_order_and_who_wrote_each_line() -> None:
    batch = build_logs(
        [5, 6, 7],
        ["one", "two", "three"],
        source=["syslog", "files", "syslog"],
        entity=["host:a", "host:b/filesystem:/var", "service:s"],
        attributes=['{"process":"x"}', "{}", "{}"],
        severity_number=[1, 2, 3],
    )
    lines = LineSources().lines(batch)
    assert [lines.sources[k] for k in lines.source] == ["syslog/process:x", "files/host", "service:s"]
    assert [lines.origins[k] for k in lines.origin] == ["host:a", "host:b", "service:s"]
    assert lines.text.to_pylist() == ["one", "two", "three"]
    assert lines.time_unix_nano.tolist() == [5, 6, 7]
    assert lines.severity_number.tolist() == [1, 2, 3]


def test_a_memory_of_names_is_bounded() -> None:
    sources = LineSources()
    for k in range(30_000):
        sources.name("host:a", "syslog", f'{{"process.pid":"{k}"}}')
    assert len(sources._known) <= 20_000
