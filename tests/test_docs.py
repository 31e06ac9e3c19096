"""The documentation: the map names what exists, every room has its line and its API page, and pages
are reachable.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

DOCS = ROOT / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in (ROOT / "lit_mnist").glob("*/__init__.py"))


def site() -> dict:
    """mkdocs.yml, which the site's builder reads too."""
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages(entries: list) -> list[str]:
    """All pages of a navigation, flat."""
    values = [value for entry in entries for value in entry.values()]
    return [
        page for value in values for page in (pages(value) if isinstance(value, list) else [value])
    ]


def test_map_names_what_exists() -> None:
    names = re.findall(r"`((?:lit_mnist|keras_baseline|tests)/[\w/.]*)`", ARCHITECTURE)
    assert len(names) > 25
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_on_the_map_and_in_the_reference(room: str) -> None:
    assert f"| `lit_mnist/{room}/` |" in ARCHITECTURE
    assert f"::: lit_mnist.{room}\n" in (DOCS / "api" / f"{room}.md").read_text(encoding="utf-8")


def test_names_in_the_recipes_are_the_codes() -> None:
    places = {
        "LAYER_TYPES": "spec/layers/__init__.py",
        "METHODS": "attribution/methods.py",
        "COMMANDS": "cli/commands/__init__.py",
    }
    for name, path in places.items():
        assert f"`{name}`" in ARCHITECTURE
        assert re.search(
            rf"^{name}\b", (ROOT / "lit_mnist" / path).read_text(encoding="utf-8"), re.M
        ), name


def test_every_page_is_in_the_navigation() -> None:
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert set(pages(site()["nav"])) == written


def test_modules_at_the_root_stay_few() -> None:
    assert len(list((ROOT / "lit_mnist").glob("*.py"))) <= 8
    assert not [
        path for path in Path(ROOT / "lit_mnist").rglob("*.py") if path.stem in ("utils", "helpers")
    ]
