"""The shape of the code: who may import whom, no cycles, no privates of others, modules one can read at a sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "emcoop": ROOT / "src" / "emcoop",
    **{f"emcoop.{name}": ROOT / name for name in ("envs", "cognitive_layer", "metrics", "baselines", "leaderboards")},
}
MOST_LINES = 450

FOUNDATION = ("emcoop.errors", "emcoop.rng", "emcoop.version")
MAY_IMPORT = {
    "emcoop.errors": (),
    "emcoop.rng": ("emcoop.errors",),
    "emcoop.version": (),
    "emcoop.trace": ("emcoop.trace", *FOUNDATION),
    "emcoop.envs": ("emcoop.envs", *FOUNDATION),
    "emcoop.metrics": ("emcoop.metrics", "emcoop.trace", "emcoop.errors", "emcoop.version"),
    "emcoop.cognitive_layer": (
        "emcoop.cognitive_layer",
        "emcoop.envs.embodiment",
        "emcoop.registration",
        "emcoop.metrics",
        "emcoop.trace",
        *FOUNDATION,
    ),
    "emcoop.leaderboards": (
        "emcoop.leaderboards",
        "emcoop.baselines",
        "emcoop.cognitive_layer",
        "emcoop.envs",
        "emcoop.metrics",
        "emcoop.registration",
        "emcoop.replaying",
        "emcoop.trace",
        *FOUNDATION,
    ),
    "emcoop.viewer": ("emcoop.viewer", "emcoop.metrics", "emcoop.registration", "emcoop.trace", *FOUNDATION),
    "emcoop.baselines": (
        "emcoop",
        "emcoop.baselines",
        "emcoop.cognitive_layer",
        "emcoop.envs",
        "emcoop.metrics",
        "emcoop.registration",
        "emcoop.trace",
        *FOUNDATION,
    ),
}
"""What each part may import of this package; the environments are reached through the registry, by name.

`emcoop` stands for its public names only, every other entry for a module and what is below it.
"""


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            found[name] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def is_below(module: str, allowed: str) -> bool:
    return module == allowed if allowed == "emcoop" else is_in(module, allowed)


def condition(node: ast.AST) -> str:
    return ast.unparse(node.test) if isinstance(node, ast.If) else ""


def statements(node: ast.AST, typing_only: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements below a node, in functions too; with or without those for type checkers only.

    Left out is what a module does when it is run as a script: then it is a user of the package, not a part.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif condition(child) != "__name__ == '__main__'" and (typing_only or condition(child) != "TYPE_CHECKING"):
            yield from statements(child, typing_only)


def imports(module: str, typing_only: bool = True) -> set[str]:
    """Return the modules of this package that a module imports."""
    found: set[str] = set()
    for node in statements(tree(module), typing_only):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif node.module and node.level == 0:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in modules() else node.module)
    return {name for name in found if is_in(name, "emcoop")}


def test_the_parts_are_there():
    names = modules()
    for package in FOLDERS:
        assert package in names, f"{package} has no __init__.py"
    for part in MAY_IMPORT:
        assert any(is_in(name, part) for name in names), f"{part} does not exist"
    assert "emcoop.envs.embodiment" in imports("emcoop.cognitive_layer.loop"), "imports are not found"


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_lies_below_it(part: str):
    offences = [
        f"{module} imports {imported}"
        for module in modules()
        if is_in(module, part)
        for imported in sorted(imports(module))
        if not any(is_below(imported, allowed) for allowed in MAY_IMPORT[part])
    ]
    assert offences == []


def test_there_are_no_import_cycles():
    graph = networkx.DiGraph()
    graph.add_edges_from((module, imported) for module in modules() for imported in imports(module, typing_only=False))
    cycles = [sorted(part) for part in networkx.strongly_connected_components(graph) if len(part) > 1]
    assert cycles == []


def test_no_import_is_relative():
    offences = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in statements(tree(module), typing_only=True)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert offences == []


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(module: str) -> set[str]:
    """Return what a module defines itself: functions, classes, variables, and attributes of `self` it assigns."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            names.add(node.attr)
    return names


def other_packages(module: str) -> set[str]:
    """Return the names under which a module has imported packages that are not this one (`os._exit` is their rule)."""
    nodes = [node for node in statements(tree(module), typing_only=True) if isinstance(node, ast.Import)]
    return {alias.asname or alias.name for node in nodes for alias in node.names if not is_in(alias.name, "emcoop")}


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def test_no_module_imports_a_private_name_of_another():
    offences = [
        f"{module}:{node.lineno} imports {alias.name}"
        for module in modules()
        for node in statements(tree(module), typing_only=True)
        for alias in node.names
        if any(is_private(part) for part in alias.name.split("."))
        or (isinstance(node, ast.ImportFrom) and any(is_private(part) for part in (node.module or "").split(".")))
    ]
    assert offences == []


def test_no_module_reads_a_private_attribute_it_did_not_define():
    offences = []
    for module in modules():
        own, allowed = own_names(module), {"self", "cls", *other_packages(module)}
        offences += [
            f"{module}:{node.lineno} uses {ast.unparse(node)}"
            for node in ast.walk(tree(module))
            if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own
            if not (isinstance(node.value, ast.Name) and node.value.id in allowed)
        ]
    assert offences == []


@pytest.mark.parametrize("package", FOLDERS)
def test_modules_can_be_read_at_a_sitting(package: str):
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sorted(FOLDERS[package].rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}
