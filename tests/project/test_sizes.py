"""Small modules, small functions: the sizes of ARCHITECTURE.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES_EXPLAINED = 400
MODULE_LINES_MOST = 600
FUNCTION_LINES_MOST = 40
PARAMETERS_MOST = 6

# Functions that may be larger, each with its reason. Keep this short: splitting is nearly always better.
LARGER_FUNCTIONS: dict[str, str] = {
    "stormpetrel.cli.evaluate.evaluate": "each parameter is an option of the command, read by its name",
    "stormpetrel.cli.export.export": "each parameter is an option of the command, read from the signature",
    "stormpetrel.cli.flight.flight": "each parameter is an option of the command, read from the signature",
    "stormpetrel.web.pages.explore.explore_page": "the fields of the query string, read from the signature",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Every function at any depth, with its dotted name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
            yield from functions(node, name)
        else:
            yield from functions(node, prefix)


def lines_without_docstring(node: Function) -> int:
    """Lines from `def` to the end, less those of the docstring."""
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def parameters(node: Function) -> int:
    """Parameters a caller sees: without self and cls; `*a` and `**k` count one each."""
    arguments = node.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if named and named[0] in ("self", "cls"):
        named = named[1:]
    return len(named) + (arguments.vararg is not None) + (arguments.kwarg is not None)


def test_no_module_is_too_long(python_files: list[Path], root: Path, documents: dict[str, str]) -> None:
    decisions = "\n".join(text for name, text in documents.items() if name.startswith("docs/adr/"))
    wrong = []
    for path in python_files:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        name = str(path.relative_to(root))
        if lines > MODULE_LINES_MOST:
            wrong.append(f"{name}: {lines} lines, split it by responsibility")
        elif lines > MODULE_LINES_EXPLAINED and name not in decisions:
            wrong.append(f"{name}: {lines} lines, split it or explain it in an ADR by this path")
    assert not wrong, "\n".join(wrong)


def test_functions_are_short(package_trees: dict[str, ast.Module]) -> None:
    wrong = [
        f"{name}: {lines} lines"
        for module, tree in package_trees.items()
        for name, node in functions(tree, module)
        if (lines := lines_without_docstring(node)) > FUNCTION_LINES_MOST and name not in LARGER_FUNCTIONS
    ]
    assert not wrong, f"functions of more than {FUNCTION_LINES_MOST} lines:\n" + "\n".join(wrong)


def test_functions_take_few_parameters(package_trees: dict[str, ast.Module]) -> None:
    wrong = [
        f"{name}: {count} parameters"
        for module, tree in package_trees.items()
        for name, node in functions(tree, module)
        if (count := parameters(node)) > PARAMETERS_MOST and name not in LARGER_FUNCTIONS
    ]
    assert not wrong, f"functions of more than {PARAMETERS_MOST} parameters:\n" + "\n".join(wrong)


def test_larger_functions_still_exist_and_say_why(package_trees: dict[str, ast.Module]) -> None:
    known = {name for module, tree in package_trees.items() for name, _ in functions(tree, module)}
    gone = sorted(set(LARGER_FUNCTIONS) - known)
    assert not gone, f"no such function any more: {gone}"
    assert all(len(reason) > 20 for reason in LARGER_FUNCTIONS.values())


def test_the_measures_themselves() -> None:
    source = 'def f(self, a, *b, c, **d):\n    """One.\n\n    Two.\n    """\n    return 1\n'
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert lines_without_docstring(node) == 2
    assert parameters(node) == 4
