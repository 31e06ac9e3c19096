"""Many seeds of `cnn_fast.yaml` (--rounds is their number): accuracy and training seconds."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, median, stdev

from .measure import Report, Timing
from .recipes import fit

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn_fast.yaml"


def run(rounds: int, quick: bool, device: str) -> Report:
    """Train with seeds 1 to `rounds` in one process; one run before does not count."""
    options = ["--data.dataset", "digits"] if quick else []
    fit(_CONFIG, device, *options, "--seed_everything", "0")
    runs = [
        fit(_CONFIG, device, *options, "--seed_everything", str(seed))
        for seed in range(1, rounds + 1)
    ]
    accuracies = [run["test/acc"] for run in runs]
    row = {
        "n": len(runs),
        "data": runs[0]["dataset"],
        "mean test accuracy": f"{100 * mean(accuracies):.3f} %",
        "sd": f"{100 * stdev(accuracies):.3f}" if len(runs) > 1 else "-",
        "smallest": f"{100 * min(accuracies):.2f} %",
    }
    for key, name in (
        ("train_seconds", "training"),
        ("prepare_seconds", "capture"),
        ("fit_seconds", "all of fit"),
    ):
        row[name] = Timing(tuple(run[key] for run in runs))
    row["mean training"] = mean(row["training"].seconds)
    row["9 in 10 within"] = f"{sorted(row['training'].seconds)[int(0.9 * (len(runs) - 1))]:.3f} s"
    notes = (
        f"configs/cnn_fast.yaml, seeds 1 to {len(runs)}, each a whole `fit` (logs, checkpoints, "
        f"test), one after another in one process on {device}; training: seconds within epochs "
        "until the device is done, captures of graphs apart, median "
        f"{median(row['training'].seconds):.3f} s."
    )
    return Report("Many seeds", [row], notes, 1)
