"""Break the decision layer in every small way, one at a time, and see whether its unit tests notice.

`python scripts/mutate_guardrails.py [PART OF A FILE NAME ...]` mutates `act/guardrails/`, `act/judge.py` and
`act/track.py` and runs the unit tests of `tests/act` against each mutant in a process of its own; with
`--admission` it mutates the transaction that lets plans go, with its facts and reservations, and runs the
store's tests on SQLite. It prints every survivor and the share killed, and fails below `LEAST_RATIO`.
Survivors that are the same program in other words are listed, with the reason, in `EQUIVALENT`.

Tests are collected once. A mutant is put in place by giving functions that exist already their new code, so
nothing is imported again: a mutant costs a fork and the tests up to the first that fails.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parents[1]
LEAST_RATIO = 0.95
SECONDS = 60.0
SOURCE = ROOT / "src/stormpetrel"


@dataclass(frozen=True)
class Area:
    """What is broken, and the tests that must notice."""

    files: tuple[Path, ...]
    tests: tuple[str, ...]


GUARDRAILS = Area(
    (*sorted((SOURCE / "act/guardrails").glob("[!_]*.py")), SOURCE / "act/judge.py", SOURCE / "act/track.py"),
    ("tests/act/guardrails", "tests/act/test_judge.py", "tests/act/test_track.py"),
)
_IN_STORE = ("control_admission", "control_runs", "automation_facts")
ADMISSION = Area(
    (
        *(SOURCE / "adapters/store" / f"{name}.py" for name in _IN_STORE),
        SOURCE / "model/agreement.py",
    ),
    (
        "tests/store/test_automation.py",
        "tests/store/test_automation_machine.py",
        *(f"tests/store/test_{name}.py" for name in _IN_STORE),
        "tests/act/test_judge.py",
        "-knot postgresql",
    ),
)

_NEVER = "the wanted number is never among the others"
# Survivors that no test can kill, by file and text before and after.
EQUIVALENT: dict[tuple[str, str], str] = {
    ("backup.py", "continue -> break"): "of the two actions of a step only the last can be missing",
    (
        "backup.py",
        "0 < backup.objective_seconds < float('inf') -> 0 <= backup.objective_seconds < float('inf')",
    ): "no backup is younger than an objective of nothing",
    ("kill_switch.py", "'global' -> 'globalX'"): "an unknown scope stops everything, as the global one",
    ("effect_class.py", "continue -> break"): "of the two actions of a step only the last can be missing",
    ("judge.py", "if clamps: -> if True:"): "judging the same plan again says the same",
    ("bounds.py", "min(others) < wanted < max(others) -> min(others) <= wanted < max(others)"): _NEVER,
    ("bounds.py", "min(others) < wanted < max(others) -> min(others) < wanted <= max(others)"): _NEVER,
    ("bounds.py", "min(others) < wanted -> min(others) <= wanted"): _NEVER,
    ("control_admission.py", "facts.approvals or () -> facts.approvals"): "completed facts know them always",
    ("automation_facts.py", "if shown is None: -> if False:"): "a version that is newest or signed is kept",
    ("bounds.py", "wanted >= count -> wanted > count"): "where nothing changes both ways lead to the same",
}

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min", "floor": "ceil", "ceil": "floor"}
_MEMBERS = {
    "DENY": "ASK",
    "ASK": "ALLOW",
    "ALLOW": "DENY",
    "DESTRUCTIVE": "DISRUPTIVE",
    "DISRUPTIVE": "DESTRUCTIVE",
    "READ": "REVERSIBLE",
    "OBSERVE": "SUGGEST",
    "AUTO": "APPROVE",
    "TELEMETRY": "PERSON",
    "MODEL": "PERSON",
    "deny": "allow",
    "ask": "allow",
    "endswith": "startswith",
    "startswith": "endswith",
}

_SPEAKING = {"allow", "ask", "deny", "known", "one_of", "UnknownFact", "Verdict"}
_NAMES = {"name", "number", "__all__", "T", "_MOST_REASON"}


@dataclass(frozen=True)
class Mutant:
    """One small change: where, what it was, what it is."""

    path: Path
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def said(self) -> str:
        """For people."""
        return (
            f"{self.path.relative_to(ROOT / 'src/stormpetrel')}:{self.line}: {self.before}  ->  {self.after}"
        )


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Every small change of one node, as a node in its place."""
    if isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.BinOp):
        yield from of_operators(node)
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in constants(node.value))
    elif isinstance(node, ast.If):
        for truth in (True, False):
            made = deepcopy(node)
            made.test = ast.Constant(truth)
            yield made
    elif isinstance(node, ast.Name) and node.id in _CALLS:
        yield ast.Name(_CALLS[node.id], node.ctx)
    elif isinstance(node, ast.Attribute) and (node.attr in _MEMBERS or node.attr in _CALLS):
        yield ast.Attribute(node.value, (_MEMBERS | _CALLS)[node.attr], node.ctx)
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.AugAssign):
        yield ast.Pass()


def of_operators(node: ast.Compare | ast.BoolOp | ast.UnaryOp | ast.BinOp) -> Iterator[ast.AST]:
    """Other comparisons, conjunctions and sums."""
    if isinstance(node, ast.Compare):
        for place, one in enumerate(node.ops):
            for other in _COMPARE.get(type(one), ()):
                compared = deepcopy(node)
                compared.ops[place] = other()
                yield compared
    elif isinstance(node, ast.BoolOp):
        joined = deepcopy(node)
        joined.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield joined
        yield from (deepcopy(value) for value in node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield deepcopy(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        summed = deepcopy(node)
        summed.op = _BINARY[type(node.op)]()
        yield summed


def constants(value: object) -> Iterator[bool | int | float | str]:
    """Other values in place of a constant."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        if value > 1:
            yield value - 1
    elif isinstance(value, str):
        yield f"{value}X" if value else "X"


def silent(tree: ast.Module) -> set[int]:
    """Nodes that speak to people or to type checkers only: docstrings, reasons, annotations, names."""
    found: set[int] = set()
    for node in ast.walk(tree):
        quiet: list[ast.AST] = spoken(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quiet.append(node)
        if isinstance(node, ast.AnnAssign):
            quiet.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            annotations = [one.annotation for one in node.args.args]
            quiet += [one for one in (node.returns, *node.decorator_list, *annotations) if one is not None]
        for one in quiet:
            found |= {id(part) for part in ast.walk(one)}
    return found


def spoken(node: ast.AST) -> list[ast.AST]:
    """What a node says to people."""
    if isinstance(node, ast.JoinedStr):
        return [node]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if name in _SPEAKING:
            return [one for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return [node.value] if node.targets[0].id in _NAMES else []
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
        return [node.value] if node.value.value else []
    return []


def mutants(path: Path) -> Iterator[Mutant]:
    """Every small change of a file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    skipped = silent(tree)
    places = [node for node in ast.walk(tree) if id(node) not in skipped]
    for number, node in enumerate(places):
        for made in changes(node):
            fresh = ast.parse(source)
            quiet = silent(fresh)
            place = [one for one in ast.walk(fresh) if id(one) not in quiet][number]
            Replacing(place, made).visit(fresh)
            ast.fix_missing_locations(fresh)
            before, after = ast.unparse(node).split("\n")[0], ast.unparse(made).split("\n")[0]
            yield Mutant(path, getattr(node, "lineno", 0), before, after, fresh)


class Replacing(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The node itself, or the other one."""
        if node is self._old:
            return ast.copy_location(self._new, node)
        return self.generic_visit(node)


def put_in_place(mutant: Mutant) -> None:
    """Give what is imported already the code of the mutant."""
    name = ".".join(mutant.path.relative_to(ROOT / "src").with_suffix("").parts)
    module = importlib.import_module(name)
    made = ModuleType(name)
    made.__dict__.update(__file__=str(mutant.path), __name__=name)
    exec(compile(mutant.tree, str(mutant.path), "exec"), made.__dict__)  # noqa: S102 that is what this is for
    for key, new in list(vars(made).items()):
        old = vars(module).get(key)
        if getattr(new, "__module__", name) != name:
            continue  # it came from elsewhere
        if isinstance(old, FunctionType):
            old.__code__, old.__defaults__ = new.__code__, new.__defaults__
        elif isinstance(old, type):
            take_over(old, new)
        elif not key.startswith("__"):
            setattr(module, key, new)


def take_over(old: type, new: type) -> None:
    """Give the methods and plain attributes of a class those of another."""
    for key, value in vars(new).items():
        mine = vars(old).get(key)
        code = getattr(value, "__func__", value)
        kept = getattr(mine, "__func__", mine)
        if isinstance(code, FunctionType) and isinstance(kept, FunctionType):
            if not code.__code__.co_freevars:
                kept.__code__ = code.__code__
                kept.__defaults__, kept.__kwdefaults__ = code.__defaults__, code.__kwdefaults__
        elif isinstance(value, int | str | float) and not key.startswith("__"):
            setattr(old, key, value)


class Mutation:
    """A plugin of pytest: instead of running the tests once, it runs them against every mutant."""

    def __init__(self, area: Area, wanted: list[str]) -> None:
        self.files = [one for one in area.files if not wanted or any(part in one.name for part in wanted)]
        self.killed, self.equivalent, self.survivors = 0, 0, list[Mutant]()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Everything, in place of pytest's own loop."""
        if self._fails(session.items, None):
            raise SystemExit("the tests fail without any change; mend them first")
        for path in self.files:
            before = len(self.survivors), self.killed
            for mutant in mutants(path):
                key = (path.name, f"{mutant.before} -> {mutant.after}")
                if self._fails(session.items, mutant):
                    self.killed += 1
                elif key in EQUIVALENT:
                    self.equivalent += 1
                else:
                    self.survivors.append(mutant)
                    say(f"SURVIVED {mutant.said}")
            lived, dead = len(self.survivors) - before[0], self.killed - before[1]
            say(f"{path.name}: {dead} killed, {lived} survived")
        return True

    def _fails(self, every: list[pytest.Item], mutant: Mutant | None) -> bool:
        """Whether a test fails against this mutant; one that takes too long counts as failed."""
        name = mutant.path.stem if mutant is not None else ""
        order = sorted(every, key=lambda one: relevance(name, one))
        child = os.fork()
        if child == 0:
            os.setsid()
            run_in_child(order, mutant)
        watch = os.pidfd_open(child)
        ready, _, _ = select.select([watch], [], [], SECONDS if mutant is not None else None)
        if not ready:
            os.kill(child, signal.SIGKILL)
        os.close(watch)
        _, status = os.waitpid(child, 0)
        return status != 0


NUMBERS = {
    "kill_switch": 1, "leader": 2, "dead_man": 3, "autonomy": 4, "effect_class": 5, "identity": 6,
    "evidence": 7, "context": 8, "preconditions": 9, "backup": 10, "blast_radius": 11, "last_healthy": 12,
    "fleet_brake": 13, "bounds": 14, "budget": 15, "rate": 16, "cooldown": 17, "exclusion": 18,
    "did_not_help": 19, "breaker": 20,
}  # fmt: skip


def relevance(name: str, item: pytest.Item) -> int:
    """Tests that are about a file come first."""
    own = f"test_{NUMBERS.get(name, 0)}_"
    return 0 if own in item.nodeid or f"test_{name}" in item.nodeid else 2 if "contract" in item.nodeid else 1


def run_in_child(items: list[pytest.Item], mutant: Mutant | None) -> None:
    """Run tests up to the first that fails, and leave with 1, or with 0."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        if mutant is not None:
            put_in_place(mutant)
        for item in items:
            if any(one.failed for one in runtestprotocol(item, nextitem=None, log=False)):
                os._exit(1)
    except BaseException:  # noqa: BLE001 a mutant that breaks the run itself is noticed too
        os._exit(1)
    os._exit(0)


def say(line: str) -> None:
    """One line of the result, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run everything; 1 when too much survives."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", nargs="*", metavar="PART", help="of a file's name; all files when left out")
    parser.add_argument("--admission", action="store_true", help="the transaction in place of the guardrails")
    given = parser.parse_args()
    area = ADMISSION if given.admission else GUARDRAILS
    found = Mutation(area, given.wanted)
    os.chdir(ROOT)
    code = pytest.main(["-q", "-s", "--timeout=0", *area.tests], [found])
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    total = found.killed + len(found.survivors)
    ratio = found.killed / max(total, 1)
    same = f"and {found.equivalent} the same in other words"
    say(f"{found.killed} of {total} mutants killed: {ratio:.1%} ({same})")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
