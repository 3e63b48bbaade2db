"""Every public thing says what it is."""

import ast
from collections.abc import Iterator

# The docstring of the class, and a comment beside each method, are the documentation of this protocol.
DOCUMENTED_AS_A_WHOLE = frozenset({"stormpetrel.app.service.Service"})


def undocumented(tree: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    """Public classes, functions and methods (to any depth of classes) without a docstring."""
    if prefix in DOCUMENTED_AS_A_WHOLE:
        return
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        name = f"{prefix}.{node.name}"
        overload = any(
            "overload" in ast.unparse(d) or ".setter" in ast.unparse(d) for d in node.decorator_list
        )
        if not overload and not ast.get_docstring(node):
            yield name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, name)


def test_every_module_says_what_it_is(package_trees: dict[str, ast.Module]) -> None:
    wrong = [name for name, tree in package_trees.items() if not ast.get_docstring(tree)]
    assert not wrong, "modules without a docstring:\n" + "\n".join(wrong)


def test_every_public_thing_says_what_it_is(package_trees: dict[str, ast.Module]) -> None:
    wrong = [
        thing
        for name, tree in package_trees.items()
        if not any(part.startswith("_") for part in name.split("."))
        for thing in undocumented(tree, name)
    ]
    assert not wrong, "public and without a docstring:\n" + "\n".join(wrong)
