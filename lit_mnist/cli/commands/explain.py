"""Attribution maps by many methods, with verdicts on each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...outcome import Outcome
from ..progress import note, work_bar
from ..results import Results

if TYPE_CHECKING:
    from ...attribution.records import Explanation, Verdict


def explain(
    ckpt_path: str,
    images: list[str] | None = None,
    methods: list[str] | None = None,
    target: str = "predicted",
    baseline: str = "empty",
    layer: str | None = None,
    verdict_digits: int | None = None,
    count: int = 8,
    out: str = "out/explain",
    tensorboard: str | None = None,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Explain the network's answers by attribution maps, and judge how far to believe each method.

    Example: python -m lit_mnist explain --ckpt_path runs/cnn/version_0 --images test:19 digit.png
    --target 4-9

    Args:
        images: ids such as test:19, or image files (default: the most confident mistakes and some
            correct answers).
        methods: names of methods, or all (the default).
        target: what to explain: predicted, true, second, a class number, a difference such as 4-9
            or predicted-true, or a map such as Conv2D_2/17.
        baseline: image to compare with: empty, blur, mean or digits.
        layer: layer of Grad-CAM and conductance (default: the last convolution before the target
            whose maps have more than one position).
        verdict_digits: number of test digits on which methods are judged; 0 for no verdicts
            (default: 20; of large networks only quick methods are judged).
            Verdicts are computed once for a network, and kept in the run folder or the user's
            cache.
        count: number of images, if none are named.
        out: folder for explain.json, explain.npz and the pictures.
        tensorboard: folder for event files of TensorBoard (default: none are written).
        seed: seed of random baselines, noise and randomised weights.
    """
    from ...attribution.explanation import explain as compute
    from ...attribution.explanation import interesting
    from ...attribution.targets import AttributionError
    from ...data import DataError, load_dataset
    from ...data.images import read_images
    from ...inside.kept import kept_results
    from ..opening import opened

    if count < 1:
        raise AttributionError(f"count = {count}; accepted: 1 or more")
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("explain", out)
    data = None
    try:
        data = load_dataset(model.dataset, model.data_root, network=model.spec)
    except DataError as error:
        if not images or any(":" in name for name in images):
            raise
        note(f"{error}; methods are judged on the given images")
    if not images and data is not None:
        images = list(interesting(model, data, count))
    chosen = read_images(
        images or [],
        model.dataset,
        model.data_root,
        model.spec.input_shape,
    )
    with work_bar("explain") as progress:
        record = compute(
            model,
            chosen,
            methods or ["all"],
            target,
            dataset=data,
            baseline=baseline,
            layer=layer,
            verdict_digits=verdict_digits,
            seed=seed,
            kept=kept_results(model, note),
            progress=progress,
        )
    left = [one.method for one in record.attributions if not one.verdicts]
    if left and verdict_digits is None:
        note(
            f"not judged, since it would take long: {', '.join(left)} (--verdict_digits N judges "
            "all)"
        )
    return _write(record, results, tensorboard)


def _write(record: Explanation, results: Results, tensorboard: str | None) -> Outcome:
    from ...figures.attribution import pictures, rgb_pictures

    for name, figure in pictures(record).items():
        results.picture(figure, "explain", name)
    results.arrays(**record.arrays())
    if tensorboard is not None:
        from ...attribution.tensorboard import write_events

        results.files.append(write_events(record, tensorboard, rgb_pictures))
    return results.finish(record.summary(), _text(record))


def _text(record: Explanation) -> str:
    lines = [
        record.caption(i).replace("\n", ": ") + f", explained: {target}"
        for i, target in enumerate(record.targets)
    ]
    for attribution in record.attributions:
        state = {True: "passes", False: "fails", None: "not judged"}[attribution.passed]
        lines += ["", f"{attribution.method}: {state}"]
        lines += [
            f"  {_mark(v.passed)} {v.check}: {_figure(v)} ({v.note})" for v in attribution.verdicts
        ]
    return "\n".join(
        [*lines, "", *(f"skipped {name}: {reason}" for name, reason in record.skipped.items())]
    )


def _mark(passed: bool | None) -> str:
    return {True: "pass", False: "FAIL", None: "  - "}[passed]


def _figure(verdict: Verdict) -> str:
    if verdict.value is None:
        return "does not apply"
    relation = "<=" if verdict.at_most else ">="
    return f"{verdict.value:.3g}, threshold {relation} {verdict.threshold:.3g}"
