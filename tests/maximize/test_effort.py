"""What maximisation makes of large networks where nothing is said."""

from __future__ import annotations

import pytest

from lit_mnist.inside.passes import batch_size, gradient_batch_size
from lit_mnist.maximize.effort import MOST_WORK, effort, multiply_accumulates
from lit_mnist.maximize.rows import CHUNK, chunk_rows, most_rows
from lit_mnist.spec import NetworkSpec


def large() -> NetworkSpec:
    """A network for photographs whose second branch is no part of the first one's work."""
    return NetworkSpec.from_dict(
        {
            "input_shape": [224, 224, 3],
            "layers": [
                {"type": "conv", "name": "A", "filters": 64, "padding": "same"},
                {"type": "conv", "name": "B", "filters": 96, "padding": "same"},
                {"type": "conv", "name": "C", "filters": 64, "inputs": ["A"], "padding": "same"},
                {"type": "conv", "name": "D", "filters": 96, "padding": "same", "inputs": ["C"]},
                {"type": "add", "name": "Sum", "inputs": ["B", "D"]},
                {"type": "global_pool", "name": "Pool"},
                {"type": "dense", "name": "Out", "units": 1000, "activation": "softmax"},
            ],
        }
    )


def test_small_networks_keep_the_usual(cnn_spec: NetworkSpec) -> None:
    usual = effort(cnn_spec, "Conv2D_3", "source")
    assert (usual.targets, usual.restarts, usual.steps, usual.reduced) == (None, 4, None, None)
    assert chunk_rows(cnn_spec) == CHUNK


def test_large_networks_get_less_and_say_so() -> None:
    spec = large()
    made = effort(spec, "Out", "class")
    assert made.reduced and "1,000 images x 4 restarts x 600 steps" in made.reduced
    assert made.targets and len(made.targets) < 1000
    assert (made.restarts, made.steps) == (1, 100)
    assert 1 <= chunk_rows(spec) <= batch_size(spec) // 2 + 1 < CHUNK


def test_rows_together_fit_the_memory() -> None:
    """Also of a network of which a chunk fits but not 64 rows."""
    layers = [
        {"type": "conv", "name": "A", "filters": 64, "padding": "same"},
        {"type": "global_pool", "name": "Out"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [215, 215, 1], "layers": layers})
    fitting = gradient_batch_size(spec, 64)
    assert chunk_rows(spec) == CHUNK <= fitting < 2 * CHUNK
    assert CHUNK <= most_rows(spec) <= fitting


def test_what_the_user_gave_stays() -> None:
    spec = large()
    given = effort(spec, "B", "source", range(96), 8, 400)
    assert (given.targets, given.restarts, given.steps) == (tuple(range(96)), 8, 400)
    assert given.reduced is None  # nothing was left to choose
    one = effort(spec, "B", "source", [3], 1)
    assert one.steps is None and one.reduced is None  # little work
    some = effort(spec, "B", "source", None, 2)
    assert some.restarts == 2 and some.reduced


def test_only_needed_layers_are_work() -> None:
    spec = large()
    assert multiply_accumulates(spec, "B") == spec["A"].macs + spec["B"].macs
    assert multiply_accumulates(spec, "B:pre") == multiply_accumulates(spec, "B")
    assert multiply_accumulates(spec, "Out") == spec.macs
    assert 96 * 4 * 400 * multiply_accumulates(spec, "B") > MOST_WORK


@pytest.mark.parametrize("steps", [0, -1])
def test_impossible_steps_are_named(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps = {steps}"):
        effort(large(), "B", "source", steps=steps)
