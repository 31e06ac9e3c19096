"""The layout: imports point one way along the flow of data, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "lit_mnist"
# what may be imported at module level: only places of the same or an earlier line
FLOW = (
    ("errors", "files", "environment", "outcome"),
    ("spec",),
    ("keras_files",),
    ("data", "network"),
    ("runs",),
    ("inside", "training"),
    ("maximize", "attribution", "export", "studies"),
    ("comparison", "figures"),
    ("report",),
    ("live",),
    ("cli",),
    ("__init__", "__main__"),
)
RANK = {place: rank for rank, places in enumerate(FLOW) for place in places}
FILES = sorted(PACKAGE.rglob("*.py"))


def place_of(path: Path) -> str:
    """The first folder or file below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, everywhere: bool) -> Iterator[str]:
    """Absolute names of what a file imports, at module level or in functions too; not for type checking alone."""
    tree = ast.parse(path.read_text())
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    package = ["lit_mnist", *path.relative_to(PACKAGE).parent.parts]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (
                [f"{name}.{alias.name}" for alias in node.names] if node.module is None else [name]
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = RANK[place_of(path)]
    for name in imports(path, everywhere=False):
        parts = name.split(".")
        if parts[0] == "lit_mnist" and len(parts) > 1 and parts[1] != "__version__":
            assert RANK[parts[1]] <= own, (
                f"{path.relative_to(ROOT)} imports {name}, which comes later in the flow"
            )


def users(library: str, everywhere: bool = True) -> set[str]:
    """The places that import `library`."""
    return {
        place_of(path)
        for path in FILES
        for name in imports(path, everywhere)
        if name.split(".")[0] == library
    }


def test_only_figures_draw() -> None:
    assert users("matplotlib") == {"figures"}
    assert not [
        path
        for path in FILES
        for name in imports(path, True)
        if name.startswith("matplotlib.pyplot")
    ]


def test_only_studies_know_optuna() -> None:
    assert users("optuna") == {"studies"}
    assert users("optuna", everywhere=False) == set()


def test_tensorflow_stays_out() -> None:
    assert users("tensorflow") | users("keras") <= {"comparison"}
    assert users("tensorflow", everywhere=False) == users("keras", everywhere=False) == set()


def test_descriptions_and_keras_files_need_no_framework() -> None:
    for library in ("torch", "lightning", "tensorflow"):
        assert not users(library) & {"spec", "keras_files", "errors", "files"}, library


def test_the_baseline_needs_no_torch() -> None:
    for path in (ROOT / "keras_baseline").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        statements = [
            ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not [text for text in statements if "torch" in text], path
