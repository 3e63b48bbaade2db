"""Lists of targets: formats, what a target becomes, files that change, and lists that are hostile."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.adapters.sources import discovery_lists, discovery_targets
from stormpetrel.adapters.sources.discovery_lists import FileLists, read_answer
from stormpetrel.adapters.sources.discovery_targets import (
    DiscoveryError,
    FoundTarget,
    read_json,
    read_yaml,
    targets_of,
)

YAML = b"""
- targets: [10.0.0.1:9100, "10.0.0.2:9100"]
  labels:
    zone: b
    number: 1.10
    __meta_datacenter: london
- targets:
    - db
"""


def found(*groups: Any, **labels: str) -> list[FoundTarget | str]:
    made = targets_of([(list(t), dict(said)) for t, said in groups], "job", labels)
    return [target if isinstance(target, FoundTarget) else str(target) for target in made]


def test_yaml_and_json_say_the_same() -> None:
    groups = [
        {"targets": ["10.0.0.1:9100", "10.0.0.2:9100"],
         "labels": {"zone": "b", "number": "1.10", "__meta_datacenter": "london"}},
        {"targets": ["db"]},
    ]  # fmt: skip
    assert read_yaml(YAML, "f") == read_json(json.dumps(groups).encode(), "f")
    assert read_yaml(b"", "f") == read_json(b"[]", "f") == []


def test_a_target_and_its_labels() -> None:
    targets = found(
        (["10.0.0.1:9100"], {"zone": "b", "__meta_x": "y", "empty": ""}),
        (
            ["Db"],
            {
                "__scheme__": "https", "__metrics_path__": "probe/a b?", "__param_module": "http 2xx",
                "__param_target": "x&y", "job": "probe", "__address__": "ignored",
            },
        ),
        (["[::1]:9100"], {"instance": "six", "site": "own"}),
        site="fra1",
    )  # fmt: skip
    assert targets == [
        FoundTarget(
            "http://10.0.0.1:9100/metrics",
            (("instance", "10.0.0.1:9100"), ("job", "job"), ("site", "fra1"), ("zone", "b")),
        ),
        FoundTarget(
            "https://Db:443/probe/a%20b%3F?module=http+2xx&target=x%26y",
            (("instance", "Db:443"), ("job", "probe"), ("site", "fra1")),
        ),
        FoundTarget("http://[::1]:9100/metrics", (("instance", "six"), ("job", "job"), ("site", "own"))),
    ]


@pytest.mark.parametrize(
    ("address", "labels"),
    [
        ("", {}),
        ("host/path", {}),
        ("user@host:1", {}),
        ("a b", {}),
        ("host:port", {}),
        ("host:99999", {}),
        (":9100", {}),
        ("::1", {}),
        ("[::1", {}),
        ("x" * 600, {}),
        ("host#f", {}),
        ("host", {"__scheme__": "file"}),
        ("host", {"": "x"}),
        ("host", {f"l{n}": "x" for n in range(70)}),
        ("host", {"long": "x" * 20_000}),
    ],
)
def test_what_cannot_be_scraped_is_told_and_the_rest_is_taken(address: str, labels: dict[str, str]) -> None:
    first, second = found(([address], labels), (["good:1"], {}))
    assert isinstance(first, str)
    assert "cannot be scraped" in first
    assert isinstance(second, FoundTarget)


@pytest.mark.parametrize(
    "text",
    [
        b"{}", b"[1]", b'[{"targets": "x"}]', b'[{"targets": [1]}]', b'[{"targets": [], "labels": {"a": 1}}]',
        b'[{"targets": [], "more": 1}]', b'[{"targets": ["a"], "labels": ["b"]}]', b"[", b"\xff",
        b'["\\ud800"]',
    ],
)  # fmt: skip
def test_bad_lists_are_refused_whole(text: bytes) -> None:
    with pytest.raises(DiscoveryError, match=r"^the place"):
        read_json(text, "the place")


@pytest.mark.parametrize(
    "text",
    [
        b"a: b", b"- x", b"- targets: {a: b}", b"\t", b"\xff\xfe\x00", b"- targets: [[a]]",
        b"[" * 500_000, b"- " * 500_000, b"{" * 500_000, b"? " * 500_000,
    ],
)  # fmt: skip
def test_bad_yaml_is_refused_whole(text: bytes) -> None:
    with pytest.raises(DiscoveryError):
        read_yaml(text, "the place")


def test_yaml_makes_no_objects_and_no_surrogates(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'- targets: ["a"]\n  labels: {x: !!python/object/apply:os.getcwd []}\n'
    with pytest.raises(DiscoveryError):
        read_yaml(text, "f")
    monkeypatch.setattr(discovery_targets, "_YAML_LOADER", yaml.BaseLoader)  # the C parser refuses these
    assert read_yaml(b'- targets: ["a\\uD800"]\n', "f") == [(["a?"], {})]


def test_aliases_cannot_make_a_list_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery_targets, "MAX_LISTED", 1000)
    text = b"- targets: &t [" + b"a," * 100 + b"]\n" + b"- targets: *t\n" * 100
    with pytest.raises(DiscoveryError, match="more than 1000 targets"):
        read_yaml(text, "f")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_text_is_a_list_or_an_error(text: bytes) -> None:
    for read in (read_json, read_yaml):
        with contextlib.suppress(DiscoveryError):
            for target in targets_of(read(text, "f"), "job", {}):
                assert isinstance(target, FoundTarget | DiscoveryError)


def write(path: Path, *addresses: str) -> None:
    """As tools do it: whole, by renaming."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps([{"targets": list(addresses)}]))
    beside.replace(path)


def addresses(lists: FileLists) -> list[str]:
    return [address for group, _ in lists.groups() for address in group]


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    lists = FileLists([str(tmp_path / "*.json"), str(tmp_path / "a*")])
    assert lists.look() == (False, [])
    write(tmp_path / "a.json", "one")
    write(tmp_path / "b.json", "two")
    assert lists.look() == (True, [])
    assert addresses(lists) == ["one", "two"]
    assert lists.look() == (False, [])
    write(tmp_path / "a.json", "three")
    assert lists.look() == (True, [])
    assert addresses(lists) == ["three", "two"]
    (tmp_path / "b.json").unlink()
    assert lists.look() == (True, [])
    assert addresses(lists) == ["three"]


def test_a_file_that_cannot_be_read_keeps_what_it_had_and_is_told_of_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write(path, "one")
    lists = FileLists([str(path)])
    lists.look()
    path.write_text('[{"targets": ["half')
    changed, errors = lists.look()
    assert (changed, len(errors), addresses(lists)) == (False, 1, ["one"])
    assert str(path) in str(errors[0])
    assert lists.look() == (False, [])
    write(path, "two")
    assert lists.look() == (True, [])
    assert addresses(lists) == ["two"]


def test_what_is_no_list_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("[]")
    (tmp_path / "b.json").mkdir()
    os.mkfifo(tmp_path / "c.json")
    (tmp_path / "d.json").write_text("[]" + " " * 3000)
    monkeypatch.setattr(discovery_lists, "MAX_FILE_BYTES", 2000)
    changed, errors = FileLists([str(tmp_path / "*")]).look()
    assert (changed, len(errors)) == (False, 4)


@pytest.mark.parametrize("pattern", ["", "/", "a**/b", "/x/**y"])
def test_what_is_no_pattern_is_told_once(pattern: str, tmp_path: Path) -> None:
    write(tmp_path / "a.json", "one")
    lists = FileLists([pattern, str(tmp_path / "*.json")])
    changed, errors = lists.look()
    assert (changed, len(errors), addresses(lists)) == (True, 1, ["one"])
    assert lists.look() == (False, [])


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("text/html", False),
        ("", False),
        ("application/json; charset=latin-1", False),
    ],
)
def test_a_service_answers_json_and_says_so(content_type: str, good: bool) -> None:
    if good:
        assert read_answer(b'[{"targets": ["a"]}]', content_type, "u") == [(["a"], {})]
    else:
        with pytest.raises(DiscoveryError, match="application/json"):
            read_answer(b"[]", content_type, "u")
