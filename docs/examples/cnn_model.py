"""cnn: 28 x 28 x 1 images, 10 classes, 208,982 parameters.

Written by lit_mnist 0.1.0; needs torch alone. Use:

    network = load()
    logits = network(preprocess(pixels))
    probabilities = logits.softmax(1)
    probabilities.argmax(1)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOLDER = Path(__file__).parent
SCALING = torch.load(FOLDER / "scaling.pt", weights_only=True)


class Network(nn.Module):
    """Images (N, 1, 28, 28), as `preprocess` scales them, to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2D_1 = nn.Conv2d(1, 32, 3)
        self.Conv2D_2 = nn.Conv2d(32, 64, 3)
        self.Conv2D_3 = nn.Conv2d(64, 128, 3)
        self.Dense_1 = nn.Linear(1152, 100)
        self.Dense_2 = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:  # (N, 1, 28, 28)
        x = F.relu(self.Conv2D_1(x))  # (N, 32, 26, 26)
        x = F.max_pool2d(x, 2)  # Max_Pool_1: (N, 32, 13, 13)
        x = F.relu(self.Conv2D_2(x))  # (N, 64, 11, 11)
        x = F.max_pool2d(x, 2)  # Max_Pool_2: (N, 64, 5, 5)
        x = F.relu(self.Conv2D_3(x))  # (N, 128, 3, 3)
        # Flattened channels first, unlike Keras; the next kernel is stored to match
        x = x.flatten(1)  # Flatten: (N, 1152)
        x = F.relu(self.Dense_1(x))  # (N, 100)
        return self.Dense_2(x)  # (N, 10)


def preprocess(pixels: Tensor) -> Tensor:
    """Scale pixels as in training: (N, 28, 28), 0 to 255, to (N, 1, 28, 28)."""
    x = (pixels.double() - SCALING["mean"]) / SCALING["scale"]
    return x.float().unsqueeze(1)


def load(weights: str | Path = FOLDER / "model.pt") -> Network:
    """Return the trained network, ready to predict."""
    network = Network()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network.eval()
