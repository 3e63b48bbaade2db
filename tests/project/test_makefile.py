"""`make up` installs once, starts at once, and says plainly what a machine lacks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Plays python3, the venv's python and petrel: writes down what it was asked, makes what `-m venv` makes.
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$PLAYED_LOG"
case "$*" in
  *version_info*) exit "${PLAYED_OLD:-0}" ;;
  *ensurepip*) exit "${PLAYED_NO_VENV:-0}" ;;
  "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/petrel ;;
  -V) echo "Python 3.9.2" ;;
  *"-r requirements/run.lock"*) exit "${PLAYED_NO_NETWORK:-0}" ;;
  *"${PLAYED_FAILURE:-no such thing}"*) exit 1 ;;
esac
"""


class Machine:
    """A copy of what `make up` reads, on a machine whose python3 is played."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "played.log"
        shutil.copy(root / "Makefile", folder)
        shutil.copy(root / "pyproject.toml", folder)
        shutil.copytree(root / "requirements", folder / "requirements")
        self._python = folder / "python3"
        self._python.write_text(FAKE, encoding="utf-8")
        self._python.chmod(0o755)

    def make(self, target: str, **played: str) -> tuple[int, list[str], str]:
        """Exit status, what was run, and standard error."""
        self._log.write_text("", encoding="utf-8")
        environment = {"PATH": os.environ["PATH"], "PLAYED_LOG": str(self._log), **played}
        done = subprocess.run(
            ["make", target, f"PYTHON={self._python}"],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, self._log.read_text(encoding="utf-8").splitlines(), done.stderr

    def age(self, name: str, seconds: int) -> None:
        """Make a file look changed this long ago; negative: just now, after everything else."""
        times = (self.folder / ".venv/run.stamp").stat().st_mtime - seconds
        os.utime(self.folder / name, (times, times))


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Machine:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Machine(root, tmp_path)


def test_the_first_up_installs_from_the_lock_then_starts(machine: Machine) -> None:
    status, ran, _ = machine.make("up")
    assert status == 0
    installs = [line for line in ran if " install " in line]
    assert len(installs) == 2
    assert "--require-hashes -r requirements/run.lock" in installs[0]
    assert "--no-build-isolation --no-deps -e ." in installs[1]
    assert ran[-1] == "petrel up --data-dir data"


def test_the_second_up_only_starts(machine: Machine) -> None:
    machine.make("up")
    status, ran, _ = machine.make("up")
    assert (status, ran) == (0, ["petrel up --data-dir data"])


@pytest.mark.parametrize("name", ["requirements/run.lock", "pyproject.toml"])
def test_a_changed_lock_is_installed_at_the_next_up(machine: Machine, name: str) -> None:
    machine.make("up")
    machine.age(name, -10)
    _, ran, _ = machine.make("up")
    assert len([line for line in ran if " install " in line]) == 2


def test_a_broken_installation_is_tried_again(machine: Machine) -> None:
    status, ran, _ = machine.make("up", PLAYED_NO_NETWORK="1")
    assert status != 0
    assert not any("petrel" in line for line in ran)
    status, ran, _ = machine.make("up")
    assert status == 0
    assert ran[-1] == "petrel up --data-dir data"


def test_an_old_python_is_named_with_what_is_needed(machine: Machine) -> None:
    status, _, said = machine.make("up", PLAYED_OLD="1")
    assert status != 0
    assert "Python 3.9.2" in said
    assert "3.11 or newer" in said


def test_a_missing_venv_module_is_named_with_its_package(machine: Machine) -> None:
    status, _, said = machine.make("up", PLAYED_NO_VENV="1")
    assert status != 0
    assert "python3-venv" in said


def test_a_missing_python_is_named(machine: Machine) -> None:
    (machine.folder / "python3").unlink()
    status, _, said = machine.make("up")
    assert status != 0
    assert "was not found" in said


def test_tests_install_the_development_lock_too(machine: Machine) -> None:
    machine.make("up")
    status, ran, _ = machine.make(".venv/dev.stamp")
    assert status == 0
    assert [line for line in ran if "-r requirements/dev.lock" in line]
    _, ran, _ = machine.make(".venv/dev.stamp")
    assert ran == []


# Arguments of pytest by what is run, in the order in which it begins; the first two run side by side.
SUITES = ("-m not e2e", "-m e2e and not host", "-m e2e and host")


def test_what_tests_need_is_compiled_once_before_all_of_them(machine: Machine) -> None:
    status, ran, _ = machine.make("pytest")
    assert status == 0
    ran = [line for line in ran if "-m pytest" in line or "-m tests" in line]
    assert ran[0] == "python -m tests.compiled"
    assert len(ran) == 4
    for suite in SUITES[:2]:
        assert any(suite in line for line in ran[1:3])
    assert SUITES[2] in ran[3]


@pytest.mark.parametrize("failing", ["-m tests.compiled", *SUITES])
def test_one_failing_test_fails_all(machine: Machine, failing: str) -> None:
    status, ran, _ = machine.make("pytest", PLAYED_FAILURE=failing)
    assert status != 0
    assert any(failing in line for line in ran)


def test_what_fails_a_check_is_not_tested(machine: Machine) -> None:
    """The played machine has no ruff."""
    status, ran, _ = machine.make("test")
    assert status != 0
    assert not any("-m pytest" in line for line in ran)


def test_a_changed_source_takes_all_compiled_functions_with_it(machine: Machine) -> None:
    source = machine.folder / "src/package/callee.py"
    compiled = machine.folder / "src/package/__pycache__/caller.update-1.py311.nbi"
    compiled.parent.mkdir(parents=True)
    source.write_text("LIMIT = 1\n", encoding="utf-8")
    machine.make("up")
    compiled.touch()
    machine.make("up")
    assert compiled.exists(), "nothing changed"
    machine.age("src/package/callee.py", -60)
    machine.make("up")
    assert not compiled.exists()
