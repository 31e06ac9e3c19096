"""The rows of an ascent: one image each, with a target and a number among its target's restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import need_whole
from .inputs import generator


@dataclass(frozen=True)
class Rows:
    """The target (map, unit or class) and the restart of each row of an ascent, both (N,)."""

    targets: np.ndarray
    restarts: np.ndarray
    seed: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: np.ndarray | slice) -> Rows:
        return Rows(self.targets[index], self.restarts[index], self.seed)

    def chances(self, purpose: int, *keys: int) -> list[np.random.Generator]:
        """Return the random number generator of each row for `purpose`."""
        return [
            generator(self.seed, purpose, int(t), int(r), *keys)
            for t, r in zip(self.targets, self.restarts, strict=True)
        ]


def rows_for(targets: Sequence[int], restarts: int, seed: int = 0) -> Rows:
    """Return `restarts` adjacent rows for every target."""
    need_whole("restarts", restarts)
    need_whole("seed", seed, 0)
    return Rows(
        np.repeat(np.asarray(targets, np.int64), restarts),
        np.tile(np.arange(restarts), len(targets)),
        seed,
    )
