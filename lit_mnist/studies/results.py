"""Results of a study: trials as plain values, the best setting, importances; Markdown, HTML and
hparams.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..environment import event_writer, hardware, hide_tensorflow_from_tensorboard, versions
from ..files import write_text
from ..pages import html_image, html_page, html_table, markdown_table
from .description import Study
from .storage import require_optuna
from .worker import Worker, valid_trials


def collect(worker: Worker, command: str) -> dict[str, Any]:
    """Return the study as plain values: a row for each trial, in the order of its points."""
    study = worker.study
    everything = worker.handle.get_trials(deepcopy=False)
    rows = [_row(trial, study) for trial in valid_trials(everything)]
    complete = [row for row in rows if row["state"] == "complete"]
    return {
        "study": study.name,
        "command": command,
        "objective": study.objective,
        "direction": study.direction,
        "seeds": list(study.seeds),
        "settings": {setting.name: list(setting.keys) for setting in study.settings},
        "options": dict(study.options),
        "trials": rows,
        "planned": worker.total,
        "given_out_again": _lost(everything),
        "best": _best(complete, study),
        "importances": _importances(worker.handle, study, complete),
        "test": worker.handle.user_attrs.get("test"),
        "dataset": _dataset(rows),
        "versions": versions() | {"optuna": require_optuna().__version__},
        "hardware": hardware(),
    }


def best_trial(worker: Worker) -> dict[str, Any] | None:
    """Return the row of the trial with the best mean objective; None if no trial has finished."""
    rows = [_row(trial, worker.study) for trial in worker.finished]
    return _best([row for row in rows if row["state"] == "complete"], worker.study)


def trial_line(worker: Worker, number: int) -> str:
    """Return one trial as a line."""
    trial = worker.handle.get_trials(deepcopy=False)[number]
    row = _row(trial, worker.study)
    if row["error"]:
        return f"{_values(row)}: failed: {row['error']}"
    pruned = " (pruned)" if row["state"] == "pruned" else ""
    return f"{_values(row)}: {worker.study.objective} {_spread(row)}{pruned}"


def _best(rows: Sequence[dict[str, Any]], study: Study) -> dict[str, Any] | None:
    better = max if study.direction == "maximize" else min
    return better(rows, key=lambda row: row["mean"], default=None)


def _row(trial: Any, study: Study) -> dict[str, Any]:
    attributes = trial.user_attrs
    values = [attributes.get("by_seed", {}).get(str(seed)) for seed in study.seeds]
    known = [value for value in values if value is not None]
    metrics = attributes.get("metrics", {})
    return {
        "point": attributes["point"],
        "values": attributes.get("values", {}),
        "state": "failed" if "error" in attributes else trial.state.name.lower(),
        "error": attributes.get("error"),
        "by_seed": values,
        "mean": float(np.mean(known)) if known else None,
        "deviation": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "metrics": metrics,
        "parameters": _first(metrics, "parameters"),
        "train_seconds": _mean(metrics, "train_seconds"),
        "seconds": attributes.get("seconds"),
        "worker": attributes.get("worker"),
        "runs": attributes.get("runs", {}),
    }


def _first(metrics: Mapping[str, Mapping[str, Any]], key: str) -> Any:
    return next((each.get(key) for each in metrics.values()), None)


def _mean(metrics: Mapping[str, Mapping[str, Any]], key: str) -> float | None:
    values = [each[key] for each in metrics.values() if each.get(key) is not None]
    return float(np.mean(values)) if values else None


def _dataset(rows: Sequence[Mapping[str, Any]]) -> str | None:
    return next((name for row in rows if (name := _first(row["metrics"], "dataset"))), None)


def _lost(trials: Sequence[Any]) -> int:
    """Return the number of trials that lost their worker."""
    return sum(
        trial.state.name == "FAIL"
        and "point" in trial.user_attrs
        and not {"error", "duplicate"} & set(trial.user_attrs)
        for trial in trials
    )


def _importances(handle: Any, study: Study, complete: list[dict]) -> dict[str, float]:
    """Return the fraction of the objective's variance that each setting explains (fANOVA), for two
    or more settings.
    """
    means = {row["mean"] for row in complete}
    if len(study.settings) < 2 or len(complete) < 4 or len(means) < 2:
        return {}
    optuna = require_optuna()
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(handle, evaluator=evaluator))


def write_hparams(result: Mapping[str, Any], folder: Path) -> None:
    """Write one entry a trial for TensorBoard's HPARAMS page: the settings beside the objective."""
    hide_tensorflow_from_tensorboard()
    from torch.utils.tensorboard.summary import hparams

    name = f"hp/{result['objective'].replace('/', '_')}"
    for row in result["trials"]:
        target = folder / f"trial-{row['point']}"
        if row["mean"] is None or target.exists():
            continue
        values = {key: "null" if value is None else value for key, value in row["values"].items()}
        with event_writer(target) as writer:
            for summary in hparams(values, {name: row["mean"]}):
                writer._get_file_writer().add_summary(summary)
            writer.add_scalar(name, row["mean"])


def markdown(result: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """Return the study as Markdown, with links to its pictures."""
    lines = [
        f"# Study {result['study']}",
        "",
        summary_text(result),
        "",
        f"`{result['command']}`",
        "",
    ]
    lines += [f"![{name}]({name})\n" for name in pictures]
    header, rows = _table(result)
    return "\n".join([*lines, markdown_table([header, *rows]), "", _facts(result), ""])


def write_html(result: Mapping[str, Any], pictures: Mapping[str, bytes], path: Path) -> Path:
    """Write the study as one HTML page with its pictures inside."""
    header, rows = _table(result)
    title = f"Study {result['study']}"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(summary_text(result))}</p>",
        f"<p><code>{html.escape(result['command'])}</code></p>",
        *(html_image(name, png) for name, png in pictures.items()),
        html_table([header, *rows]),
        f"<p>{html.escape(_facts(result))}</p>",
    ]
    return write_text(path, html_page(title, "\n".join(body)))


def summary_text(result: Mapping[str, Any]) -> str:
    """Return the study in two or three sentences."""
    rows = result["trials"]
    ended = [row for row in rows if row["state"] in ("complete", "pruned", "failed")]
    states = ", ".join(
        f"{count} {state}"
        for state in ("complete", "pruned", "failed")
        if (count := sum(row["state"] == state for row in rows))
    )
    text = f"{len(ended)} of {result['planned']} trials ended ({states or 'none yet'})"
    text += f", each over seeds {', '.join(map(str, result['seeds']))}."
    if best := result["best"]:
        text += f" Best {result['objective']}: {_spread(best)} with {_values(best)}."
    if test := result["test"]:
        text += (
            f" Test accuracy of that setting, read once: {100 * test['mean']:.2f} % "
            f"(by seed {', '.join(f'{100 * value:.2f}' for value in test['by_seed'])})."
        )
    return text


def _table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = list(result["settings"])
    header = [
        *names,
        f"{result['objective']}, mean",
        "deviation",
        "n",
        "parameters",
        "seconds",
        "state",
    ]
    rows = [
        [
            *(_number(row["values"].get(name)) for name in names),
            _number(row["mean"], 4),
            _number(row["deviation"], 4),
            str(sum(value is not None for value in row["by_seed"])),
            _number(row["parameters"]),
            _number(row["train_seconds"], 1),
            row["state"] if not row["error"] else f"failed: {row['error']}"[:160],
        ]
        for row in result["trials"]
    ]
    return header, rows


def _number(value: Any, digits: int | None = None) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if digits is not None else f"{value:.4g}"
    return str(value)


def _spread(row: Mapping[str, Any]) -> str:
    text = f"{row['mean']:.4f}"
    n = sum(value is not None for value in row["by_seed"])
    return f"{text} ± {row['deviation']:.4f} (n = {n})" if row["deviation"] is not None else text


def _values(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_number(value)}" for name, value in row["values"].items())


def _facts(result: Mapping[str, Any]) -> str:
    listed = ", ".join(
        f"{key} {value}" for key, value in {**result["versions"], **result["hardware"]}.items()
    )
    lost = result["given_out_again"]
    again = f" {lost} trials lost their worker and were started again." if lost else ""
    return f"Data set {result['dataset']}.{again} {listed}."
