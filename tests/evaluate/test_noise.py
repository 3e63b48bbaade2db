"""The alarm budget on a generated fleet: kept, and what was planted is paged in time."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.fleet import KINDS, PER_ENTITY, Fleet, FleetPlan
from stormpetrel.evaluate.fleet_plant import PLANTS
from stormpetrel.evaluate.noise import NoiseEvaluation, most_in_a_week
from stormpetrel.evaluate.report import EvaluationReport

PLAN = "series = 500\ndays = 2.0\nincidents = 10\nquiet_days = 0.5\nper_week = [40, 5, 1]\n"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluationReport, Path]:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "fleet.toml").write_text(PLAN, encoding="utf-8")
    return NoiseEvaluation().run(folder, folder / "out"), folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("per_week", [40, 5, 1])
def test_the_budget_is_kept(evaluated: tuple[EvaluationReport, Path], per_week: int) -> None:
    assert 0 < evaluated[0].figures[f"most_in_7_days_{per_week}"] <= per_week


def test_nine_in_ten_of_what_was_planted_is_paged_within_five_minutes(
    evaluated: tuple[EvaluationReport, Path],
) -> None:
    figures = evaluated[0].figures
    assert figures["within_5_min_40"] >= 0.9
    assert figures["pages_40"] <= 15  # ten were planted


def test_without_a_policy_it_cries_wolf(evaluated: tuple[EvaluationReport, Path]) -> None:
    figures = evaluated[0].figures
    assert figures["onsets"] > 10 * figures["incidents"]
    assert figures["folded"] > figures["incidents"]


def test_whatever_was_held_is_listed_with_its_reason(evaluated: tuple[EvaluationReport, Path]) -> None:
    report, out = evaluated
    listed = rows(out / "noise" / "pages.csv")
    for per_week in (40, 5, 1):
        held = [one for one in listed if one["per_week"] == str(per_week) and one["decision"] == "held"]
        assert len(held) == report.figures[f"held_{per_week}"]
        assert all(one["reason"] and int(one["rank"]) >= 1 for one in held)


def test_twice_the_same_bytes(evaluated: tuple[EvaluationReport, Path], tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(PLAN, encoding="utf-8")
    again = NoiseEvaluation().run(tmp_path, tmp_path / "out")
    assert again.as_json() == evaluated[0].as_json()
    for name in ("pages.csv", "planted.csv"):
        assert (tmp_path / "out" / "noise" / name).read_bytes() == (
            evaluated[1] / "noise" / name
        ).read_bytes()


def test_labelled_files_are_one_fleet_and_labels_change_no_decision(tmp_path: Path) -> None:
    for name in ("with", "without"):
        folder = tmp_path / name / "set"
        folder.mkdir(parents=True)
        for file in range(3):
            values = np.random.default_rng(file).normal(100.0, 2.0, 2000)
            values[1500:1530] += 60.0
            label = np.zeros(2000, int)
            label[1500:1530] = 1
            lines = [
                f"{1_600_000_000 + file * 999 + 60 * k},{values[k]:.3f}"
                + (f",{label[k]}" if name == "with" else "")
                for k in range(2000)
            ]
            head = "timestamp,value" + (",label" if name == "with" else "")
            (folder / f"s{file}.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    found = {
        name: NoiseEvaluation().run(tmp_path / name, tmp_path / name / "out") for name in ("with", "without")
    }
    pages = [(tmp_path / name / "out" / "noise" / "pages.csv").read_bytes() for name in found]
    assert pages[0] == pages[1]
    assert found["with"].figures["paged_40"] == 1.0
    assert np.isnan(found["without"].figures["paged_40"])


def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text("serie = 5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"fleet\.toml"):
        NoiseEvaluation().run(tmp_path, tmp_path / "out")


def test_a_fleet_has_every_kind_and_plants_what_it_says() -> None:
    plan = FleetPlan(series=700, days=1.0, incidents=10, quiet_days=0.2)
    fleet, bare = Fleet(plan), Fleet(FleetPlan(series=700, days=1.0, incidents=0, quiet_days=0.2))
    assert set(np.unique(fleet.kind)) == set(range(len(KINDS)))
    assert {plant.kind for plant in fleet.plants} == set(PLANTS)
    whole = np.concatenate([values for _, values in fleet.blocks()])
    plain = np.concatenate([values for _, values in bare.blocks()])
    assert whole.shape == (1440, 700)
    assert np.isfinite(whole).all()
    touched = np.zeros(whole.shape, bool)
    for plant in fleet.plants:
        assert len({int(one) // PER_ENTITY for one in plant.series}) == 1
        touched[plant.start : plant.start + plant.steps, plant.series] = True
    # Variance draws from the block's own randomness after all noise: outside the plants all is the same.
    assert np.array_equal(whole[~touched], plain[~touched])
    assert (whole[touched] != plain[touched]).mean() > 0.7


def test_most_in_a_week_counts_plainly() -> None:
    day = 86_400 * 1_000_000_000
    assert most_in_a_week([]) == 0
    assert most_in_a_week([0, 6 * day, 7 * day, 8 * day]) == 3


@pytest.mark.long
@pytest.mark.timeout(900)
def test_on_labelled_data(tmp_path: Path) -> None:
    where = os.environ.get("STORMPETREL_DATA", "")
    if not where:
        pytest.skip("STORMPETREL_DATA names no labelled data")
    report = NoiseEvaluation().run(Path(where) / "metrics" / "NAB", tmp_path)
    assert report.figures["most_in_7_days_5"] <= 5
