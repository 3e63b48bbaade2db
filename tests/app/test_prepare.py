"""What every batch goes through before it is queued, as configured; and this process's own log."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import structlog

from stormpetrel.app import logging as own_log
from stormpetrel.app.config import Config, load_config
from stormpetrel.app.prepare import Prepare
from stormpetrel.errors import ConfigError
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, MetricBatch

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_ids_first_then_secrets() -> None:
    prepare = Prepare(Config().redact)
    batch = prepare(build_logs([1], [f"token=abc trace_id={TRACE}"], source="t"))
    assert isinstance(batch, LogBatch)
    assert batch.records.column("body").to_pylist() == [f"token=[secret] trace_id={TRACE}"]
    assert batch.records.column("trace_id").to_pylist() == [TRACE]
    assert prepare.counts()["secret"] == 1


def test_metric_samples_pass_as_they_are() -> None:
    batch = MetricBatch(np.zeros(1, np.uint32), np.ones(1, np.int64), np.ones(1))
    assert Prepare(Config().redact)(batch) is batch


def test_switched_off_nothing_is_taken_out() -> None:
    prepare = Prepare(Config().redact.model_copy(update={"enabled": False}))
    batch = build_logs([1], ["password=x"], source="t")
    assert prepare(batch) is batch
    assert prepare.text("password=x") == "password=x"
    assert prepare.counts() == {}


def test_own_patterns_and_kept_kinds_come_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "petrel.toml"
    path.write_text(
        '[redact]\nkeep = ["mail"]\n[[redact.patterns]]\nname = "customer"\nregex = "K-[0-9]{6}"\n'
    )
    prepare = Prepare(load_config(path).redact)
    assert prepare.text("K-123456 bob@example.org") == "[customer] bob@example.org"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('keep = ["mial"]', r"redact\.keep: .*mial.*known are .*mail"),
        ('[[redact.patterns]]\nname = "a"\nregex = "("', r"redact\.patterns\.0\.regex: .*RE2"),
        ('[[redact.patterns]]\nname = "a"\nregex = "x*"', r"redact\.patterns\.0\.regex: .*empty"),
        ('[[redact.patterns]]\nname = "A b"\nregex = "x"', r"redact\.patterns\.0\.name"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "petrel.toml"
    path.write_text(f"[redact]\n{text}\n")
    with pytest.raises(ConfigError, match=key):
        load_config(path)


def test_the_own_log_is_redacted_on_paper_and_in_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = io.StringIO()
    monkeypatch.setattr("sys.stderr", paper)
    own_log.RECENT.take()
    structlog.reset_defaults()
    own_log.configure_logging("info", Prepare(Config().redact).text)
    try:
        structlog.get_logger("t").warning("refused", error="https://u:pass1@h/ token=abc", n=1)
    finally:
        structlog.reset_defaults()
    (line,) = own_log.RECENT.take()
    for text in (paper.getvalue(), line.body):
        assert "[credentials]@h/ token=[secret]" in text
        assert "pass1" not in text
