"""The declared topology: YAML and TOML say the same, and every mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormpetrel.app.config import load_config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.topology_file import MAX_EDGES, read_topology
from stormpetrel.errors import ConfigError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.topology import NodeRole

YAML = """\
# who calls whom
nodes:
  - entity: service:shop
    role: entry
edges:
  - caller: service:shop
    callee: service:cart
  - {caller: service:cart, callee: "database:orders"}
"""
TOML = """\
[[nodes]]
entity = "service:shop"
role = "entry"

[[edges]]
caller = "service:shop"
callee = "service:cart"

[[edges]]
caller = "service:cart"
callee = "database:orders"
"""


def written(directory: Path, text: str, name: str = "topology.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def wrong(path: Path) -> list[str]:
    """The lines of the error, without the directory."""
    with pytest.raises(ConfigError) as caught:
        read_topology(path)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def test_yaml_and_toml_declare_the_same(tmp_path: Path) -> None:
    found = read_topology(written(tmp_path, YAML))
    assert found == read_topology(written(tmp_path, TOML, "t.toml"))
    assert found.roles == (("service:shop", NodeRole.ENTRY),)
    assert found.edges == (("service:shop", "service:cart"), ("service:cart", "database:orders"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "nodes: []\n"])
def test_a_file_that_says_nothing_declares_nothing(tmp_path: Path, text: str) -> None:
    found = read_topology(written(tmp_path, text))
    assert (found.roles, found.edges) == ((), ())


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("    role: entry", "    role: gateway", "t.yaml:4: no such role: gateway; roles are entry, transit"),
        ("    role: entry", "    rolle: entry", "t.yaml:4: unknown key rolle; nodes have entity and role"),
        ("    role: entry", "    role: [entry]", "t.yaml:4: role must be text"),
        ("    callee: service:cart", "    callee: cart", "t.yaml:7: callee is written kind:name"),
        ("    callee: service:cart", "    callee: service:shop", "t.yaml:6: service:shop cannot call itself"),
        ("    callee: service:cart", "    callee: host:a/disk:b", "t.yaml:7: host:a/disk:b is a part; name"),
        ("edges:", "links:", "t.yaml:5: unknown key links; known are nodes and edges"),
        ("edges:", "edges: 5\nnodes:", "t.yaml:5: edges must be a list"),
        ("  - entity: service:shop", "  - service:shop\n  - x: y", "t.yaml:3: each of the list is a mapping"),
        ("nodes:", "nodes: [", "cannot be read as YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, instead: str, said: str) -> None:
    assert line in YAML
    told = wrong(written(tmp_path, YAML.replace(line, instead, 1), "t.yaml"))
    assert said in "\n".join(told)


def test_what_is_missing_or_stands_there_twice_is_told(tmp_path: Path) -> None:
    told = wrong(
        written(
            tmp_path, YAML + "  - caller: service:a\n  - caller: service:shop\n    callee: service:cart\n"
        )
    )
    assert told == [
        "topology.yaml:9: callee is missing",
        "topology.yaml:10: service:shop to service:cart stands in line 6 already",
    ]


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ('role = "entry"', 'role = "gateway"', "t.toml:3: no such role: gateway"),
        ('callee = "database:orders"', "callee = 5", "t.toml:11: callee must be text"),
        ('callee = "database:orders"', 'calls = "x:y"', "t.toml:11: unknown key calls"),
        ('callee = "database:orders"', "", "t.toml:9: callee is missing"),
        ("[[nodes]]", "[[hosts]]", "t.toml:1: unknown key hosts"),
        ("[[nodes]]", "[nodes]", "t.toml:1: nodes must be a list of tables"),
        ("[[nodes]]", "[[nodes", "cannot be read as TOML"),
    ],
)
def test_a_mistake_in_toml_too(tmp_path: Path, line: str, instead: str, said: str) -> None:
    assert line in TOML
    told = wrong(written(tmp_path, TOML.replace(line, instead, 1), "t.toml"))
    assert said in "\n".join(told)


def test_only_the_first_mistakes_of_many_are_told(tmp_path: Path) -> None:
    told = wrong(written(tmp_path, "nodes:\n" + "  - {entity: x, role: entry}\n" * 50))
    assert len(told) == 11
    assert told[-1] == "and 40 more"


def test_more_than_can_be_declared_is_refused(tmp_path: Path) -> None:
    rows = "".join(
        f"  - {{caller: 'service:a{n % 90}', callee: 'service:b{n}'}}\n" for n in range(MAX_EDGES + 1)
    )
    assert wrong(written(tmp_path, "edges:\n" + rows)) == [
        f"topology.yaml:{MAX_EDGES + 2}: more than {MAX_EDGES} edges"
    ]
    rows = "".join(f"  - {{caller: 'service:a{n}', callee: 'service:b{n}'}}\n" for n in range(2_501))
    assert "it names 5002 entities" in wrong(written(tmp_path, "edges:\n" + rows))[0]


def test_the_configuration_names_the_file_and_the_pipeline_uses_it(tmp_path: Path) -> None:
    path = written(tmp_path, YAML)
    config = load_config(None, {"topology": {"file": str(path)}})
    path.unlink()  # read once: what becomes of the file later changes nothing
    pipeline = Pipeline(config, SeriesRegistry())
    assert pipeline.topology.related("service:shop", "service:cart")
    assert len(pipeline.topology.at(0).edges) == 2


def test_a_configuration_with_a_wrong_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, YAML.replace("entry", "gateway"))
    with pytest.raises(ConfigError, match=r"topology\.file: .*topology\.yaml:4: no such role"):
        load_config(None, {"topology": {"file": str(path)}})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(None, {"topology": {"file": str(tmp_path / "none.yaml")}})
