from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.cli.options import moment, settings, stored_settings, window
from stormpetrel.errors import ConfigError
from stormpetrel.model.time import from_iso, from_seconds, to_iso

NOW = from_iso("2026-05-02T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("now", NOW),
        ("-0s", NOW),
        ("-90m", NOW - from_seconds(5400)),
        ("-1.5h", NOW - from_seconds(5400)),
        ("-2d", NOW - from_seconds(172_800)),
        ("-1w", NOW - from_seconds(604_800)),
        ("2026-05-01", NOW - from_seconds(86_400)),
        ("2026-05-01T23:00:00Z", NOW - from_seconds(3600)),
        ("2026-05-02T02:00:00+02:00", NOW),
    ],
)
def test_times(text: str, found: int) -> None:
    assert moment(text, NOW) == found


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_clear_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(moment(text, NOW), int)


@pytest.mark.parametrize(
    "text", ["", "-6", "6h", "-1y", "yesterday", "2026-13-01", "-٣h", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="is no time; write"):
        moment(text, NOW)


@given(st.integers(0, 4 * 10**18).map(lambda n: n // 10**6 * 10**6))
def test_iso_times_are_read_back(nanos: int) -> None:
    assert moment(to_iso(nanos), NOW) == nanos


def test_a_window_must_have_a_length() -> None:
    assert window("-2h", "-1h").seconds == 3600
    with pytest.raises(ConfigError, match="is not after"):
        window("now", "-1h")


def test_options_override_the_file_and_absent_ones_do_not(tmp_path: Path) -> None:
    file = tmp_path / "petrel.toml"
    file.write_text('data_dir = "a"\n[server]\nport = 1234\nhost = "127.0.0.2"\n')
    assert settings(file).server.port == 1234
    changed = settings(file, tmp_path, port=99, host=None)
    assert (changed.server.port, changed.server.host, changed.data_dir) == (99, "127.0.0.2", tmp_path)
    assert settings(file, log_level="error").log_level == "error"
    with pytest.raises(ConfigError, match="log_level"):
        settings(file, log_level="loud")


def test_reading_what_is_stored_needs_a_data_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data directory there"):
        stored_settings(None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
