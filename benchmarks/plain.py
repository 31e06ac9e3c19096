"""Against default Lightning: `cnn_source.yaml` by this program, and as a plain LightningModule."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
import warnings
from pathlib import Path

import lightning as L
import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lit_mnist.__main__ import main
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.errors import UserError

from .measure import Report, Timing, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn_source.yaml"
_BATCH = 64


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time epochs of training: ours, ours without CUDA graphs, default Lightning."""
    options = json.loads(json.dumps(yaml.safe_load(_CONFIG.read_text())["data"])) | {
        "download": False
    }
    options |= {"dataset": "digits"} if quick else {"fallback": "digits"}
    part = MNISTDataModule(**options).prepared.train
    epochs = 2 if quick or device == "cpu" else 5
    seconds: dict[str, list[float]] = {}

    def take(name: str, elapsed: float) -> None:
        seconds.setdefault(name, []).append(elapsed / epochs)

    cases = {
        "ours": lambda: take("ours", ours(device, epochs, options["dataset"])),
        "default Lightning": lambda: take(
            "default Lightning", plain(device, epochs, part.images, part.labels)
        ),
    }
    if device == "cuda":
        cases["ours, no graphs"] = lambda: take(
            "ours, no graphs",
            ours(device, epochs, options["dataset"], "--model.cuda_graphs", "false"),
        )
    interleaved(cases, rounds)
    timings = {name: Timing(tuple(values[1:])) for name, values in seconds.items()}
    times = ratios(timings, "ours")
    rows = [
        {
            "case": name,
            "an epoch": timing,
            "images/s": len(part) / timing.median,
            "over ours": times[name],
        }
        for name, timing in timings.items()
    ]
    return Report(
        "Beside default Lightning",
        rows,
        f"configs/cnn_source.yaml, {len(part):,} images at batch {_BATCH}, {epochs} epochs a "
        f"round, training alone (validation left out), on {device}; default Lightning: automatic "
        "optimisation, a DataLoader over tensors in memory, the loss logged in every step, "
        "torch.optim.RMSprop, a scheduler by step, logger and progress bar as they come.",
        rounds,
    )


def ours(device: str, epochs: int, dataset: str, *options: str) -> float:
    """Return the seconds of training alone that ``fit`` reports."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            code = main(
                [
                    "fit",
                    "--config",
                    str(_CONFIG),
                    "--runs_dir",
                    folder,
                    "--trainer.max_epochs",
                    str(epochs),
                    "--trainer.accelerator",
                    device,
                    "--data.download",
                    "false",
                    "--data.fallback",
                    "digits",
                    "--data.dataset",
                    dataset,
                    *options,
                ]
            )
        if code:
            raise UserError(
                f"fit --config {_CONFIG} ended with exit code {code}: {quiet.getvalue()}"
            )
        return json.loads(next(Path(folder).glob("*/*/summary.json")).read_text())["train_seconds"]


class Plain(L.LightningModule):
    """The source's network and recipe, written as in Lightning's examples; times its epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1152, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )
        self.seconds = 0.0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss with its L2 penalty."""
        images, labels = batch
        loss = nn.functional.cross_entropy(self.network(images), labels)
        loss = loss + 0.001 * sum(self.network[i].weight.square().sum() for i in (9, 11))
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> dict:
        """RMSprop with inverse-time decay by step."""
        optimizer = torch.optim.RMSprop(
            self.parameters(), lr=0.001, alpha=0.9, eps=1e-7, momentum=0.8
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 1 / (1 + 0.001 * step)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        """Stop the clock when the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self._start


def plain(device: str, epochs: int, images, labels) -> float:  # noqa: ANN001 - arrays
    """Return the seconds that default Lightning trains for."""
    data = TensorDataset(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels))
    module = Plain()
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            max_epochs=epochs, accelerator=device, devices=1, default_root_dir=folder
        )
        trainer.fit(module, DataLoader(data, batch_size=_BATCH, shuffle=True))
    return module.seconds
