"""The rows of an ascent: one image each, with a target and a number among its target's restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..inside.passes import gradient_batch_size
from ..spec import NetworkSpec
from .checks import MaximizeError, need_whole
from .inputs import generator

# Number of rows whose gradients are computed together on a CPU, whatever the number of rows, so
# that results do not depend on it. 32 rows take a sixth less time a row than 16, but ten classes or
# a few silent maps almost twice as much.
CHUNK = 16
# the same for objectives that couple the restarts of a target, which must be in one chunk
COUPLED = 64


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

    def generators(self, purpose: int, *keys: int) -> list[np.random.Generator]:
        """Return the random number generator of each row for `purpose`."""
        return [
            generator(self.seed, purpose, int(t), int(r), *keys)
            for t, r in zip(self.targets, self.restarts, strict=True)
        ]


def chunk_rows(spec: NetworkSpec) -> int:
    """Return the number of rows whose gradients are computed together on a CPU: 16, or as many as
    fit into half a GiB, a power of two.
    """
    return _fitting(spec, CHUNK)


def most_rows(spec: NetworkSpec) -> int:
    """Return the number of rows whose gradients fit into half a GiB: up to 64, a power of two."""
    return _fitting(spec, COUPLED)


def _fitting(spec: NetworkSpec, most: int) -> int:
    return 2 ** (gradient_batch_size(spec, most).bit_length() - 1)


def coupled_rows(spec: NetworkSpec, rows: Rows) -> int:
    """Return the number of rows in a chunk that holds all restarts of a target: 64, of large
    networks as few as hold them.

    Raises MaximizeError for more than 64 restarts.
    """
    restarts = int(np.unique(rows.targets, return_counts=True)[1].max())
    if restarts > COUPLED:
        raise MaximizeError(
            f"restarts = {restarts} cannot work with an objective that couples restarts; accepted: "
            f"up to {COUPLED}"
        )
    together = most_rows(spec)
    return together * -(-restarts // together)


def rows_for(targets: Sequence[int], restarts: int, seed: int = 0) -> Rows:
    """Return `restarts` adjacent rows for every target."""
    need_whole("restarts", restarts)
    need_whole("seed", seed, 0)
    return Rows(
        np.repeat(np.asarray(targets, np.int64), restarts),
        np.tile(np.arange(restarts), len(targets)),
        seed,
    )
