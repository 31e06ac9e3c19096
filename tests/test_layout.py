"""The layout: imports point one way along the flow of data, and heavy libraries stay where they
belong.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "lit_mnist"
# what may be imported at module level: only places of the same or an earlier line
FLOW = (
    ("errors", "files", "environment", "outcome", "pages"),
    ("spec",),
    ("keras_files",),
    ("data", "network"),
    ("runs",),
    ("inside", "training"),
    ("maximize", "attribution", "export", "studies"),
    ("comparison", "figures"),
    ("report", "card"),
    ("live",),
    ("cli",),
    ("__init__", "__main__"),
)
RANK = {place: rank for rank, places in enumerate(FLOW) for place in places}
FILES = sorted(PACKAGE.rglob("*.py"))


def place_of(path: Path) -> str:
    """The first folder or file below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file, which is parsed once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@functools.cache
def imports(path: Path, everywhere: bool) -> tuple[str, ...]:
    """Absolute names of what a file imports, at module level or in functions too; not for type
    checking alone.
    """
    return tuple(_imports(path, everywhere))


def _imports(path: Path, everywhere: bool) -> Iterator[str]:
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


# ---- what tests may reach

_PRIVATE = re.compile(r"_[^\W_]\w*(?<!_)\Z")  # no dunders, nor a notebook's ``_repr_png_``


@functools.cache
def private_names() -> frozenset[str]:
    """Functions, classes, variables and attributes with a leading underscore that the packages
    define.
    """
    names: set[str] = set()
    for path in (*FILES, *(ROOT / "keras_baseline").rglob("*.py")):
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return frozenset(name for name in names if _PRIVATE.match(name))


def reached(source: str, private: frozenset[str]) -> list[str]:
    """The private names that a test imports, reads of anything but itself, or names to setattr and
    getattr.
    """
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "lit_mnist",
            "keras_baseline",
        ):
            names += [a.name for a in node.names if _PRIVATE.match(a.name)]
        elif isinstance(node, ast.Attribute) and node.attr in private:
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            names += [] if own else [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "getattr")):
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            last = [word.rpartition(".")[2] for word in words if isinstance(word, str)]
            names += [word for word in last if word in private]
    return names


def test_no_test_reaches_a_private_name() -> None:
    private = private_names()
    files = sorted((ROOT / "tests").rglob("*.py"))
    names = {str(path.relative_to(ROOT)): reached(path.read_text(), private) for path in files}
    assert {path: result for path, result in names.items() if result} == {}


@pytest.mark.parametrize(
    "line",
    [
        "from lit_mnist.report.gather import _digits",
        "gather._digits(path)",
        "monkeypatch.setattr(gather, '_digits', None)",
        "monkeypatch.setattr('lit_mnist.report.gather._digits', None)",
    ],
)
def test_a_private_name_is_noticed(line: str) -> None:
    assert reached(line, private_names()) == ["_digits"]


def test_public_names_are_there() -> None:
    import lit_mnist

    assert sorted(lit_mnist.__all__) == lit_mnist.__all__
    assert all(getattr(lit_mnist, name) is not None for name in lit_mnist.__all__)
