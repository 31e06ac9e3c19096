"""The table of layer types in docs/train.md: every type, every key, every activation."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from lit_mnist.spec import ACTIVATIONS, LAYER_TYPES
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| type | keys") : PAGE.index("## Optimisers")]
COMMON = {"name", "inputs", "trainable"}
ROWS = {
    kind: row
    for row in re.findall(r"^\| `.*$", TABLE, re.M)
    for kind in re.findall(r"`(\w+)`", row.split("|")[1])
}


def test_every_type_has_a_row() -> None:
    assert set(ROWS) == set(LAYER_TYPES)


@pytest.mark.parametrize("kind", LAYER_TYPES)
def test_every_key_is_in_its_row(kind: str) -> None:
    keys = {field.name for field in fields(LAYER_TYPES[kind])} - COMMON
    assert keys <= set(re.findall(r"`(\w+)`", ROWS[kind].split("|", 2)[2]))


def test_what_every_layer_has_is_said_before_the_table() -> None:
    before = PAGE[PAGE.index("Every layer has") : PAGE.index("| type | keys")]
    assert set(re.findall(r"`(\w+)\b", before)) >= COMMON


def test_every_activation_is_named() -> None:
    sentence = PAGE[PAGE.index("\nActivations: ") : PAGE.index("`python -m lit_mnist summary")]
    assert {*ACTIVATIONS, "softmax"} <= set(re.findall(r"\w+", sentence))
