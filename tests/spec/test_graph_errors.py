"""Layers that cannot be joined, and values that a layer cannot take."""

from __future__ import annotations

import pytest

from lit_mnist.spec import SpecError

from .blocks import FLATTEN, OUT, RESIDUAL, build


def _transposed(**values: object) -> list[dict]:
    plain = {"type": "transposed_conv", "name": "T", "filters": 2, "padding": "same"}
    return [plain | values]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [{**RESIDUAL[0], "inputs": ["Conv2D_2"]}, *RESIDUAL[1:], FLATTEN, OUT],
            ["'Conv2D_1'", "'Conv2D_2'", "cycle"],
        ),
        ([{**RESIDUAL[0], "inputs": ["Conv2D_1"]}, FLATTEN, OUT], ["'Conv2D_1'", "read itself"]),
        (
            [*RESIDUAL[:2], {**RESIDUAL[2], "inputs": ["Conv2D_1", "Conv2d_2"]}, FLATTEN, OUT],
            ["'Add_1'", "'Conv2d_2'", "did you mean 'Conv2D_2'"],
        ),
        (
            [*RESIDUAL[:2], {"type": "add", "name": "Add_1"}, FLATTEN, OUT],
            ["'Add_1'", "at least 2", "names none"],
        ),
        (
            [*RESIDUAL, FLATTEN | {"inputs": ["Add_1", "Conv2D_1"]}, OUT],
            ["'Flatten'", "takes 1", "'Add_1', 'Conv2D_1'"],
        ),
        (
            [*RESIDUAL, {"type": "subtract", "name": "S", "inputs": ["Add_1"] * 3}, FLATTEN, OUT],
            ["'S'", "takes"],
        ),
        (
            [RESIDUAL[0], RESIDUAL[1] | {"filters": 3}, RESIDUAL[2], FLATTEN, OUT],
            ["'Add_1'", "(12, 12, 4) and (12, 12, 3)", "do not merge"],
        ),
        (
            [
                RESIDUAL[0],
                RESIDUAL[1] | {"stride": 2},
                RESIDUAL[2] | {"type": "concatenate"},
                FLATTEN,
                OUT,
            ],
            ["'Add_1'", "(12, 12, 4) and (6, 6, 4)", "axis -1"],
        ),
        (
            [*RESIDUAL, {"type": "flatten", "name": "Flatten", "inputs": ["Conv2D_1"]}, OUT],
            ["'Conv2D_2'", "no output"],
        ),
        (
            [RESIDUAL[0], {"type": "shared", "name": "Again", "shares": "Conv2D_1"}, FLATTEN, OUT],
            ["'Again'", "(3, 3, 4, 4)", "(3, 3, 1, 4)"],
        ),
        (
            [{"type": "shared", "name": "Again", "shares": "Conv"}, FLATTEN, OUT],
            ["'Again'", "'Conv'", "no layer before"],
        ),
        (
            [
                FLATTEN,
                OUT,
                {"type": "activation", "name": "More", "activation": "relu"},
                {**OUT, "name": "Last"},
            ],
            [],
        ),
        ([RESIDUAL[0] | {"groups": 3}, FLATTEN, OUT], ["'Conv2D_1'", "groups = 3", "filters = 4"]),
        (
            [RESIDUAL[0] | {"stride": 2, "dilation": 2}, FLATTEN, OUT],
            ["'Conv2D_1'", "dilation", "stride"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, dilation=2), FLATTEN, OUT],
            ["'T'", "dilation = (2, 2)", "with stride"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, output_padding=[1, 2]), FLATTEN, OUT],
            ["'T'", "output_padding = (1, 2)", "rows 0 to 1, columns 0 to 1"],
        ),
        (
            [RESIDUAL[0], *_transposed(stride=2, kernel=2, output_padding=0), FLATTEN, OUT],
            ["'T'", "output_padding = (0, 0)", "rows 1 to 1, columns 1 to 1"],
        ),
        (
            [RESIDUAL[0], {"type": "group_norm", "name": "G", "groups": 3}, FLATTEN, OUT],
            ["'G'", "groups = 3", "4 ch"],
        ),
        (
            [{"type": "rescaling", "name": "R", "factor": [1, 2]}, FLATTEN, OUT],
            ["'R'", "factor = [1, 2]"],
        ),
        ([{"type": "permute", "name": "P", "dims": [1, 2, 2]}, FLATTEN, OUT], ["'P'", "dims"]),
        (
            [{"type": "cropping", "name": "C", "cropping": 6}, FLATTEN, OUT],
            ["'C'", "nothing is left", "12 x 12"],
        ),
        ([{"type": "normalization", "name": "N", "mean": 1}, FLATTEN, OUT], ["'N'", "variance"]),
        (
            [{"type": "random_zoom", "name": "Z", "height_factor": 2}, FLATTEN, OUT],
            ["'Z'", "height_factor = 2"],
        ),
    ],
)
def test_what_cannot_be_joined(layers: list, words: list[str]) -> None:
    if not words:  # softmax within is a layer like any other
        assert build(*layers)["Out"].activation == "softmax"
        return
    with pytest.raises(SpecError) as caught:
        build(*layers)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)
