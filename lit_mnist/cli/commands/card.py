"""A model card in the run folder: data, recipe, results, calibration, limits."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...outcome import Outcome


def card(
    ckpt_path: str,
    own: str | None = None,
    leave_out: list[str] | None = None,
    data_root: str | None = None,
) -> Outcome:
    """Write README.md, a model card in the form of the Hugging Face hub, into a run folder.

    Example: python -m lit_mnist card --ckpt_path runs/cnn/version_0

    Args:
        ckpt_path: a run folder, or a folder of versions.
        own: folder of other people's drawings, with labels.csv (file, label) or a folder for each
            class (default: own_digits in the folder of the data sets, if it exists).
        leave_out: kinds of out-of-distribution pictures to leave out: own (drawings), turned (and
            inverted), letters, blank.
    """
    from ...card.measure import measure
    from ...card.page import PICTURE, Card, render
    from ...figures.calibration import calibration_curve
    from ...figures.canvas import to_bytes
    from ...files import read_yaml, write_bytes, write_text
    from ...runs.folder import CONFIG, find_run
    from ...runs.model import open_model

    run = find_run(ckpt_path)
    summary = _summary(run)
    readme = run / "README.md"
    _check_replaceable(readme)
    config = read_yaml(run / CONFIG) if (run / CONFIG).is_file() else {}
    model = open_model(run, root=data_root)
    measured = measure(model, data_root, own, leave_out or ())
    name = str(config.get("name") or run.resolve().parent.name)
    command = "python -m lit_mnist card --ckpt_path RUN" + (" --own FOLDER" if own else "")
    text = render(Card(name, model, summary, config, measured, command))
    picture = to_bytes(calibration_curve(measured.calibration, f"{name}: calibration"))
    files = [write_bytes(run / PICTURE, picture), write_text(readme, text)]
    data: dict[str, Any] = {
        "command": "card",
        "network": model.path,
        "accuracy": measured.accuracy,
        **asdict(measured),
        "files": files,
    }
    return Outcome(
        data,
        f"{readme}: {measured.correct:,} of {measured.images:,} test images correct, expected "
        f"calibration error {100 * measured.calibration.error:.2f} %",
    )


def _summary(run: Path) -> dict[str, Any]:
    """Return a run's summary.json; raise UserError where there is none that can be read."""
    from ...runs.folder import SUMMARY

    path = run / SUMMARY
    if not path.is_file():
        raise UserError(
            f"--ckpt_path {run}: not a finished run, since it has no {SUMMARY}; accepted: the "
            "folder of a run whose training has finished"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no mapping; accepted: the file that training wrote")
    return content


def _check_replaceable(path: Path) -> None:
    """Raise UserError where `path` is a card that lit_mnist did not write, or that was edited by
    hand.
    """
    from ...card.page import MARK

    if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(
            f"{path} exists, and lit_mnist card did not write it; accepted: move it away first"
        )
