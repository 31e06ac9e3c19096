"""Which pixels made the network say what it says, by many methods, each with its verdicts."""

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
    verdict_digits: int = 20,
    count: int = 8,
    out: str = "out/explain",
    tensorboard: str | None = None,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Explain the network's answers: attribution maps, and for each method whether to believe it.

    Example: python -m lit_mnist explain --ckpt_path runs/cnn/version_0 --images test:19 digit.png --target 4-9

    Args:
        ckpt_path: a run folder, a checkpoint or a Keras file.
        images: ids such as test:19, or image files; none: the most confident mistakes and some right answers.
        methods: names, or all (the default).
        target: predicted, true, second, a class number, a difference such as 4-9 or predicted-true, or a layer's
            map such as Conv2D_2/17.
        baseline: what the image is compared with: empty, blur, mean or digits.
        layer: the layer of Grad-CAM and conductance; default: the last convolution before the
            target whose maps have more than one position.
        verdict_digits: test digits on which methods are judged, once for a network: verdicts are kept in the run
            folder, or in the user's cache; 0 for no verdicts.
        count: how many images are chosen where none are named.
        out: folder for explain.json, explain.npz and the pictures.
        tensorboard: folder for TensorBoard's event files; none by default.
        data_root: folder that holds the data sets (default: the run's own, $LIT_MNIST_DATA, the cache folder).
        output: which of several outputs gives the network's answer, by name.
        dataset: the data set to look at, where it is not the network's own: --data.dataset folder with --data.root.
        scaling: how a Keras file's images were scaled, which it does not say (--data.standardize none, unit, ...).
        seed: of random baselines, noise, and the weights that are drawn anew.
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
    return f"{verdict.value:.3g}, threshold {'<=' if verdict.at_most else '>='} {verdict.threshold:.3g}"
