"""Which pixels made the network say what it says, by many methods, each with its verdicts."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from ...outcome import Outcome


def explain(ckpt_path: str, images: list[str] | None = None, methods: list[str] | None = None,
            target: str = "predicted", baseline: str = "empty", layer: str | None = None, verdict_digits: int = 20,
            count: int = 8, out: str = "out", tensorboard: str | None = None, data_root: str | None = None,
            seed: int = 0) -> Outcome:
    """Explain the network's answers: attribution maps, and for each method whether to believe it.

    Example: python -m lit_mnist explain --ckpt_path runs/cnn --images test:19 a.png --methods all --target 4-9

    Args:
        ckpt_path: a run folder, a checkpoint or a Keras file.
        images: ids such as test:19, or image files; none: the most confident mistakes and some right answers.
        methods: names, or all (the default).
        target: predicted, true, second, a class number, a difference such as 4-9 or predicted-true, or a layer's
            map such as Conv2D_2/17.
        baseline: what the image is compared with: empty, blur, mean or digits.
        layer: the layer of Grad-CAM and conductance; default: the last convolution before the
            target whose maps have more than one position.
        verdict_digits: test digits on which methods are judged; 0 for no verdicts.
        count: how many images are chosen where none are named.
        out: folder for explain.json, explain.npz and the pictures.
        tensorboard: folder for TensorBoard's event files; none by default.
        data_root: where the data set lies.
        seed: of random baselines, noise, and the weights that are drawn anew.
    """
    from ...attribution.explanation import explain as compute
    from ...attribution.explanation import interesting
    from ...attribution.targets import AttributionError
    from ...data import DataError, load_dataset
    from ...data.images import read_images
    from ...runs.model import open_model

    if count < 1:
        raise AttributionError(f"count = {count}; accepted: 1 or more")
    model = open_model(ckpt_path, root=data_root)
    dataset = None
    try:
        dataset = load_dataset(model.dataset, data_root, network=model.spec)
    except DataError as error:
        if not images or any(":" in name for name in images):
            raise
        print(f"note: {error}; methods are judged on the given images", file=sys.stderr)
    chosen = read_images(images or interesting(model, dataset, count), model.dataset, data_root, model.spec.input_shape)
    record = compute(model, chosen, methods or ["all"], target, dataset=dataset, baseline=baseline, layer=layer,
                     verdict_digits=verdict_digits, seed=seed, progress=_tell)
    files = _write(record, Path(out), tensorboard)
    return Outcome({**record.summary(), "files": files}, _text(record, files))


def _tell(method: str) -> None:
    print(f"explain: {method}", file=sys.stderr)


def _write(record, out: Path, tensorboard: str | None) -> list[str]:  # noqa: ANN001 - an Explanation
    import numpy as np

    from ...figures.attribution import pictures, rgb_pictures
    from ...figures.canvas import save
    from ...files import write_bytes, write_json

    files = [str(save(figure, out / f"explain_{name}.png")) for name, figure in pictures(record).items()]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **record.arrays())
    files.append(str(write_bytes(out / "explain.npz", buffer.getvalue())))
    if tensorboard is not None:
        from ...attribution.tensorboard import write_events

        files.append(str(write_events(record, tensorboard, rgb_pictures)))
    files.append(str(out / "explain.json"))
    write_json(files[-1], {**record.summary(), "files": files})
    return files


def _text(record, files: list[str]) -> str:  # noqa: ANN001 - an Explanation
    lines = [record.caption(i).replace("\n", ": ") + f", explained: {target}"
             for i, target in enumerate(record.targets)]
    for attribution in record.attributions:
        state = {True: "passes", False: "fails", None: "not judged"}[attribution.passed]
        lines += ["", f"{attribution.method}: {state}"]
        lines += [f"  {_mark(v.passed)} {v.check}: {_figure(v)} ({v.note})" for v in attribution.verdicts]
    lines += ["", *(f"skipped {name}: {reason}" for name, reason in record.skipped.items()),
              *(f"wrote {file}" for file in files)]
    return "\n".join(lines)


def _mark(passed: bool | None) -> str:
    return {True: "pass", False: "FAIL", None: "  - "}[passed]


def _figure(verdict) -> str:  # noqa: ANN001 - a Verdict
    if verdict.value is None:
        return "does not apply"
    return f"{verdict.value:.3g}, threshold {'<=' if verdict.at_most else '>='} {verdict.threshold:.3g}"
