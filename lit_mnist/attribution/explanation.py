"""From a model and images to an Explanation: maps of several methods, with verdicts on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..data import Dataset
from ..data.images import Images
from ..data.standardize import channels_first
from ..inside.kept import KeptResults, arrays_hash
from ..network import predicted_classes
from ..runs.model import Model
from .baselines import background, input_noise
from .method import Method
from .methods import Setting, make_methods, make_setting
from .randomization import weighted_layers
from .records import Attribution, Explanation
from .sample import Sample
from .targets import AttributionError, network_logits, resolve
from .verdicts import Judge, per_image

VERDICT_DIGITS = 20
# multiply-accumulates that judging all methods may take by default, some minutes; and, where it
# would take more, judging one of them
MOST_WORK = 1e13
MOST_OF_ONE = 5e11
Progress = Callable[[str, float, float], None]  # method, work done, all work
Measure = Callable[[Method, Sample, Tensor], dict[str, np.ndarray]]
_UNSEEN = (
    0.1  # of SmoothGrad's noise: 1.5 % of the range from background to ink, which is invisible
)


def explain(
    model: Model,
    images: Images,
    methods: str | Sequence[str] = "all",
    target: str = "predicted",
    *,
    dataset: Dataset | None = None,
    baseline: str = "empty",
    layer: str | None = None,
    verdict_digits: int | None = None,
    metrics: bool = True,
    seed: int = 0,
    kept: KeptResults | None = None,
    progress: Progress = lambda method, done, total: None,
) -> Explanation:
    """Explain the network's answer for every image by every method, and judge the methods.

    Misclassified images come first. `target` follows `targets.GRAMMAR`. Baselines and the digits
    for verdicts (the first `verdict_digits` test images of a fitting class; 0: no verdicts) come
    from `dataset`; without it, methods are judged on the explained images. The default is 20
    digits; for large networks it judges only quick methods, with one randomisation of all weights.
    With ``all``, methods that do not apply to the network or target are skipped, and the record
    holds the reason; a method that is named raises AttributionError. Without `metrics`, those of
    each image (`Attribution.metrics`) are left out. With `kept`
    (`inside.kept.kept_results(model)`), verdicts are computed once for a network and read later.
    `progress` is called with (method, work done, all work).
    """
    if verdict_digits is not None and verdict_digits < 0:
        raise AttributionError(
            f"verdict_digits = {verdict_digits}; accepted: 0 (no verdicts) or more"
        )
    like = next(model.network.parameters(), torch.zeros(()))
    inputs = model.tensor(images.pixels).to(like)
    logits = network_logits(model.network, inputs)
    order = _mistakes_first(logits, images.labels)
    images = _reordered(images, order)
    inputs = inputs[order]
    logits = logits[order]
    resolved = resolve(model.network, inputs, target, images.labels)
    setting = make_setting(model, dataset, baseline, layer, seed)
    sample = Sample(
        model.network,
        inputs,
        resolved,
        background(model),
        _ink(model),
        _UNSEEN * input_noise(model),
        seed,
        stage_draws=1,
    )
    chosen = make_methods(methods, setting)
    judge = _judge(model, dataset, target, verdict_digits, sample, setting, kept, chosen)
    lenient = "all" in ([methods] if isinstance(methods, str) else methods)
    measure = per_image if metrics else lambda *_: {}
    attributions, skipped = _attributions(chosen, sample, judge, measure, lenient, progress, target)
    probabilities = model.network.probabilities(logits).double().cpu().numpy()
    judged = judge if any(attribution.verdicts for attribution in attributions) else None
    return Explanation(
        images.names,
        images.pixels,
        images.labels,
        predicted_classes(logits).cpu().numpy(),
        probabilities,
        target,
        resolved.names,
        attributions,
        baseline,
        layer,
        seed,
        len(judged.sample.images) if judged else 0,
        dataset.class_names if dataset else model.class_names,
        skipped,
        **_contrast(attributions, setting, sample),
        **(
            {}
            if judged is None
            else {
                "rivals": judged.rivals,
                "counts": judged.counts,
                "layers": weighted_layers(model.network),
            }
        ),
    )


def interesting(model: Model, dataset: Dataset, count: int = 8) -> tuple[str, ...]:
    """Return ids of interesting test images: up to five eighths confident mistakes, then correct
    answers.
    """
    logits = network_logits(
        model.network, model.tensor(dataset.test_images).to(next(model.network.parameters()))
    )
    confidence, guess = model.network.probabilities(logits).max(1)
    wrong = guess.cpu() != torch.from_numpy(dataset.test_labels)
    mistakes = [int(i) for i in confidence.cpu().argsort(descending=True) if wrong[i]][
        : max(1, 5 * count // 8)
    ]
    right = [int(i) for i in (~wrong).nonzero().flatten()[: count - len(mistakes)]]
    return tuple(f"test:{i}" for i in (*mistakes, *right))


def _mistakes_first(logits: Tensor, labels: np.ndarray) -> list[int]:
    guess = predicted_classes(logits).cpu().numpy()
    wrong = (labels >= 0) & (guess != labels)
    return [*np.flatnonzero(wrong).tolist(), *np.flatnonzero(~wrong).tolist()]


def _reordered(images: Images, order: list[int]) -> Images:
    return Images(images.pixels[order], images.labels[order], tuple(images.names[i] for i in order))


def _ink(model: Model) -> Tensor:
    """Return pixel values for a unit of input, which broadcast over (N, C, H, W)."""
    return torch.from_numpy(np.array(channels_first(model.standardizer.scale), np.float64))


def _judge(
    model: Model,
    dataset: Dataset | None,
    target: str,
    count: int | None,
    shown: Sample,
    setting: Setting,
    kept: KeptResults | None,
    methods: tuple[Method, ...],
) -> Judge | None:
    """Return the judge of the methods; without a data set it uses the explained images and keeps
    nothing.

    With a `count` of None, the default, it does less for large networks.
    """
    if count == 0:
        return None
    digits_count = VERDICT_DIGITS if count is None else count
    sample = _verdict_sample(model, dataset, target, digits_count, shown)
    digits = setting.digits and arrays_hash(setting.digits.references.cpu().numpy())
    about = {
        "target": target,
        "baseline": setting.baseline.name,
        "layer": setting.layer,
        "random digits": digits,
    }
    record = kept if sample.names else None
    judge = Judge(sample, about, record)
    if count is not None or sum(map(judge.work, methods)) <= MOST_WORK:
        return judge
    return Judge(replace(sample, stage_draws=0), about, record, MOST_OF_ONE)


def _verdict_sample(
    model: Model, dataset: Dataset | None, target: str, count: int, shown: Sample
) -> Sample:
    """Return the first test digits to which the target applies, or the explained images without a
    data set.
    """
    if (
        dataset is None
        or model.spec.input_shape != (*dataset.test_images.shape[1:], 1)
        or (dataset.test_labels < 0).all()
    ):
        return shown
    pixels = dataset.test_images[:1000]
    labels = dataset.test_labels[:1000]
    inputs = model.tensor(pixels).to(shown.images)
    first = target.split("-")[0].strip()
    if first.isdecimal():
        fitting = (
            (predicted_classes(network_logits(model.network, inputs)) == int(first))
            .nonzero()
            .flatten()[:count]
        )
    else:
        fitting = torch.arange(min(count, len(pixels)))
    if len(fitting) == 0:
        return shown
    question = "predicted-second" if "-" in target and not first.isdecimal() else target
    resolved = resolve(model.network, inputs[fitting], question, labels[fitting.cpu().numpy()])
    names = tuple(f"test:{number}" for number in fitting.tolist())
    return replace(shown, images=inputs[fitting], target=resolved, names=names)


def _attributions(
    methods: tuple[Method, ...],
    sample: Sample,
    judge: Judge | None,
    measure: Measure,
    lenient: bool,
    progress: Progress,
    target: str,
) -> tuple[tuple[Attribution, ...], dict[str, str]]:
    work = [_work(method, len(sample.images), judge) for method in methods]
    attributions = []
    skipped = {}
    for number, method in enumerate(methods):
        progress(method.name, sum(work[:number]), sum(work))
        try:
            attributions.append(_attribution(method, sample, judge, measure, target))
        except AttributionError as error:
            if not lenient:
                raise
            skipped[method.name] = str(error)
    return tuple(attributions), skipped


def _work(method: Method, images: int, judge: Judge | None) -> float:
    """Estimate the work in passes of single images through the network, for the remaining time."""
    if judge is None or judge.knows(method) or not judge.judges(method):
        return 1.0 + images * method.passes
    return 1.0 + images * method.passes + judge.sample.passes(method)


def _attribution(
    method: Method, sample: Sample, judge: Judge | None, measure: Measure, target: str
) -> Attribution:
    start = time.perf_counter()
    maps = method(sample.network, sample.images, sample.target)
    seconds = time.perf_counter() - start
    attribution = Attribution(
        method.name, target, maps.float().cpu().numpy(), seconds, measure(method, sample, maps)
    )
    if judge is None or not judge.judges(method):
        return attribution
    return replace(attribution, **vars(judge(method)))


def _contrast(
    attributions: tuple[Attribution, ...], setting: Setting, sample: Sample
) -> dict[str, object]:
    """Return one method's maps for both classes of a difference, and for the difference."""
    first = sample.target.first
    second = sample.target.second
    if first is None or second is None or not attributions:
        return {}
    names = [attribution.method for attribution in attributions]
    name = "integrated_gradients" if "integrated_gradients" in names else names[0]
    (method,) = make_methods(name, setting)
    sides = [
        method(sample.network, sample.images, classes).sum(1).float().cpu().numpy()
        for classes in (first, second)
    ]
    both = attributions[names.index(name)].values.sum(1)
    return {"contrast": np.stack([*sides, both]), "contrast_method": name}
