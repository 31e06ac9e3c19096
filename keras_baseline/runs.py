"""The run folder: the same files and the same ``summary.json`` keys as `lit_mnist fit` writes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save as safetensors_bytes

from lit_mnist.data import GOOD_ACCURACY, Part, Prepared, prepare
from lit_mnist.data.kmeans import fitted_weights, has_clusters
from lit_mnist.data.prepare import channels_last
from lit_mnist.data.record import data_record
from lit_mnist.environment import hardware, versions
from lit_mnist.errors import first_line
from lit_mnist.files import write_bytes, write_json, write_text
from lit_mnist.runs.folder import claim_version, find_run

from .backend import load_keras
from .custom import register
from .model import get_weights
from .recipe import Recipe, RecipeError
from .training import compiled_model, predicted_classes, starting_weights, targets, train

PREDICTIONS = "test_predictions.json"


def fit(recipe: Recipe, runs_dir: Path) -> dict[str, Any]:
    """Train `recipe`, test once, write the run folder under `runs_dir` and return its summary."""
    started = time.perf_counter()
    load_keras().utils.set_random_seed(recipe.seed)
    start, weights = starting_weights(recipe)
    prepared = prepare(recipe.data, network=recipe.spec)
    if recipe.features is not None and not has_clusters(start):
        weights |= fitted_weights(recipe.spec, prepared, recipe.features)
    run = claim_version(runs_dir / recipe.name)
    write_text(run / "config.yaml", yaml.safe_dump(dict(recipe.config), sort_keys=False))
    if start is not None:
        write_text(run / "initial_weights.txt", start.text(most=None) + "\n")
    model = compiled_model(recipe, weights=weights)
    description = {"spec": json.dumps(recipe.spec.to_dict())}
    write_bytes(
        run / "initial_weights.safetensors",
        safetensors_bytes(get_weights(model, recipe.spec), description),
    )
    trained = train(recipe, model, prepared, run)
    evaluation = evaluate(model, recipe, prepared.test)
    summary: dict[str, Any] = (
        _test_metrics(evaluation, recipe, prepared.test)
        | _summary(recipe, prepared, trained)
        | {"wall_seconds": time.perf_counter() - started}
    )
    write_json(run / PREDICTIONS, evaluation["predicted"])
    _draw_curves(summary["history"], run / "training_curves.png", summary["dataset"])
    write_json(run / "summary.json", summary)
    return summary | {"run": str(run)}  # not in the file: the folder may be moved


def evaluate(model: Any, recipe: Recipe, part: Part) -> dict[str, Any]:
    """Return ``loss``, with regularisers and weighted by batch size, and ``predicted``."""
    images = channels_last(part.images)
    size = recipe.eval_batch_size
    loss = model.evaluate(
        images, targets(recipe, part.labels), batch_size=size, verbose=0, return_dict=True
    )["loss"]
    outputs = model.predict(images, batch_size=size, verbose=0)
    return {"loss": loss, "predicted": predicted_classes(recipe.spec, outputs)}


def open_run(path: Path) -> tuple[Any, Path]:
    """Return the model of a run folder or ``.keras`` file, and its run.

    A run gives the weights that its summary reports.
    """
    keras = load_keras()
    register(keras)
    file = path = find_run(path)
    if path.is_dir():
        names = ["best.keras", "last.keras"]
        file = next(
            (
                path / "checkpoints" / name
                for name in names
                if (path / "checkpoints" / name).is_file()
            ),
            path,
        )
    if not file.is_file():
        raise RecipeError(
            f"--ckpt_path {path}: no Keras checkpoint; accepted: a run folder of keras_baseline, "
            "or a .keras file in its checkpoints"
        )
    try:
        return keras.saving.load_model(file, safe_mode=True), file.parent.parent
    except Exception as error:  # Keras raises many types, and all mean that the file cannot be read
        raise RecipeError(
            f"--ckpt_path {file}: not a readable Keras file ({first_line(error)})"
        ) from error


def _summary(recipe: Recipe, prepared: Prepared, trained: Mapping[str, Any]) -> dict[str, Any]:
    log = trained["history"]
    options = recipe.data
    history = {
        "epochs": list(range(1, len(log["loss"]) + 1)),
        "train_acc": log["accuracy"],
        "val_acc": log.get("val_accuracy", []),
        "train_loss": log["loss"],
        "val_loss": log.get("val_loss", []),
    }
    best = int(np.argmax(history["val_acc"])) if history["val_acc"] else None
    on_best = options.validate_on == "validation"
    return {
        "val/acc": history["val_acc"][-1] if history["val_acc"] else None,
        "val/acc_best": None if best is None else history["val_acc"][best],
        "val/acc_best_epoch": None if best is None else history["epochs"][best],
        "validated_on": options.validate_on,
        "train/acc": log["accuracy"][-1],
        "train/loss": log["loss"][-1],
        "parameters": recipe.spec.parameters,
        **data_record(prepared, recipe.data, recipe.features),
        "seed": recipe.seed,
        "epochs": len(history["epochs"]),
        "steps": len(history["epochs"]) * -(-len(prepared.train) // recipe.batch_size),
        "precision": "32-true",
        "weights": f"best validation accuracy ({history['val_acc'][best]:.4f})"
        if on_best
        else "last epoch",
        "checkpoint": "best.keras" if on_best else "last.keras",
        "images_per_second": trained["images"] / trained["seconds"],
        "train_seconds": trained["seconds"],
        "sessions": 1,
        "epoch_seconds": trained["epoch_seconds"],
        "fit_seconds": trained["fit_seconds"],
        "prepare_seconds": 0.0,  # TensorFlow traces within the first step
        "history": history,
        "framework": "keras",
        "versions": versions(),
        "hardware": hardware(),
    }


def _test_metrics(evaluation: Mapping[str, Any], recipe: Recipe, part: Part) -> dict[str, Any]:
    matrix = np.zeros((recipe.spec.classes, recipe.spec.classes), np.int64)
    np.add.at(matrix, (part.labels, evaluation["predicted"]), 1)
    correct = int(matrix.trace())
    images = len(part)
    each = [int(row[i]) / int(row.sum()) if row.sum() else None for i, row in enumerate(matrix)]
    return {
        "test/acc": correct / images,
        "test/correct": correct,
        "images": images,
        "test/loss": evaluation["loss"],
        "test/acc_per_class": each,
        "confusion_matrix": matrix.tolist(),
    }


def test_metrics(model: Any, recipe: Recipe) -> dict[str, Any]:
    """Return the results of ``evaluate``: test accuracy, loss, confusion matrix, versions."""
    prepared = prepare(recipe.data, network=recipe.spec)
    metrics = _test_metrics(evaluate(model, recipe, prepared.test), recipe, prepared.test)
    return metrics | {
        "dataset": prepared.dataset.name,
        "note": prepared.dataset.note,
        "adapted": prepared.dataset.adapted,
        "framework": "keras",
        "parameters": recipe.spec.parameters,
        "versions": versions(),
        "hardware": hardware(),
    }


def _draw_curves(history: Mapping[str, list], path: Path, dataset: str) -> None:
    from lit_mnist.figures.canvas import save
    from lit_mnist.figures.evaluation import training_curves

    arrays = {key: np.asarray(values, np.float64) for key, values in history.items()}
    validation = [arrays[key] if len(arrays[key]) else None for key in ("val_acc", "val_loss")]
    save(
        training_curves(
            arrays["epochs"],
            arrays["train_acc"],
            validation[0],
            arrays["train_loss"],
            validation[1],
            good=GOOD_ACCURACY.get(dataset),
        ),
        path,
    )
