"""What the tests about the project itself share: where it is, and its modules as syntax trees."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def python_files() -> list[Path]:
    """Every Python file of the project, sorted."""
    return sorted(
        path for part in ("src", "tests", "benchmarks", "scripts") for path in (ROOT / part).rglob("*.py")
    )


@pytest.fixture(scope="session")
def package_trees() -> dict[str, ast.Module]:
    """The package's modules by dotted name."""
    trees = {}
    for path in sorted((ROOT / "src/stormpetrel").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    """Every Markdown page of the project by its path from the root."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(pages)}
