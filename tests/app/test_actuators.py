"""The sections of actuators: each type with its own keys, secrets never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormpetrel.adapters.actuate.haproxy import HaproxyActuator, HaproxySettings
from stormpetrel.app.actuators import build_actuators, overlapping, warnings_of
from stormpetrel.app.config import Config, load_config
from stormpetrel.errors import ConfigError

GOOD = """
[actuators.edge]
type = "haproxy"
socket = "/run/haproxy/admin.sock"
targets = { "service:checkout-1" = "checkout/s1" }
[actuators.hook]
type = "flags"
url = "https://flags.example/act"
status_url = "https://flags.example/status"
allowed_hosts = ["flags.example"]
secret = { env = "HOOK_SECRET" }
targets = { "service:checkout" = "checkout" }
flags = { "service:checkout" = ["new-checkout"] }
"""


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "stormpetrel.toml"
    path.write_text(f"data_dir = '{tmp_path}'\n{text}")
    return load_config(path)


def test_sections_become_actuators(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert isinstance(config.actuators["edge"], HaproxySettings)
    again = Config.model_validate(config.model_dump())
    assert again == config
    found = build_actuators(config)
    assert sorted(found) == ["edge", "hook"]
    assert isinstance(found["edge"], HaproxyActuator)
    assert found["edge"].name == "edge"
    assert found["edge"].targets() == ("service:checkout-1",)
    for one in found.values():
        one.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[actuators.x]\ntype = "haprox"\n', "no 'haprox'; there are"),
        ("[actuators.x]\ntargets = {}\n", "needs a type"),
        ('[actuators."X y"]\ntype = "haproxy"\nsocket = "/s"\n', "a name has"),
        ('[actuators.x]\ntype = "haproxy"\nsocket = "/s"\nsokcet = 1\n', "sokcet: Extra inputs"),
        ('[actuators.x]\ntype = "haproxy"\nsocket = "/s"\ntargets = { "a b" = "c/d" }\n', "is no entity"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = GOOD.replace('{ env = "HOOK_SECRET" }', '{ value = "hunter2-hunter2" }')
    with pytest.raises(ConfigError, match="secret") as caught:
        load(tmp_path, text)
    assert "hunter2" not in str(caught.value)


def test_two_that_offer_the_same_on_one_entity_are_told(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD + GOOD.split("[actuators.hook]", maxsplit=1)[0].replace("edge", "other"))
    found = build_actuators(config)
    said = overlapping(found)
    assert len(said) == 3, "what a section has no targets for is not offered"
    assert "service:checkout-1 is offered by edge and other" in said[0]


def test_it_is_told_before_the_start_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD + GOOD.split("[actuators.hook]", maxsplit=1)[0].replace("edge", "other"))
    assert any("offered by edge and other" in one for one in warnings_of(config))
    assert warnings_of(load(tmp_path, GOOD)) == []
    assert not (tmp_path / "actuators").exists()
