"""The end of a run: testing once, the summary, and what ``test`` and ``predict`` return."""

from __future__ import annotations

import time
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from ..data import Prepared
from ..data.module import MNISTDataModule
from ..data.record import data_record
from ..environment import hardware, versions
from ..files import write_json
from ..outcome import Outcome
from ..runs.checkpoint import LAST
from ..runs.model import Model
from ..spec import NetworkSpec
from .callbacks import run_folder
from .checkpoints import KeepBest
from .classifier import LitClassifier
from .history import Clock, EpochHistory
from .lightning_internals import attributes
from .reports import say


def warn_of_data(prepared: Prepared, spec: NetworkSpec) -> None:
    """Warn of changes to the images, and of a data set or scaling that may not be expected."""
    dataset = prepared.dataset
    kind = prepared.standardizer.kind
    for remark in (dataset.note, dataset.adapted):
        if remark:
            say(f"WARNING: {remark}")
    if spec.rescaling is not None and kind != "none":
        say(
            f"WARNING: the network scales its pixels itself (layer {spec.rescaling!r}), and "
            f"data.standardize {kind} "
            "scales them before it; --data.standardize none leaves it to the network"
        )


def _warn_of_replacement(data: MNISTDataModule) -> None:
    """Warn at the end, too, of a data set that replaced the one that was asked for."""
    dataset = data.prepared.dataset
    if dataset.name != data.options.dataset:
        say(f"WARNING: {dataset.note}")


def finish_fit(
    trainer: L.Trainer,
    model: LitClassifier,
    data: MNISTDataModule,
    started: float,
    fit_seconds: float,
    test: bool = True,
) -> Outcome:
    """Test the run's weights once, write ``summary.json`` and return it.

    Without `test`, no test image is used.
    """
    if trainer.interrupted or attributes(trainer).fast_dev_run:
        return Outcome(
            {"interrupted": trainer.interrupted, "steps": trainer.global_step}, "no test was made"
        )
    folder = run_folder(trainer)
    weights, path = _chosen(trainer, model, data, folder)
    training = _training_metrics(
        trainer, model, data
    )  # first: loading a checkpoint sets callbacks back to its epoch
    tested = _tested(trainer, model, data, path) if test else {}
    summary = (
        tested
        | training
        | {
            "weights": weights,
            "checkpoint": Path(path).name if path else None,
            "fit_seconds": fit_seconds,
            "wall_seconds": time.perf_counter() - started,
        }
    )
    if trainer.is_global_zero and folder:
        write_json(Path(folder) / "summary.json", summary)
        _log_hyperparameters(trainer, model, data, summary)
    _warn_of_replacement(data)
    summary["run"] = str(folder) if folder else None  # not in the file: the folder may be moved
    return Outcome(summary, _text(summary))


def _chosen(
    trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule, folder: Path | None
) -> tuple[str, str | None]:
    """Return which weights are reported, and their checkpoint: the best, else the last."""
    averaged = "averaged, " if model.average is not None else ""
    best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, KeepBest)), None)
    score = None if best is None else best.best_model_score
    if data.options.validate_on == "validation" and best and best.best_model_path:
        accuracy = float("nan") if score is None else float(score)
        return f"{averaged}best validation accuracy ({accuracy:.4f})", best.best_model_path
    last = folder / "checkpoints" / LAST if folder else None
    return f"{averaged}last epoch", str(last) if last and last.is_file() else None


def _training_metrics(
    trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule
) -> dict[str, Any]:
    history = next(c.history for c in attributes(trainer).callbacks if isinstance(c, EpochHistory))
    clock = next(c for c in attributes(trainer).callbacks if isinstance(c, Clock))
    validated = [
        pair for pair in zip(history.val_acc, history.epochs, strict=False) if pair[0] is not None
    ]
    best = max(validated, key=itemgetter(0), default=(None, None))  # the first of equals
    return {
        "val/acc": validated[-1][0] if validated else None,
        "val/acc_best": best[0],
        "val/acc_best_epoch": best[1],
        "validated_on": data.options.validate_on,
        "train/acc": history.train_acc[-1],
        "train/loss": history.train_loss[-1],
        "parameters": model.spec.parameters,
        **data_record(data.prepared, data.options, data.features),
        "seed": model.seed,
        "epochs": len(history.epochs),
        "steps": trainer.fit_loop.epoch_loop.global_step,
        "precision": str(trainer.precision),
        "images_per_second": clock.images / clock.seconds if clock.seconds else None,
        "train_seconds": clock.seconds,
        "epoch_seconds": clock.epoch_seconds,
        "sessions": clock.sessions,
        "prepare_seconds": model.runner.prepare_seconds if model.runner else 0.0,
        "history": {key: list(values) for key, values in vars(history).items()},
        "versions": versions(),
        "hardware": hardware(),
    }


def _tested(
    trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule, path: str | None
) -> dict[str, Any]:
    trainer.test(model, data, ckpt_path=path, verbose=False, weights_only=True)
    return _test_metrics(trainer, model, data)


def _test_metrics(
    trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule
) -> dict[str, Any]:
    metrics = {
        key: float(value)
        for key, value in trainer.callback_metrics.items()
        if key.startswith("test/")
    }
    matrix = model.confusion.tolist()
    correct = sum(matrix[i][i] for i in range(len(matrix)))
    images = sum(map(sum, matrix))
    return {
        "test/acc": correct / images,
        "test/correct": correct,
        "images": images,
        "test/loss": metrics["test/loss"],
        "test/acc_per_class": [
            row[i] / sum(row) if sum(row) else None for i, row in enumerate(matrix)
        ],
        "confusion_matrix": matrix,
    }


def _text(summary: dict[str, Any]) -> str:
    where = f"\nrun folder: {summary['run']}" if summary["run"] else ""
    if "test/acc" not in summary:
        return (
            f"not tested; training accuracy {100 * summary['train/acc']:.2f} %, loss "
            f"{summary['train/loss']:.4f} after {summary['epochs']} epochs{where}"
        )
    return (
        f"test accuracy {100 * summary['test/acc']:.2f} % ({summary['test/correct']} of "
        f"{summary['images']} {summary['dataset']} images), loss {summary['test/loss']:.4f}; "
        f"weights: {summary['weights']}{where}"
    )


def _log_hyperparameters(
    trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule, summary: dict
) -> None:
    """Put the settings beside the metrics that they led to, for TensorBoard's HPARAMS page."""
    settings = {
        **_optimizer_settings(trainer.optimizers[0]),
        "learning_rate": model.rates.first,
        "schedule": model.rates.name,
        "l2": _largest_l2(model.spec),
        "batch_size": data.batch_size,
        "weight_decay": model.weight_decay,
        "label_smoothing": model.label_smoothing,
        "standardize": data.options.standardize,
        "split": data.options.split,
        "parameters": model.spec.parameters,
        "seed": model.seed,
        "epochs": summary["epochs"],
    }
    metrics = {
        f"hp/{key.replace('/', '_')}": summary[key]
        for key in ("test/acc", "test/loss")
        if key in summary
    }
    if not metrics and summary["val/acc"] is not None:
        metrics = {"hp/val_acc": summary["val/acc"]}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(settings, metrics)
            logger.save()


def _optimizer_settings(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return name and momentum; for Adam's family its decay beta_1."""
    group = optimizer.param_groups[0]
    beta_1 = group.get("beta_1", group.get("betas", (0.0,))[0])
    momentum = group.get("momentum", beta_1)
    return {"optimizer": type(optimizer).__name__, "momentum": float(momentum)}


def _largest_l2(spec: NetworkSpec) -> float:
    """Return the L2 factor of the most strongly regularised layer, 0 where there is none."""
    return max((float(getattr(layer, "l2", 0.0)) for layer in spec.layers), default=0.0)


def evaluate_run(
    command: str, trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule, opened: Model
) -> Outcome:
    """Run ``validate`` or ``test`` and return its metrics."""
    if command == "validate":
        if data.options.validate_on == "none":
            raise_without_validation(opened)
        metrics = trainer.validate(model, data, verbose=False)[0]
        result = {key: float(value) for key, value in metrics.items()} | {
            "images": int(model.confusion.sum())
        }
    else:
        trainer.test(model, data, verbose=False)
        result = _test_metrics(trainer, model, data)
    dataset = data.prepared.dataset
    result |= {
        "dataset": dataset.name,
        "note": dataset.note,
        "adapted": dataset.adapted,
        "trained_on": opened.dataset,
        "standardize": data.prepared.standardizer.kind,
        "parameters": model.spec.parameters,
        "checkpoint": str(opened.path),
        "versions": versions(),
        "hardware": hardware(),
    }
    _warn_of_replacement(data)
    stage = "val" if command == "validate" else "test"
    return Outcome(
        result,
        f"{command}: accuracy {100 * result[f'{stage}/acc']:.2f} % of {result['images']} "
        f"{dataset.name} images, loss {result[f'{stage}/loss']:.4f}"
        + (f" ({dataset.adapted})" if dataset.adapted else ""),
    )


def raise_without_validation(opened: Model) -> None:
    """Raise UserError: there is nothing to validate on."""
    from ..errors import UserError

    raise UserError(
        f"validate: {opened.path} was trained with data.validate_on none, so there are no "
        "validation images; accepted: the command test"
    )


def predict_test(trainer: L.Trainer, model: LitClassifier, data: MNISTDataModule) -> Outcome:
    """Predict the test set and return classes, their probabilities, and the number correct."""
    probabilities = torch.cat(cast(list[torch.Tensor], trainer.predict(model, data))).numpy()
    predicted = probabilities.argmax(1)
    labels = data.prepared.test.labels
    counts = Counter(predicted.tolist())
    names = data.prepared.dataset.class_names
    data_out = {
        "predictions": predicted.tolist(),
        "probabilities": probabilities.max(1).round(6).tolist(),
        "images": len(predicted),
        "correct": int((predicted == labels).sum()),
        "dataset": data.prepared.dataset.name,
        "ids": [data.prepared.test.id(i) for i in range(len(predicted))],
    }
    by_class = ", ".join(f"{names[c]}: {counts[c]}" for c in range(len(names)))
    return Outcome(
        data_out,
        f"{len(predicted)} test images predicted, {data_out['correct']} as labelled; {by_class}",
    )
