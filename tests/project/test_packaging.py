"""What is installed is what the project says: entry points, locks, the wheel, the dependency rule."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")
_REGISTRY = re.compile(r"pypi\.org|pythonhosted|--(extra-)?index-url|--find-links")


def pins(path: Path) -> dict[str, set[str]]:
    """Versions by name; one name may be pinned to several, under different markers."""
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _PINNED.match(line)
        if match:
            found.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return found


def unmet(requirements: list[str], locked: dict[str, set[str]]) -> list[str]:
    """The requirements that the lock does not hold in a fitting version."""
    wrong = []
    for text in requirements:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), set())
        if not any(requirement.specifier.contains(Version(v), prereleases=True) for v in versions):
            wrong.append(f"{text}: locked {sorted(versions) or 'nowhere'}; run make lock")
    return wrong


def test_the_run_lock_holds_every_dependency(root: Path, pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["build"]]
    assert unmet(wanted, pins(root / "requirements/run.lock")) == []


def test_the_dev_lock_holds_the_tools_and_agrees_with_the_run_lock(
    root: Path, pyproject: dict[str, Any]
) -> None:
    extras = pyproject["project"]["optional-dependencies"]
    locked = pins(root / "requirements/dev.lock")
    assert unmet([*extras["dev"], *extras["docs"]], locked) == []
    run = pins(root / "requirements/run.lock")
    assert {name: locked.get(name) for name in run} == run


@pytest.mark.parametrize("name", ["run.lock", "dev.lock"])
def test_every_pin_has_hashes_and_no_registry_is_named(root: Path, name: str) -> None:
    text = (root / "requirements" / name).read_text(encoding="utf-8")
    blocks = [block for block in re.split(r"\n(?=\S)", text) if _PINNED.match(block)]
    assert blocks
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not _REGISTRY.search(text)


@pytest.mark.parametrize("name", ["Makefile", ".ci/run"])
def test_no_registry_is_named_where_things_are_installed(root: Path, name: str) -> None:
    assert not _REGISTRY.search((root / name).read_text(encoding="utf-8"))


def test_every_entry_point_can_be_imported(pyproject: dict[str, Any]) -> None:
    groups = pyproject["project"]["entry-points"]
    points = [("console_scripts", *pair) for pair in pyproject["project"]["scripts"].items()]
    points += [(group, *pair) for group, pairs in groups.items() for pair in pairs.items()]
    wrong = []
    for group, name, value in points:
        try:
            importlib.metadata.EntryPoint(name=name, value=value, group=group).load()
        except (ImportError, AttributeError) as error:
            wrong.append(f"{group}: {name} = {value}: {error}")
    assert not wrong, "\n".join(wrong)


def test_the_layers_import_downwards_only(root: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_every_file_of_the_package(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = root / "src"
    wanted = {
        str(path.relative_to(source))
        for path in (source / "stormpetrel").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".nbi", ".nbc")
    }
    assert wanted - inside == set()
    assert "stormpetrel/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
