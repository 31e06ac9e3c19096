"""Ascents and references that are kept with their network are the same bits, and are not computed
again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lit_mnist.inside.kept import KeptResults, kept_results
from lit_mnist.maximize import maximization as m
from lit_mnist.maximize import quality, record
from lit_mnist.maximize.result import MaximizationResult, Settings
from lit_mnist.runs.model import Model, open_model, save_model
from tests.networks import tiny_model

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 28, 28)).astype(np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    save_model(tiny_model(), tmp_path / "run" / "checkpoints" / "best.ckpt")
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n")
    return open_model(tmp_path / "run" / "checkpoints" / "best.ckpt")


@pytest.fixture
def kept(model: Model) -> KeptResults:
    kept = kept_results(model)
    assert kept is not None
    return kept


def refuse(*arguments: object, **options: object) -> None:
    pytest.fail("computed again")


def same(one: MaximizationResult, other: MaximizationResult) -> bool:
    names = ("starts", "images", "objective", "steps", "stops", "snapshots")
    ascents = all(
        np.array_equal(getattr(one.ascent, name), getattr(other.ascent, name)) for name in names
    )
    qualities = all(
        np.array_equal(value, getattr(other.quality, name), equal_nan=True)
        for name, value in vars(one.quality).items()
    )
    return ascents and qualities and one.ascent.snapshot_steps == other.ascent.snapshot_steps


def test_an_ascent_on_record_is_the_same_bits_and_is_not_climbed_again(
    model: Model, kept: KeptResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(steps=5, restarts=2)
    fresh = m.maximize_maps(model, "Conv2D_1", settings=settings)
    first = m.maximize_maps(model, "Conv2D_1", settings=settings, kept=kept)
    few = m.maximize_maps(
        model, "Conv2D_1", [3, 1], Settings(steps=5, restarts=1, snapshots=(0, 4))
    )
    monkeypatch.setattr(m, "ascend", refuse)
    again = m.maximize_maps(open_model(model.path), "Conv2D_1", settings=settings, kept=kept)
    assert same(fresh, first) and same(fresh, again)
    part = Settings(steps=5, restarts=1, snapshots=(0, 4))
    assert same(few, m.maximize_maps(model, "Conv2D_1", [3, 1], part, kept=kept))
    for layer, other in (
        ("Conv2D_1", Settings(steps=6, restarts=2)),
        ("Conv2D_1", Settings(steps=5, restarts=3)),
        ("Conv2D_1", Settings(steps=5, restarts=2, seed=1)),
        ("Conv2D_1", Settings(steps=5, restarts=2, snapshots=(1,))),
        ("Conv2D_2", settings),
    ):
        with pytest.raises(pytest.fail.Exception):
            m.maximize_maps(model, layer, settings=other, kept=kept)


def test_maps_and_classes_of_the_last_layer_are_kept_apart(model: Model, kept: KeptResults) -> None:
    settings = Settings("class", steps=2, restarts=1, wake=False)
    classes = m.maximize_classes(model, settings=settings, kept=kept)
    units = m.maximize_maps(model, model.spec.output, settings=settings, kept=kept)
    assert (classes.kind, units.kind) == ("class", "unit")
    assert len(list(kept.folders[0].glob("maximization-*"))) == 2


def test_a_smaller_ascent_does_not_replace_a_larger_one(model: Model, kept: KeptResults) -> None:
    settings = Settings(steps=3, restarts=2, snapshots=0)
    m.maximize_maps(model, "Conv2D_2", settings=settings, kept=kept)
    (path,) = kept.folders[0].glob("maximization-*")
    before = path.read_bytes()
    more = Settings(steps=3, restarts=1, snapshots=(0, 1, 2))  # snapshots that are not on record
    m.maximize_maps(model, "Conv2D_2", [0], more, kept=kept)
    assert path.read_bytes() == before
    m.maximize_maps(model, "Conv2D_2", settings=Settings(steps=3, restarts=4), kept=kept)
    assert path.read_bytes() != before


def test_an_ascent_that_is_too_large_is_not_kept(
    model: Model, kept: KeptResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "LARGEST", 1000)
    m.maximize_maps(model, "Conv2D_2", [0], Settings(steps=2, restarts=1), kept=kept)
    assert not list(kept.folders[0].glob("maximization-*"))


def test_a_reference_on_record_is_read_and_all_layers_share_one_pass(
    model: Model, kept: KeptResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [quality.reference(model, name, 3, pixels=PIXELS) for name in ("Conv2D_1", "Conv2D_2")]
    passes: list[object] = []
    rank = quality.top_images
    monkeypatch.setattr(quality, "top_images", lambda *a, **o: passes.append(a[2]) or rank(*a, **o))
    for k in (3, 2):
        together = quality.references(
            model, ["Conv2D_1", "Conv2D_2"], PIXELS, "given images", k, kept
        )
        for one, other in zip(alone, together, strict=True):
            assert (one.layer, one.source) == (other.layer, other.source)
            assert np.array_equal(one.index[:, :k], other.index)
            assert np.array_equal(one.values[:, :k], other.values)
    assert passes == [["Conv2D_1", "Conv2D_2"]]
    quality.references(model, ["Conv2D_1"], PIXELS, "given images", 5, kept)
    quality.references(model, ["Conv2D_1"], PIXELS[:30], "given images", 3, kept)
    assert passes[1:] == [["Conv2D_1"], ["Conv2D_1"]]


def test_steps_that_equal_the_presets_are_the_same_ascent(
    model: Model, kept: KeptResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = record.ascent_settings(model.network, "map", "Conv2D_1", Settings())
    for steps, same_ascent in ((400, True), (399, False)):
        other = record.ascent_settings(model.network, "map", "Conv2D_1", Settings(steps=steps))
        assert (other == own) is same_ascent


def test_the_best_ascents_of_all_maps_are_on_record(
    model: Model, kept: KeptResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert record.settings_on_record(kept, model.network, "map") == {}
    best = Settings(steps=3, restarts=2)
    for maps, settings in (
        (None, Settings(steps=2, restarts=1)),
        (None, best),
        (None, Settings(steps=3, restarts=1, seed=4)),
        ([3, 1], Settings(steps=5, restarts=1)),  # not all maps
        (None, Settings(steps=6, restarts=2, search=4)),  # its starts would be searched for anew
        (None, Settings("robust", steps=2, restarts=1)),  # longer, but not the source's
    ):
        m.maximize_maps(model, "Conv2D_1", maps, settings, kept=kept)
    m.maximize_maps(model, "Conv2D_2", None, Settings("robust", steps=2, restarts=1), kept=kept)
    m.maximize_classes(model, settings=Settings("class", steps=2, restarts=1), kept=kept)
    known = record.settings_on_record(kept, model.network, "map")
    assert set(known) == {"Conv2D_1", "Conv2D_2"} and known["Conv2D_2"].preset == "robust"
    first = m.maximize_maps(model, "Conv2D_1", settings=best)
    monkeypatch.setattr(m, "ascend", refuse)
    read = m.maximize_maps(model, "Conv2D_1", settings=known["Conv2D_1"], kept=kept)
    assert np.array_equal(first.ascent.images, read.ascent.images)
