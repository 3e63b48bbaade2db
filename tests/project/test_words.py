"""One word a thing, a reason beside each silenced check, and nothing of anybody's workplace."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

BANNED_ALONE = {
    "event", "events", "data", "info", "item", "items", "manager", "handler", "processor", "engine",
    "utils", "util", "helpers", "helper",
}  # fmt: skip

# Names that stay, each with its reason.
ALLOWED_NAMES: dict[str, str] = {
    "stormpetrel.ingest.series.SeriesRegistry.info": "read as registry.info(series), of type SeriesInfo",
}

# Parameters that stay with one type, each with its reason.
ALLOWED_PARAMETERS = {
    "data: Path": "the folder that `petrel evaluate --data` names",
    "data: Path | None": "the same, which a generated fleet does without",
}

# Phrases of a place where work was done, or of tools that did it. Built from parts: this file is read too.
WORKPLACE = tuple(
    a + b
    for a, b in (
        ("/wor", "k/"), ("../sha", "red"), ("shared/", "data"), ("shared/", "design"), ("shared/", "tools"),
        ("work/", "scratch"), ("BRIEF", ".md"), ("hard", " stop"), ("sub", "agent"), ("this ", "workplace"),
        ("other ", "helpers"), ("Anthro", "pic"), ("Cla", "ude"), ("Chat", "GPT"),
    )
)  # fmt: skip
MAY_NAME_THE_WORKPLACE = {".ci/run"}

TEXT_SUFFIXES = {
    "", ".py", ".md", ".toml", ".yml", ".yaml", ".html", ".css", ".js", ".txt", ".cfg", ".ini", ".service",
    ".sh", ".sql", ".json",
}  # fmt: skip

_SILENCED = re.compile(
    r"#\s*(type:\s*ignore|noqa)(\[[^\]]*\]|:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)?(?P<rest>.*)"
)
# A first look at the text: reading every file token by token takes seconds.
_BROAD = re.compile(r"\bexcept\s*(:|\(?\s*(Base)?Exception\b)")
_UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
_PRETENDED = re.compile(r"\bassert " + r"True\b|mark\." + r"(skip|xfail)\b|pytest\." + r"xfail\(")


def text_files(root: Path) -> list[Path]:
    """What the project publishes as text."""
    folders = ("src", "tests", "benchmarks", "scripts", "docs", "examples", ".ci")
    found = [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    found += [path for path in root.iterdir() if path.is_file()]
    return sorted(p for p in found if p.suffix in TEXT_SUFFIXES and "__pycache__" not in p.parts)


def comments(source: str) -> dict[int, str]:
    """Comments by line number; strings that look like comments are none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}


def explained(lines: list[str], found: dict[int, str], number: int) -> bool:
    """Is there a reason of a few words on the line, right above, or at the head of a block of such lines?"""
    match = _SILENCED.search(found.get(number, ""))
    if match is None:
        return lines[number - 1].strip().startswith("#")
    if len(match["rest"].strip(" #-:").split()) >= 2:
        return True
    return number - 1 in found and explained(lines, found, number - 1)


def test_no_banned_name_stands_alone(package_trees: dict[str, ast.Module]) -> None:
    wrong = [
        name
        for module, tree in package_trees.items()
        for name in (module, *defined_names(tree, module))
        if name.rpartition(".")[2].strip("_").lower() in BANNED_ALONE and name not in ALLOWED_NAMES
    ]
    assert not wrong, "names that say nothing:\n" + "\n".join(wrong)


def defined_names(tree: ast.AST, prefix: str) -> list[str]:
    """Public classes, functions and their parameters at any depth, dotted."""
    names = []
    for node in ast.iter_child_nodes(tree):
        inner = prefix
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            inner = f"{prefix}.{node.name}"
            names.append(inner)
        elif isinstance(node, ast.arg) and not speaking(node):
            names.append(f"{prefix}.{node.arg}")
        names += defined_names(node, inner)
    return names


def speaking(argument: ast.arg) -> bool:
    """`info: SeriesInfo` is said by its type."""
    written = ast.unparse(argument).replace("Annotated[", "").partition(",")[0]
    if written in ALLOWED_PARAMETERS:
        return True
    return argument.annotation is not None and ast.unparse(argument.annotation).lower().endswith(argument.arg)


def test_every_silenced_check_has_its_reason(python_files: list[Path], root: Path) -> None:
    wrong = []
    for path in python_files:
        source = path.read_text(encoding="utf-8")
        if not _SILENCED.search(source):
            continue
        found = comments(source)
        lines = source.splitlines()
        for number, comment in found.items():
            match = _SILENCED.search(comment)
            if match and not explained(lines, found, number):
                wrong.append(f"{path.relative_to(root)}:{number}: {comment}")
    assert not wrong, "silenced without a reason beside it:\n" + "\n".join(wrong)


def test_every_broad_except_has_its_reason(python_files: list[Path], root: Path) -> None:
    wrong = []
    for path in python_files:
        source = path.read_text(encoding="utf-8")
        if not _BROAD.search(source):
            continue
        found = comments(source)
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            )
            passed_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            near = any(number in found for number in (node.lineno - 1, node.lineno, node.lineno + 1))
            if broad and not passed_on and not near:
                wrong.append(f"{path.relative_to(root)}:{node.lineno}: {lines[node.lineno - 1].strip()}")
    assert not wrong, "a broad except without a reason beside it:\n" + "\n".join(wrong)


def test_nothing_is_unfinished_or_pretended(python_files: list[Path], root: Path) -> None:
    wrong = []
    for path in python_files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _UNFINISHED.search(line) or _PRETENDED.search(line):
                wrong.append(f"{path.relative_to(root)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_the_project_speaks_of_itself_alone(root: Path) -> None:
    wrong = []
    for path in text_files(root):
        name = str(path.relative_to(root))
        if name in MAY_NAME_THE_WORKPLACE:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        wrong += [f"{name}: {phrase}" for phrase in WORKPLACE if phrase.lower() in text.lower()]
    assert not wrong, "\n".join(wrong)


def test_no_template_switches_escaping_off(root: Path) -> None:
    wrong = []
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in (".html", ".jinja", ".j2"):
            continue
        text = path.read_text(encoding="utf-8")
        if re.search(r"\|\s*safe\b|autoescape\s+false", text):
            wrong.append(str(path.relative_to(root)))
    assert not wrong, f"telemetry is hostile text, these templates print it raw: {wrong}"


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ("x = 1  # no" + "qa: S101 the value comes from a constant\n", True),
        ("x = 1  # no" + "qa: S101\n", False),
        ("x = 1  # no" + "qa: S101 the value is constant\ny = 1  # no" + "qa: S101\n", True),
        ("# the library has no stubs\nx = 1  # type: " + "ignore[x]\n", True),
        ("x = 1  # type: " + "ignore[x]\n", False),
    ],
)
def test_the_reason_finder_itself(source: str, good: bool) -> None:
    found = comments(source)
    assert explained(source.splitlines(), found, max(found)) is good
