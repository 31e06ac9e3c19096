"""Blocks of steps from fixed places: the same bits as ordinary steps, nothing read from the device,
loud fallbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lit_mnist.data.module import Block
from lit_mnist.network import Network
from lit_mnist.runs.resume import configuration_hash
from lit_mnist.spec import NetworkSpec
from lit_mnist.training import optimizers, schedules
from lit_mnist.training.averaging import Average
from lit_mnist.training.cuda.capturable import make_capturable, obstacle
from lit_mnist.training.cuda.copies import HostCopies
from lit_mnist.training.cuda.graphs import GraphError, GraphRunner, runner_for
from lit_mnist.training.gradients import Clipping
from lit_mnist.training.nan_watch import FiniteWatch
from lit_mnist.training.schedules import learning_rates
from lit_mnist.training.steps import BlockRunner, Step
from lit_mnist.training.sums import Sums, step_weights

Run = Callable[..., tuple[int, str, str]]
LAYERS = [
    {
        "type": "conv",
        "name": "Conv2D_1",
        "filters": 6,
        "kernel": 5,
        "stride": 2,
        "activation": "relu",
    },
    {"type": "pool", "name": "Max_Pool_1"},
    {"type": "batch_norm", "name": "Norm_1"},
    {"type": "dropout", "name": "Dropout_1", "rate": 0.3},
    {"type": "flatten", "name": "Flatten"},
    {
        "type": "dense",
        "name": "Dense_1",
        "units": 10,
        "activation": "softmax",
        "l1": 1e-4,
        "l2": 0.001,
    },
]
OPTIMIZERS: dict[str, Callable] = {
    "RMSprop": lambda p: optimizers.RMSprop(p, momentum=0.8, weight_decay=0.01),
    "SGD": lambda p: optimizers.SGD(p, momentum=0.9, nesterov=True),
    "Adam": optimizers.Adam,
    "Nadam": optimizers.Nadam,
    "Adamax": optimizers.Adamax,
}
RATES = learning_rates(schedules.OneCycle(0.01), 200)


def again(run: Callable[[], None]) -> Callable[[], None]:
    """In a graph's place: recording executes nothing, a replay makes the steps from the fixed
    places.
    """
    return run


def step_of(make: Callable = OPTIMIZERS["RMSprop"], dtype: torch.dtype = torch.float32) -> Step:
    network = Network(NetworkSpec.from_dict({"layers": LAYERS}), 1).to(
        dtype, memory_format=torch.channels_last
    )
    return Step(
        network,
        make(list(network.parameters())),
        Average(network, 0.99),
        label_smoothing=0.1,
        clipping=Clipping(0.5),
        images_per_pass=5,
    )


def blocks(dtype: torch.dtype = torch.float32, count: int = 6) -> list[Block]:
    """Two epochs of blocks of 4 steps at batch 8, the last of each of 2 steps and uneven."""
    draw = torch.Generator().manual_seed(5)
    sizes = ([(8, 8)] * 4, [(8, 8)] * 4, [(8, 8), (3, 3)])
    return [
        Block(
            torch.randn(sum(n for n, _ in size), 1, 28, 28, generator=draw, dtype=dtype),
            torch.randint(10, (sum(n for n, _ in size),), generator=draw),
            list(size),
        )
        for size in (sizes * 2)[:count]
    ]


def graphed(
    step: Step, rate: Callable = RATES.__getitem__, capture: Callable = again
) -> GraphRunner:
    def no_reason(why: str) -> None:
        raise AssertionError(f"gave up: {why}")

    return GraphRunner(step, rate, capture, no_reason)


def train(runner: BlockRunner, given: list[Block]) -> list[Tensor]:
    """Run the blocks; return all that came of it."""
    torch.manual_seed(3)
    actual, first = [], 0
    for block in given:
        result = runner(block, first)
        actual += [result.losses.clone(), result.sums.clone()]
        first += len(block)
    return actual + state_of(runner.step) + [torch.get_rng_state()]


def state_of(step: Step) -> list[Tensor]:
    slots = [value for state in step.optimizer.state.values() for _, value in sorted(state.items())]
    return [
        tensor.clone()
        for tensor in (*step.network.state_dict().values(), *step.average.values, *slots)
    ]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_from_fixed_places_give_the_same_bits(name: str, dtype: torch.dtype) -> None:
    """With dropout, batch normalisation, L1, L2, weight decay, label smoothing, clipped gradients
    of two passes, and an
    average of the weights."""
    given = blocks(dtype)
    plain = train(BlockRunner(step_of(OPTIMIZERS[name], dtype), RATES.__getitem__), given)
    runner = graphed(step_of(OPTIMIZERS[name], dtype))
    runner.prepare(given[1:3])
    assert runner.recordings == 2
    assert equal(plain, train(runner, given))
    late = graphed(
        step_of(OPTIMIZERS[name], dtype)
    )  # without preparation: from a form's second block on
    assert equal(plain, train(late, given)) and late.recordings == 2


def test_the_optimisers_own_rate_may_stand_in_the_graph() -> None:
    given = blocks()
    plain = train(BlockRunner(step_of(), lambda step: None), given)
    runner = graphed(step_of(), lambda step: None)
    assert equal(plain, train(runner, given)) and runner.recordings == 2
    for group in runner.step.optimizer.param_groups:
        group["lr"] = 0.5  # a constant of the recording has changed: it must not be replayed
    before = runner.step.network.Dense_1.dense.weight.clone()
    runner(given[0], 20), runner(given[0], 24)
    assert (
        runner.recordings == 3
        and (runner.step.network.Dense_1.dense.weight - before).abs().max() > 0.1
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_preparing_leaves_everything_as_it_was(name: str) -> None:
    """Seen to fail without the copies: the rehearsal's steps would count."""
    step = step_of(OPTIMIZERS[name])
    weights, random = [*map(torch.clone, step.network.state_dict().values())], torch.get_rng_state()
    runner = graphed(step)
    runner.prepare(blocks()[1:3])
    assert equal(weights, list(step.network.state_dict().values())) and torch.equal(
        random, torch.get_rng_state()
    )
    result = {key: value for state in step.optimizer.state.values() for key, value in state.items()}
    assert all(
        bool((value == (1 if key == "u_product" else 0)).all()) for key, value in result.items()
    )
    assert runner.prepare_seconds > 0


def test_an_optimiser_of_unknown_beginnings_makes_its_first_steps_without() -> None:
    """torch's SGD takes its first gradient as momentum, which a state of zeros would damp."""
    make = lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.5)  # noqa: E731
    given = blocks()
    plain = train(BlockRunner(step_of(make), lambda step: None), given)
    runner = graphed(step_of(make), lambda step: None)
    runner.prepare(given[1:3])
    assert runner.recordings == 0 and not runner.step.optimizer.state
    assert equal(plain, train(runner, given)) and runner.recordings == 2


class Listening(TorchDispatchMode):
    """Keeps the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


READING = (
    "_local_scalar_dense",
    "nonzero",
    "unique",
    "masked_select",
    "lift_fresh",
    "bincount",
    "is_nonzero",
)


def operations(runner: GraphRunner, block: Block, first: int) -> list[str]:
    runner(block, first)
    recording = runner.recording(block)
    with Listening() as heard:
        recording.replay()
    return heard.names


def test_recorded_steps_read_nothing_and_are_always_the_same() -> None:
    """What a graph needs: no value comes to the host, and what is launched does not depend on the
    step.
    """
    runner, given = graphed(step_of()), blocks()
    runner.prepare(given[:1])
    early, late = (operations(runner, given[0], first) for first in (0, 100))
    assert early == late and len(early) > 100
    assert not [name for name in early if any(word in name for word in READING)]


def test_a_step_that_reads_is_noticed() -> None:
    runner, given = graphed(step_of()), blocks()
    runner.prepare(given[:1])
    runner.step.penalty = lambda network: torch.tensor(
        network.Dense_1.dense.weight.detach().abs().max().item()
    )
    names = operations(runner, given[0], 0)
    assert [name for name in names if any(word in name for word in READING)]


@pytest.fixture
def pretended() -> Iterator[FakeTensorMode]:
    """Fake tensors, none of which is kept for later steps."""
    step_weights.cache_clear()
    with FakeTensorMode() as mode:
        yield mode
    step_weights.cache_clear()


def pretend_cuda(network: Network) -> None:
    """Replace the weights by fake ones on a GPU that need not exist."""
    for module in network.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(on_gpu(value)))
        for name, value in list(module.named_buffers(recurse=False)):
            setattr(module, name, on_gpu(value))


def on_gpu(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), device="cuda")


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")  # by copy.deepcopy
@pytest.mark.parametrize("name", [*OPTIMIZERS, "AdamW"])
def test_on_a_pretended_gpu_all_stays_there(name: str, request: pytest.FixtureRequest) -> None:
    """Fake tensors refuse to mix devices and to be read; only the backward pass needs a real
    device.
    """
    make = OPTIMIZERS.get(name, lambda p: torch.optim.AdamW(p, lr=0.1, foreach=True))
    network = step_of().network
    request.getfixturevalue("pretended")  # from here on; the network was real
    pretend_cuda(network)
    step = Step(
        network,
        make(list(network.parameters())),
        Average(network, 0.99),
        0.1,
        clipping=Clipping(0.5),
        images_per_pass=5,
    )
    step.backward = lambda loss: [
        setattr(p, "grad", torch.empty_like(p)) for p in network.parameters()
    ]
    assert make_capturable(step.optimizer)
    block = Block(
        torch.randn(32, 1, 28, 28, device="cuda"),
        torch.zeros(32, dtype=torch.int64, device="cuda"),
        [(8, 8)] * 4,
    )
    runner, watch, sums = graphed(step), FiniteWatch(), Sums()
    watch.start(runner, step.optimizer, HostCopies())
    watch.before(block, 0)
    for _ in range(2):  # without, then recorded
        result = runner(block, 0)
        watch.after(result.losses, 0)
        sums.add(result.sums)
    actual = [*step.average.values, watch.ask(), sums.interval(), result.losses]
    actual += [value for state in step.optimizer.state.values() for value in state.values()]
    assert runner.recordings == 1 and {str(tensor.device) for tensor in actual} == {"cuda:0"}
    with pytest.raises(Exception, match="local_scalar_dense|data-dependent|Data dependent"):
        result.losses[0].item()


def test_a_failed_capture_is_told_once_and_training_goes_on() -> None:
    messages: list[str] = []

    def fails(run: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    runner = GraphRunner(step_of(), RATES.__getitem__, fails, messages.append)
    given = blocks()
    runner.prepare(given[1:3])
    assert equal(train(BlockRunner(step_of(), RATES.__getitem__), given), train(runner, given))
    assert messages == ["operation not permitted"] and runner.recordings == 0


def test_what_cannot_be_captured_is_said() -> None:
    cpu, messages = torch.device("cpu"), []
    assert (
        type(runner_for(step_of(), RATES.__getitem__, "auto", "32-true", messages.append))
        is BlockRunner
        and not messages
    )
    assert (
        type(runner_for(step_of(), RATES.__getitem__, False, "32-true", messages.append))
        is BlockRunner
        and not messages
    )
    with pytest.raises(GraphError, match="cuda_graphs = True.*runs on cpu.*accepted: auto, false"):
        runner_for(step_of(), RATES.__getitem__, True, "32-true", messages.append)
    cuda = torch.device("cuda")
    assert obstacle(cuda, 1, "bf16-mixed") is None
    assert "CUDA" in obstacle(cpu, 1, "32-true") and "2 processes" in obstacle(cuda, 2, "32-true")
    assert "scaler" in obstacle(cuda, 1, "16-mixed")


def test_graphs_do_not_decide_which_run_goes_on() -> None:
    """A run that was cut off with graphs may go on without; other settings do decide."""
    of = [
        configuration_hash({"model": {"seed": 1} | extra})
        for extra in ({}, {"cuda_graphs": True}, {"seed": 2})
    ]
    assert of[0] == of[1] != of[2]
