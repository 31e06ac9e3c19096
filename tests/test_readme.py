"""README: its commands are the program's, its links lead somewhere, its Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from lit_mnist.cli.commands import COMMANDS, TRAINING
from tests.conftest import ROOT, Run

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    lost = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(page: Path, run_cli: Run) -> None:
    """Every ``python -m lit_mnist COMMAND --option`` of the docs is one that the program has."""
    for command, rest in re.findall(
        r"python -m lit_mnist (\w+)([^\n`|]*(?:\\\n[^\n`|]*)*)", page.read_text()
    ):
        if command.isupper():
            continue
        assert command in TRAINING or command in COMMANDS, command
        known = run_cli(command, "--help")[1]
        for option in re.findall(r"--([a-z_.]+)", rest.partition("#")[0]):
            assert option == "json" or f"--{option}" in known, f"{command} has no --{option}"


def test_the_two_commands_are_what_make_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in (
        "-m pip install --quiet --constraint constraints.txt --editable .\n",
        "-m lit_mnist fit --config $(CONFIG)",
        "--editable '.[keras,export,notebooks,test,lint,docs,studies]'",
        "-m pytest -m 'not slow' -n auto --dist loadfile",
    ):
        assert line in makefile
    shell = "".join(text for kind, text in BLOCKS if not kind)
    for line in (
        "--constraint constraints.txt --editable .\n",
        "-m lit_mnist fit --config configs/cnn.yaml\n",
        "--editable '.[keras,export,notebooks,test,lint,docs,studies]'",
        "-m pytest -m 'not slow' -n auto --dist loadfile",
    ):
        assert line in shell


def test_python_example(trained_run: Path) -> None:
    """As it stands, but for the run's place and for how long the slow parts take."""
    code = next(text for kind, text in BLOCKS if kind == "python")
    for shown, short in (
        ("runs/cnn", str(trained_run.parent)),
        ("maps=[3, 17]", "maps=[3, 17], steps=2"),
        ('explain("test:19"', 'explain("test:19", methods=["saliency"], verdict_digits=0'),
    ):
        assert shown in code
        code = code.replace(shown, short)
    scope: dict = {}
    exec(code, scope)
    assert scope["maps"]["Conv2D_3"].shape == (1, 128, 3, 3) and scope["maps"][
        "Dense_1:pre"
    ].shape == (1, 100)
    assert torch.isfinite(scope["logits"]).all()
