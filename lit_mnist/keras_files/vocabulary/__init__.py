"""Keras' layers as entries of a NetworkSpec: one function a class, chosen by the class's name.

Every function takes a KerasLayer and the shapes of its inputs, and returns the entry without its
name. Unsupported settings that would change the result are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..entries import KerasLayer
from ..graph import Node
from . import activations, kernels, merges, scales, shapes, training
from .settings import Entry, Reader, Shape, refuse_dtype

READERS: dict[str, Reader] = (
    kernels.READERS
    | shapes.READERS
    | scales.READERS
    | activations.READERS
    | training.READERS
    | merges.READERS
)
SUPPORTED = (*READERS, "InputLayer")
RANDOM = training.RANDOM


def entry_of(node: Node, shapes_: Sequence[Shape]) -> Entry:
    """Return the spec's entry for a call on inputs of these shapes.

    Raises KerasFileError naming layer and setting.
    """
    refuse_dtype(node.layer)
    if merges.is_arithmetic(node):
        return merges.arithmetic(node)
    return READERS[node.layer.kind](node.layer, shapes_)


__all__ = ["RANDOM", "READERS", "SUPPORTED", "Entry", "KerasLayer", "entry_of"]
