"""The benchmark of a step's levers runs: every lever can be undone, here and in a process."""

from __future__ import annotations

import pytest

from benchmarks import levers


@pytest.mark.slow
def test_every_lever_is_timed() -> None:
    rows = levers.run(rounds=1, quick=True, device="cpu").rows
    assert len(rows) == 5
    assert all(row["ms a step"] > 0 for row in rows)
