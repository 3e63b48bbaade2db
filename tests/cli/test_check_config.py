from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormpetrel.app.config import Config
from stormpetrel.cli.main import app
from stormpetrel.cli.toml_text import commented_defaults, effective, redact

RUN = CliRunner()


def check(tmp_path: Path, text: str, *more: str) -> tuple[int, str]:
    file = tmp_path / "petrel.toml"
    file.write_text(text, encoding="utf-8")
    found = RUN.invoke(app, ["check-config", str(file), *more])
    return found.exit_code, found.output


def test_the_effective_tree_is_valid_toml_and_says_the_same(tmp_path: Path) -> None:
    code, text = check(
        tmp_path,
        'instance = "a \\"b\\" é"\n[server]\nport = 81\n[[sources.scrape]]\n'
        'name = "node"\nurl = "http://127.0.0.1:9100/metrics"\nlabels = { "a-b" = "c" }\n',
    )
    assert code == 0
    read = Config.model_validate(tomllib.loads(text))
    assert (read.instance, read.server.port) == ('a "b" é', 81)
    assert (read.sources.scrape[0].name, read.sources.scrape[0].labels) == ("node", {"a-b": "c"})
    assert read.intake == Config().intake


def test_an_unknown_key_names_the_nearest_and_exits_with_2(tmp_path: Path) -> None:
    code, text = check(tmp_path, "[server]\nprot = 81\n")
    assert code == 2
    assert "unknown key server.prot; did you mean server.port?" in text


@pytest.mark.parametrize("text", ["[server", "[server]\nport = 99999\n", "data_dir = 3\n"])
def test_what_cannot_be_used_exits_with_2_and_names_the_file(tmp_path: Path, text: str) -> None:
    code, told = check(tmp_path, text)
    assert code == 2
    assert "petrel.toml" in told
    assert "Traceback" not in told


def test_the_environment_is_part_of_what_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORMPETREL_SERVER__PORT", "4711")
    assert "port = 4711" in check(tmp_path, "")[1]


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    code, text = check(
        tmp_path, '[store]\nurl = "https://petrel:s3cret@db:8443"\ncontrol_url = "postgresql://u:pa@ss@h/d"\n'
    )
    assert code == 0
    assert "s3cret" not in text
    assert "pa@ss" not in text
    assert "ss@h" not in text
    assert redact("http://127.0.0.1:9100/metrics") == "http://127.0.0.1:9100/metrics"
    assert redact("https://db:8443/p?user=a&password=b&c=d") == "https://db:8443/p?user=a&password=***&c=d"


def test_the_defaults_change_nothing_and_name_every_key() -> None:
    text = commented_defaults()
    assert Config.model_validate(tomllib.loads(text)) == Config()
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in text.splitlines()
    )
    assert Config.model_validate(tomllib.loads(uncommented)) == Config()
    for line in (
        "# port = 7780",
        "# late_seconds = 7200.0",
        "[sources.host]",
        "# port to listen on; 0 picks",
    ):
        assert line in text
    assert RUN.invoke(app, ["check-config", "--defaults"]).stdout == text


def test_effective_defaults_read_back_as_the_defaults() -> None:
    assert Config.model_validate(tomllib.loads(effective(Config()))) == Config()


def test_actuators_that_overlap_are_warned_of(tmp_path: Path) -> None:
    section = '[actuators.{}]\ntype = "haproxy"\nsocket = "/s"\ntargets = {{ "service:shop" = "shop/s1" }}\n'
    text = f'data_dir = "{tmp_path}"\n'
    file = tmp_path / "petrel.toml"
    file.write_text(text + section.format("edge"), encoding="utf-8")
    assert "warning" not in RUN.invoke(app, ["check-config", str(file)]).stderr
    file.write_text(text + section.format("edge") + section.format("other"), encoding="utf-8")
    found = RUN.invoke(app, ["check-config", str(file)])
    assert found.exit_code == 0
    assert "warning: backend.drain on service:shop is offered by edge and other" in found.stderr
    assert "warning" not in found.stdout
    assert Config.model_validate(tomllib.loads(found.stdout)).actuators.keys() == {"edge", "other"}
    assert not (tmp_path / "actuators").exists()
