"""Gradients of shares of a batch, added up by several processes; run by `tests.forked`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.distributed as dist

from lit_mnist.data import load_dataset
from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.training.gradients import reduce_gradients
from lit_mnist.training.losses import data_loss, penalty
from lit_mnist.training.optimizers import RMSprop

CONFIG = Path(__file__).parents[2] / "configs" / "cnn.yaml"


def main(rank: int, world: int, folder: str) -> None:
    """Along the steps of one process, gradients of shares of 65 images added up, against those of
    all 65.

    Errors are Euclidean, relative to the parameter's gradient. Of single elements they reach 4e-6
    of the largest, but so does one process's own distance from float64; the sum of shares is
    nearer.
    """
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world
    )
    network = Network(spec_of_config(CONFIG), seed=1)
    optimizer, errors = RMSprop(network.parameters(), momentum=0.8), []
    data = load_dataset("digits")
    pixels, labels = (
        torch.from_numpy(data.train_images)[:, None].float(),
        torch.from_numpy(data.train_labels),
    )
    pixels = (pixels - pixels.mean()) / pixels.std()
    for start in range(0, 20 * 65, 65):
        images, expected = pixels[start : start + 65], labels[start : start + 65]
        gradients = []
        for part, processes in ((slice(rank, None, world), world), (slice(None), 1)):
            optimizer.zero_grad()
            logits = network.training_logits(images[part])
            (
                data_loss(network, logits, expected[part], 0.0, 65) + penalty(network) / processes
            ).backward()
            if processes > 1:
                reduce_gradients(network)
            gradients.append([p.grad.clone() for p in network.parameters()])
        errors += [float((a - b).norm() / b.norm()) for a, b in zip(*gradients, strict=True)]
        optimizer.step()
    Path(folder, f"{rank}.json").write_text(json.dumps(errors))
    dist.destroy_process_group()
