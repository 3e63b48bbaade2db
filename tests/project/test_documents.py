"""The documentation says what the code does: commands, keys, verdicts, extension points, links."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import stormpetrel.testing
from stormpetrel.cli.main import app
from stormpetrel.model.quality import EXPLANATION, Quality

_TARGET = re.compile(r"^([a-z][a-z-]*):(?!=)", re.MULTILINE)
_MAKE = re.compile(r"(?:`|^|; )make ([a-z]+)\b(?!=)", re.MULTILINE)
_PETREL = re.compile(r"(?:`|^|/bin/)petrel ([a-z][a-z-]*)", re.MULTILINE)
_SUITE = re.compile(r"stormpetrel\.testing\.(check_[a-z_]+)")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


@pytest.fixture(scope="module")
def generator(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_reference", root / "scripts/generate_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date(root: Path, generator: ModuleType) -> None:
    stale = [
        name
        for name, page in generator.PAGES.items()
        if (root / "docs/reference" / name).read_text(encoding="utf-8") != page()
    ]
    assert not stale, f"run make docs and commit: {stale}"


def test_every_make_command_of_the_pages_exists(root: Path, documents: dict[str, str]) -> None:
    targets = set(_TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    assert {"up", "test", "lint", "types", "arch", "bench", "docs", "ci"} <= targets
    named = {(page, name) for page, text in documents.items() for name in _MAKE.findall(text)}
    assert ("README.md", "test") in named
    assert {(page, name) for page, name in named if name not in targets} == set()


def test_every_petrel_command_of_the_pages_exists(documents: dict[str, str]) -> None:
    named = {name for text in documents.values() for name in _PETREL.findall(text)}
    assert "up" in named
    program = Path(sys.executable).with_name("petrel")
    subprocess.run([program, "up", "--help"], capture_output=True, check=True)
    told = {name: CliRunner().invoke(app, [name, "--help"]) for name in sorted(named)}
    assert {name: done.output[-300:] for name, done in told.items() if done.exit_code != 0} == {}


def test_continuous_integration_runs_the_test_command_of_the_readme(
    root: Path, documents: dict[str, str]
) -> None:
    script = root / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "make test" in documents["README.md"]
    assert script.read_text(encoding="utf-8").rstrip().endswith("make --no-print-directory test")


def test_every_verdict_has_its_explanation_and_its_row(documents: dict[str, str]) -> None:
    assert set(EXPLANATION) == set(Quality)
    generated, advice = documents["docs/reference/quality-verdicts.md"], documents["docs/data-quality.md"]
    assert [v.name for v in Quality if f"| `{v.name}` |" not in generated] == []
    assert [v.name for v in Quality if f"`{v.name}`" not in advice and v is not Quality.GOOD] == []


def test_every_extension_point_and_built_in_is_documented(
    documents: dict[str, str], pyproject: dict[str, Any]
) -> None:
    rows = documents["docs/reference/extension-points.md"].splitlines()
    wrong = []
    for group, points in pyproject["project"]["entry-points"].items():
        row = next((row for row in rows if row.startswith(f"| `{group}` |")), "")
        wrong += [f"{group}: {name}" for name in ("", *points) if f"`{name or group}`" not in row]
    assert not wrong, f"not in docs/reference/extension-points.md: {wrong}"


def test_every_contract_suite_that_is_named_exists(root: Path, documents: dict[str, str]) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (root / "src").rglob("*.py")]
    named = {name for text in (*documents.values(), *sources) for name in _SUITE.findall(text)}
    assert "check_detector" in named
    suites = {path.stem for path in (root / "src/stormpetrel/testing").glob("check_*.py")}
    suites |= {name for name in named if hasattr(stormpetrel.testing, name)}
    assert sorted(named - suites) == []


def test_every_detector_has_its_paragraph(documents: dict[str, str], pyproject: dict[str, Any]) -> None:
    groups = pyproject["project"]["entry-points"]
    names = [*groups["stormpetrel.detectors"], *groups["stormpetrel.log_detectors"]]
    assert [name for name in names if f"- `{name}`:" not in documents["docs/detection.md"]] == []


def test_every_port_and_model_module_is_in_the_reference(
    package_trees: dict[str, ast.Module], documents: dict[str, str]
) -> None:
    wrong = []
    for name, tree in package_trees.items():
        layer = name.removeprefix("stormpetrel.").partition(".")[0]
        if layer in ("ports", "model") and name.count(".") == 2:
            if f"::: {name}\n" not in documents[f"docs/reference/{layer}.md"]:
                wrong.append(name)
            if layer == "ports":
                protocols = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
                page = documents["docs/reference/extension-points.md"]
                wrong += [f"{name}.{p}" for p in protocols if f"`{p}`" not in page]
    assert not wrong, f"not in the reference: {wrong}"


def test_every_layer_and_package_is_in_the_architecture(
    package_trees: dict[str, ast.Module], documents: dict[str, str]
) -> None:
    layout = documents["ARCHITECTURE.md"]
    packages = {name.split(".")[1] for name in package_trees if name.count(".") >= 2}
    assert [name for name in sorted(packages) if f"\n  {name}/ " not in layout] == []


def test_the_dependency_rule_is_the_one_that_is_checked(
    documents: dict[str, str], pyproject: dict[str, Any]
) -> None:
    text = documents["ARCHITECTURE.md"].partition("**Dependency rule**")[2].partition("Stages and")[0]
    (layers,) = [c["layers"] for c in pyproject["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    written = " > ".join(layer.replace("stormpetrel.", "") for layer in layers)
    assert text.replace("`", "").replace("\n", " ").partition(": ")[2].strip() == written + "."


def test_links_between_pages_lead_somewhere(root: Path, documents: dict[str, str]) -> None:
    wrong = []
    for page, text in documents.items():
        base = (root / page).parent
        wrong += [f"{page}: {link}" for link in _LINK.findall(text) if not (base / link).exists()]
    assert not wrong, "\n".join(wrong)


def test_decisions_are_numbered_listed_and_whole(root: Path, documents: dict[str, str]) -> None:
    pages = sorted(path.name for path in (root / "docs/adr").glob("0*.md"))
    assert [name[:4] for name in pages] == [f"{n:04d}" for n in range(1, len(pages) + 1)]
    for name in pages:
        text = documents[f"docs/adr/{name}"]
        assert text.startswith(f"# {name[:4]} ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), name
        assert f"({name})" in documents["docs/adr/index.md"]


def test_the_documentation_builds_without_a_warning(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pages = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "fonts.googleapis.com" not in pages
