"""branches: 28 x 28 x 1 images, 10 classes, 57,410 parameters.

Written by lit_mnist 0.1.0; needs torch alone. Use:

    network = load()
    logits = network(preprocess(pixels))
    probabilities = logits.softmax(1)
    probabilities.argmax(1)
"""

from __future__ import annotations

from functools import partial
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
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        self.Small = nn.Conv2d(1, 16, 3, padding=1)
        self.Large = nn.Conv2d(1, 16, 5, padding=2)
        self.First = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.First_norm = norm(32)
        self.Second = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.Second_norm = norm(32)
        self.Reduce = nn.Linear(32, 8)
        self.Excite = nn.Linear(8, 32)
        self.Strided = nn.Conv2d(32, 48, 3, stride=2)
        self.Strided_norm = norm(48)
        self.Classes = nn.Linear(2352, 10)

    def forward(self, images: Tensor) -> Tensor:  # (N, 1, 28, 28)
        small = F.relu(self.Small(images))  # (N, 16, 28, 28)
        x = F.relu(self.Large(images))  # (N, 16, 28, 28)
        x = torch.cat([small, x], 1)  # Both: (N, 32, 28, 28)
        # Keras' 'same' pooling: the last windows reach past the image
        halved = F.max_pool2d(x, 3, 2, ceil_mode=True)  # Halved: (N, 32, 14, 14)
        x = F.relu(self.First_norm(self.First(halved)))  # (N, 32, 14, 14)
        x = self.Second_norm(self.Second(x))  # (N, 32, 14, 14)
        x = x + halved  # Residual: (N, 32, 14, 14)
        block = F.relu(x)  # Block: (N, 32, 14, 14)
        x = block.mean((2, 3))  # Squeeze: (N, 32)
        x = F.relu(self.Reduce(x))  # (N, 8)
        x = torch.sigmoid(self.Excite(x))  # (N, 32)
        x = block * x[:, :, None, None]  # Scaled: (N, 32, 14, 14)
        # Keras' 'same' padding: the odd row or column comes after the image
        x = F.pad(x, (0, 1, 0, 1))
        x = self.Strided_norm(F.relu(self.Strided(x)))  # (N, 48, 7, 7)
        # Flattened as Keras does, rows first and channels last
        x = x.permute(0, 2, 3, 1).flatten(1)  # Flatten: (N, 2352)
        x = F.dropout(x, 0.4, self.training)  # Dropout: (N, 2352)
        return self.Classes(x)  # (N, 10)


def preprocess(pixels: Tensor) -> Tensor:
    """Scale pixels as in training: (N, 28, 28), 0 to 255, to (N, 1, 28, 28)."""
    x = (pixels.double() - SCALING["mean"]) / SCALING["scale"]
    return x.float().unsqueeze(1)


def load(weights: str | Path = FOLDER / "model.pt") -> Network:
    """Return the trained network, ready to predict."""
    network = Network()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network.eval()
