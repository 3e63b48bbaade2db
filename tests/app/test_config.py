"""Configuration: every mistake is named, with the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stormpetrel.toml"
    path.write_text(text)
    return path


def test_defaults_are_valid_and_listen_on_loopback() -> None:
    config = load_config(None)
    assert config == Config()
    assert config.server.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("[server]\nprot = 1\n", "server.prot", "server.port"),
        ("[sever]\nport = 1\n", "sever", "server"),
        ("[sources.host]\ninterval = 5\n", "sources.host.interval", "sources.host.interval_seconds"),
        (
            "[[sources.scrape]]\nname='a'\nurl='http://x'\ntimeout=3\n",
            "sources.scrape.0.timeout",
            "timeout_seconds",
        ),
    ],
)
def test_unknown_key_is_named_with_the_nearest_known_one(
    tmp_path: Path, text: str, key: str, near: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert f"unknown key {key}" in str(caught.value)
    assert near in str(caught.value)


def test_every_wrong_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "[server]\nport = 99999\n[detect]\np_open = 2\n"))
    assert "server.port" in str(caught.value)
    assert "detect.p_open" in str(caught.value)


def test_missing_and_broken_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_config(write(tmp_path, "[server\n"))


def test_order_is_file_environment_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[server]\nport = 1000\nhost = '127.0.0.2'\n[detect]\nhold_samples = 9\n")
    monkeypatch.setenv("STORMPETREL_SERVER__PORT", "2000")
    monkeypatch.setenv("STORMPETREL_SERVER__MAX_BODY_BYTES", "4096")
    monkeypatch.setenv("STORMPETREL_DATA", "/not/a/key/of/the/tree")
    config = load_config(path, {"server": {"max_body_bytes": 8192}})
    assert config.server.port == 2000
    assert config.server.host == "127.0.0.2"
    assert config.server.max_body_bytes == 8192
    assert config.detect.hold_samples == 9


def test_an_unknown_environment_key_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORMPETREL_SERVER__PROT", "1")
    with pytest.raises(ConfigError, match=r"did you mean server\.port"):
        load_config(None)


def test_a_time_zone_that_this_host_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.logs\.time_zone: .*no zone 'Europe/Berlinn'"):
        load_config(write(tmp_path, "[sources.logs]\ntime_zone = 'Europe/Berlinn'\n"))


def test_a_typing_error_in_the_section_of_an_environment_key_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORMPETREL_SREVER__PORT", "1")
    with pytest.raises(ConfigError, match="unknown key srever; did you mean server"):
        load_config(None)


def test_a_section_that_has_a_value_and_keys_in_the_environment_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORMPETREL_SERVER", "1")
    monkeypatch.setenv("STORMPETREL_SERVER__PORT", "1")
    with pytest.raises(ConfigError, match="STORMPETREL_SERVER__PORT is beneath a name that has a value"):
        load_config(None)
