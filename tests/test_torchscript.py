"""Networks as TorchScript and as exported programs: tracing and export work, scripting says why it
cannot.
"""

from __future__ import annotations

import warnings

import pytest
import torch

from lit_mnist.errors import UserError
from tests.networks import tiny_model


def test_trace_and_export_give_the_same_outputs() -> None:
    network, images = tiny_model().network, torch.rand(2, 1, 28, 28)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript
        traced = torch.jit.trace(network, images)
        exported = torch.export.export(network, (images,)).module()
        assert torch.equal(traced(images), network(images))
        torch.testing.assert_close(exported(images), network(images))


def test_script_says_why_not() -> None:
    with warnings.catch_warnings(), pytest.raises(UserError, match=r"torch\.jit\.trace"):
        warnings.simplefilter("ignore")
        torch.jit.script(tiny_model().network)
