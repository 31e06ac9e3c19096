"""Blocks of steps from fixed places: the same bits as ordinary steps, nothing read from the device, loud fallbacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lit_mnist.checkpoint_files import read_checkpoint
from lit_mnist.data.module import Block
from lit_mnist.errors import UserError
from lit_mnist.network import Network
from lit_mnist.resume import configuration_hash
from lit_mnist.spec import NetworkSpec
from lit_mnist.training import optimizers, schedules
from lit_mnist.training.arrivals import Arrivals
from lit_mnist.training.averaging import Average
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.graphs import Blocks, GraphedBlocks, GraphError, blocks_for, obstacle
from lit_mnist.training.steps import Step, learning_rates

Run = Callable[..., tuple[int, str, str]]
LAYERS = [
    {"type": "conv", "name": "Conv2D_1", "filters": 6, "kernel": 5, "stride": 2, "activation": "relu"},
    {"type": "pool", "name": "Max_Pool_1"},
    {"type": "batch_norm", "name": "Norm_1"},
    {"type": "dropout", "name": "Dropout_1", "rate": 0.3},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax", "l1": 1e-4, "l2": 0.001},
]
OPTIMIZERS: dict[str, Callable] = {
    "RMSprop": lambda p: optimizers.RMSprop(p, momentum=0.8, weight_decay=0.01),
    "SGD": lambda p: optimizers.SGD(p, momentum=0.9, nesterov=True),
    "Adam": optimizers.Adam, "Nadam": optimizers.Nadam, "Adamax": optimizers.Adamax,
}
RATES = learning_rates(schedules.OneCycle(0.01), 200)
HAS_CUDA = torch.cuda.is_available()
needs_cuda = pytest.mark.skipif(not HAS_CUDA, reason="needs a CUDA device: benchmarks/gpu.sh runs this where one is")


def again(run: Callable[[], None]) -> Callable[[], None]:
    """In a graph's place: recording executes nothing, a replay makes the steps from the fixed places."""
    return run


def step_of(make: Callable = OPTIMIZERS["RMSprop"], dtype: torch.dtype = torch.float32) -> Step:
    network = Network(NetworkSpec.from_dict({"layers": LAYERS}), 1).to(dtype, memory_format=torch.channels_last)
    return Step(network, make(list(network.parameters())), Average(network, 0.99), label_smoothing=0.1)


def blocks(dtype: torch.dtype = torch.float32, count: int = 6) -> list[Block]:
    """Two epochs of blocks of 4 steps at batch 8, the last of each of 2 steps and uneven."""
    draw = torch.Generator().manual_seed(5)
    sizes = ([(8, 8)] * 4, [(8, 8)] * 4, [(8, 8), (3, 3)])
    return [Block(torch.randn(sum(n for n, _ in size), 1, 28, 28, generator=draw, dtype=dtype),
                  torch.randint(10, (sum(n for n, _ in size),), generator=draw), list(size))
            for size in (sizes * 2)[:count]]


def graphed(step: Step, rate: Callable = RATES.__getitem__, capture: Callable = again) -> GraphedBlocks:
    def no_reason(why: str) -> None:
        raise AssertionError(f"gave up: {why}")

    return GraphedBlocks(step, rate, capture, no_reason)


def train(runner: Blocks, given: list[Block]) -> list[Tensor]:
    """Run the blocks; return all that came of it."""
    torch.manual_seed(3)
    found, first = [], 0
    for block in given:
        result = runner(block, first)
        found += [result.losses.clone(), result.sums.clone()]
        first += len(block)
    return found + state_of(runner.step) + [torch.get_rng_state()]


def state_of(step: Step) -> list[Tensor]:
    slots = [value for state in step.optimizer.state.values() for _, value in sorted(state.items())]
    return [tensor.clone() for tensor in (*step.network.state_dict().values(), *step.average.values, *slots)]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_from_fixed_places_give_the_same_bits(name: str, dtype: torch.dtype) -> None:
    """With dropout, batch normalisation, L1, L2, weight decay, label smoothing and an average of the weights."""
    given = blocks(dtype)
    plain = train(Blocks(step_of(OPTIMIZERS[name], dtype), RATES.__getitem__), given)
    runner = graphed(step_of(OPTIMIZERS[name], dtype))
    runner.prepare(given[1:3])
    assert runner.recordings == 2
    assert equal(plain, train(runner, given))
    late = graphed(step_of(OPTIMIZERS[name], dtype))  # without preparation: from a form's second block on
    assert equal(plain, train(late, given)) and late.recordings == 2


def test_the_optimisers_own_rate_may_stand_in_the_graph() -> None:
    given = blocks()
    plain = train(Blocks(step_of(), lambda step: None), given)
    runner = graphed(step_of(), lambda step: None)
    assert equal(plain, train(runner, given)) and runner.recordings == 2
    for group in runner.step.optimizer.param_groups:
        group["lr"] = 0.5  # a constant of the recording has changed: it must not be replayed
    before = runner.step.network.Dense_1.dense.weight.clone()
    runner(given[0], 20), runner(given[0], 24)
    assert runner.recordings == 3 and (runner.step.network.Dense_1.dense.weight - before).abs().max() > 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_preparing_leaves_everything_as_it_was(name: str) -> None:
    """Seen to fail without the copies: the rehearsal's steps would count."""
    step = step_of(OPTIMIZERS[name])
    weights, random = [*map(torch.clone, step.network.state_dict().values())], torch.get_rng_state()
    runner = graphed(step)
    runner.prepare(blocks()[1:3])
    assert equal(weights, list(step.network.state_dict().values())) and torch.equal(random, torch.get_rng_state())
    found = {key: value for state in step.optimizer.state.values() for key, value in state.items()}
    assert all(bool((value == (1 if key == "u_product" else 0)).all()) for key, value in found.items())
    assert runner.prepare_seconds > 0


def test_an_optimiser_of_unknown_beginnings_makes_its_first_steps_without() -> None:
    """torch's SGD takes its first gradient as momentum, which a state of zeros would damp."""
    make = lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.5)  # noqa: E731
    given = blocks()
    plain = train(Blocks(step_of(make), lambda step: None), given)
    runner = graphed(step_of(make), lambda step: None)
    runner.prepare(given[1:3])
    assert runner.recordings == 0 and not runner.step.optimizer.state
    assert equal(plain, train(runner, given)) and runner.recordings == 2


class Listening(TorchDispatchMode):
    """Keeps the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


READING = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "lift_fresh", "bincount", "is_nonzero")


def operations(runner: GraphedBlocks, block: Block, first: int) -> list[str]:
    runner(block, first)
    recording = runner._recording(block)
    with Listening() as heard:
        recording.replay()
    return heard.names


def test_recorded_steps_read_nothing_and_are_always_the_same() -> None:
    """What a graph needs: no value comes to the host, and what is launched does not depend on the step."""
    runner, given = graphed(step_of()), blocks()
    runner.prepare(given[:1])
    early, late = (operations(runner, given[0], first) for first in (0, 100))
    assert early == late and len(early) > 100
    assert not [name for name in early if any(word in name for word in READING)]


def test_a_step_that_reads_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, given = graphed(step_of()), blocks()
    runner.prepare(given[:1])
    monkeypatch.setattr("lit_mnist.training.steps.penalty", lambda network: torch.tensor(
        network.Dense_1.dense.weight.detach().abs().max().item()))
    names = operations(runner, given[0], 0)
    assert [name for name in names if any(word in name for word in READING)]


def test_a_failed_capture_is_told_once_and_training_goes_on() -> None:
    told: list[str] = []

    def fails(run: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    runner = GraphedBlocks(step_of(), RATES.__getitem__, fails, told.append)
    given = blocks()
    runner.prepare(given[1:3])
    assert equal(train(Blocks(step_of(), RATES.__getitem__), given), train(runner, given))
    assert told == ["operation not permitted"] and runner.recordings == 0


def test_what_cannot_be_captured_is_said() -> None:
    cpu, told = torch.device("cpu"), []
    assert type(blocks_for(step_of(), RATES.__getitem__, "auto", "32-true", told.append)) is Blocks and not told
    assert type(blocks_for(step_of(), RATES.__getitem__, False, "32-true", told.append)) is Blocks and not told
    with pytest.raises(GraphError, match="cuda_graphs = True.*runs on cpu.*accepted: auto, false"):
        blocks_for(step_of(), RATES.__getitem__, True, "32-true", told.append)
    cuda = torch.device("cuda")
    assert obstacle(cuda, 1, "bf16-mixed") is None
    assert "CUDA" in obstacle(cpu, 1, "32-true") and "2 processes" in obstacle(cuda, 2, "32-true")
    assert "scaler" in obstacle(cuda, 1, "16-mixed")


def test_graphs_on_a_cpu_are_refused_before_anything_is_written(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli("fit", "--config", tmp_path / "tiny.yaml", "--runs_dir", tmp_path / "runs",
                           "--model.cuda_graphs", "true", "--trainer.accelerator", "cpu")
    assert code == 2 and "model.cuda_graphs" in err and "auto, false" in err, err
    assert not (tmp_path / "runs").exists()


def test_graphs_do_not_decide_which_run_goes_on() -> None:
    """A run that was cut off with graphs may go on without; other settings do decide."""
    of = [configuration_hash({"model": {"seed": 1} | extra}) for extra in ({}, {"cuda_graphs": True}, {"seed": 2})]
    assert of[0] == of[1] != of[2]


# ---- figures on their way

class Later:
    """An event that happens when told."""

    happened = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.happened = True


def test_figures_are_handed_on_when_they_have_come_and_in_order() -> None:
    events, got = [Later(), Later()], []
    pending = iter(events)
    arrivals = Arrivals(lambda values: (values.clone(), next(pending)))
    for number in range(2):
        arrivals.send(torch.tensor(number), lambda values: got.append(int(values)))
    arrivals.hand_on()
    assert got == []
    events[1].happened = True
    arrivals.hand_on()
    assert got == []  # the first has not come yet
    events[0].happened = True
    arrivals.hand_on()
    assert got == [0, 1]


def test_waiting_hands_on_all() -> None:
    got: list[int] = []
    arrivals = Arrivals(lambda values: (values, Later()))
    arrivals.send(torch.tensor(7), lambda values: got.append(int(values)))
    arrivals.hand_on(wait=True)
    assert got == [7]


def test_what_is_on_the_host_is_handed_on_at_once() -> None:
    got: list[int] = []
    Arrivals().send(torch.tensor(7), lambda values: got.append(int(values)))
    assert got == [7]


# ---- whole runs

CONFIG = yaml.safe_dump({
    "seed_everything": 3, "trainer": {"max_epochs": 2, "log_every_n_steps": 10},
    "model": {"network": {"layers": [layer for layer in LAYERS if layer["type"] != "batch_norm"]},
              "optimizer": {"class_path": "lit_mnist.training.optimizers.Adam"},
              "schedule": {"class_path": "lit_mnist.training.schedules.OneCycle", "init_args": {"max_lr": 0.01}},
              "average_decay": 0.99},
    "data": {"dataset": "digits", "batch_size": 64, "standardize": "unit", "augment": {"rotation": 5}}})


def fit(run_cli: Run, folder: Path, *options: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    code, _, err = run_cli("fit", "--config", folder / "tiny.yaml", "--runs_dir", folder, *options)
    assert code == 0, err
    return folder / "tiny/version_0"


def assert_equal_runs(first: Path, second: Path) -> None:
    states = [read_checkpoint(run / "checkpoints/last.ckpt") for run in (first, second)]
    assert states[0]["global_step"] == states[1]["global_step"]
    for key in ("state_dict", "trained_state", "training", "optimizer_states", "loops"):
        assert_same(states[0].get(key), states[1].get(key), key)
    assert (first / "metrics.csv").read_text() == (second / "metrics.csv").read_text()


def assert_same(first: object, second: object, where: str) -> None:
    if isinstance(first, Tensor):
        assert torch.equal(first.cpu(), second.cpu()), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{where}.{number}")
    else:
        assert first == second, where


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[GraphedBlocks]:
    """Has the program replay blocks on the CPU, by the stand-in; what it made."""
    runners: list[GraphedBlocks] = []

    def replaying(step: Step, rate: Callable, *_: object) -> GraphedBlocks:
        runners.append(graphed(step, rate))
        return runners[-1]

    monkeypatch.setattr("lit_mnist.training.classifier.blocks_for", replaying)
    return runners


def fit_in_two(run_cli: Run, folder: Path, *options: object) -> Path:
    """The run that `fit` makes, cut off after its first block and gone on with by the same command."""
    step = LitClassifier.training_step

    def cut_off(self: LitClassifier, *arguments: object) -> None:
        if self.global_step:
            raise UserError("cut off")
        step(self, *arguments)

    options = (*options, "--checkpoint_every_steps", 1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError, match="cut off"):
        patch.setattr(LitClassifier, "training_step", cut_off)
        patch.setattr("lit_mnist.training.callbacks.Lock", lambda run: None)  # this process lives on and would hold it
        fit(run_cli, folder, *options)
    return fit(run_cli, folder, *options)


def test_a_run_by_replays_is_the_same_run(run_cli: Run, tmp_path: Path, made: list[GraphedBlocks]) -> None:
    """Steps, rates, logs, checkpoints: bit for bit, on the CPU with a stand-in for the graph."""
    replayed = fit(run_cli, tmp_path / "replayed")
    assert made[0].recordings == 2  # 21 steps an epoch: blocks of 10, 10 and 1
    in_two = fit_in_two(run_cli, tmp_path / "in_two")
    assert len(made) == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lit_mnist.training.classifier.blocks_for", blocks_for)
        plain = fit(run_cli, tmp_path / "plain")
    assert_equal_runs(plain, replayed)
    assert_equal_runs(plain, in_two)


@needs_cuda
@pytest.mark.parametrize("options", [
    [], ["--trainer.precision", "bf16-mixed"],
    ["--model.optimizer", "torch.optim.AdamW", "--model.weight_decay", "0.01"]], ids=["float32", "bfloat16", "AdamW"])
def test_a_graph_run_equals_an_eager_run(run_cli: Run, tmp_path: Path, options: list[str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """The same launches, so the same bits, once cuDNN is told to take algorithms that repeat themselves."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    runs = [fit(run_cli, tmp_path / graphs, "--trainer.accelerator", "cuda", "--model.cuda_graphs", graphs, *options)
            for graphs in ("true", "false")]
    assert_equal_runs(*runs)


@needs_cuda
def test_a_graph_run_that_was_cut_off_goes_on_with_the_same_bits(run_cli: Run, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    cuda = ["--trainer.accelerator", "cuda", "--model.cuda_graphs", "true"]
    assert_equal_runs(fit(run_cli, tmp_path / "whole", *cuda), fit_in_two(run_cli, tmp_path / "in_two", *cuda))


@needs_cuda
def test_the_training_loop_never_waits_for_the_gpu(run_cli: Run, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first and the last of 36 blocks nothing synchronises, with graphs and without.

    Logs every 10 steps and the look for NaN every 250 are among them.
    """
    from lit_mnist.training.callbacks import Clock

    def strict(self: Clock, trainer: object, *_: object) -> None:
        torch.cuda.set_sync_debug_mode("error" if 0 < trainer.fit_loop.epoch_loop.batch_idx < 34 else "default")

    monkeypatch.setattr(Clock, "on_train_batch_start", strict, raising=False)
    try:
        for graphs in ("true", "false"):
            fit(run_cli, tmp_path / graphs, "--trainer.accelerator", "cuda", "--model.cuda_graphs", graphs,
                "--data.batch_size", "4")
    finally:
        torch.cuda.set_sync_debug_mode("default")
