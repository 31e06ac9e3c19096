"""Results that are kept with their network: where they lie, when they are read, and when they are
stale.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.inside import kept as k
from lit_mnist.runs.model import Model, open_model, save_model
from tests.networks import tiny_model

CONTENT = {
    "values": np.array([0.1, np.nan, np.inf], np.float32),
    "nested": {"empty": np.zeros((0, 3)), "list": [1, 0.1]},
    "infinite": float("-inf"),
    "none": None,
    "true": True,
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    folder = tmp_path / "run" / "checkpoints"
    save_model(tiny_model(), folder / "best.ckpt")
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n")
    return open_model(folder / "best.ckpt")


def test_content_comes_back_to_the_last_bit(model: Model) -> None:
    store = k.kept_results(model)
    assert store.read("values", {"seed": 0}) is None
    path = store.write("values", {"seed": 0}, CONTENT)
    assert path.parent == model.run / "inside"
    result = store.read("values", {"seed": 0})
    assert (
        result["values"].dtype == np.float32
        and result["values"].tobytes() == CONTENT["values"].tobytes()
    )
    assert result["nested"]["empty"].shape == (0, 3) and result["nested"]["list"] == [1, 0.1]
    assert result["infinite"] == float("-inf") and result["none"] is None and result["true"] is True
    assert store.read("values", {"seed": 1}) is None and store.read("others", {"seed": 0}) is None
    record = json.loads(path.read_text())
    assert record["checkpoint"]["file"] == "best.ckpt" and len(record["checkpoint"]["sha256"]) == 64
    assert record["settings"] == {"seed": 0} and "torch" in record["versions"]


def test_all_that_is_kept_under_a_name(model: Model) -> None:
    store = k.kept_results(model)
    for seed in (0, 1):
        store.write("values", {"seed": seed}, {"seed": seed})
    path = store.write("values", {"seed": 2}, {"seed": 2})
    store.write("others", {"seed": 3}, {"seed": 3})
    (path.parent / "values-broken.json").write_text("{")
    path.write_text(path.read_text().replace(store.network, "0" * 64))
    results = sorted(store.all("values"), key=lambda each: each[0]["seed"])
    assert results == [({"seed": 0}, {"seed": 0}), ({"seed": 1}, {"seed": 1})]


def test_another_network_makes_results_stale_and_that_is_said(model: Model) -> None:
    k.kept_results(model).write("values", {}, CONTENT)
    said: list[str] = []
    assert k.kept_results(model, said.append).read("values", {}) is not None and not said
    changed = tiny_model(seed=7)
    save_model(changed, model.path)
    assert k.kept_results(open_model(model.path), said.append).read("values", {}) is None
    assert len(said) == 1 and "its weights or its scaling changed" in said[0] and "best" in said[0]


def test_the_hash_knows_weights_scaling_and_description(model: Model) -> None:
    hashes = {
        k.network_hash(model),
        k.network_hash(replace(model, dataset="mnist")),
        k.network_hash(
            replace(model, standardizer=replace(model.standardizer, scale=np.array(2.0)))
        ),
    }
    with torch.no_grad():
        model.network.Conv2D_1.conv.bias[0] += 1e-6
    assert len(hashes | {k.network_hash(model)}) == 4


def test_other_versions_make_results_stale(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    k.kept_results(model).write("values", {}, CONTENT)
    monkeypatch.setattr(k, "versions", lambda: {"torch": "0.1"})
    said: list[str] = []
    assert k.kept_results(model, said.append).read("values", {}) is None and "versions" in said[0]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"network": 3}'])
def test_a_damaged_file_is_computed_anew(model: Model, damage: str) -> None:
    said: list[str] = []
    store = k.kept_results(model, said.append)
    path = store.write("values", {}, CONTENT)
    path.write_text(damage)
    assert store.read("values", {}) is None and "computed again" in said[0]
    assert store.write("values", {}, CONTENT) == path and store.read("values", {}) is not None


def test_single_files_and_folders_that_cannot_be_written_use_the_cache(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k, "cache_folder", lambda: tmp_path / "cache" / "lit_mnist")
    single = tmp_path / "single.ckpt"
    shutil.copy(model.path, single)
    path = k.kept_results(open_model(single)).write("values", {}, CONTENT)
    assert path.is_relative_to(tmp_path / "cache" / "lit_mnist")
    assert k.kept_results(open_model(single)).read("values", {}) is not None
    (model.run / "inside").write_text("a file where the folder should be")
    store = k.kept_results(model)
    assert store.write("values", {"a": 1}, CONTENT).is_relative_to(tmp_path / "cache")
    assert store.read("values", {"a": 1}) is not None
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("no folder either")
    said: list[str] = []
    assert (
        k.kept_results(model, said.append).write("values", {"a": 1}, CONTENT) is None
        and "not kept" in said[0]
    )


def test_a_model_that_comes_from_no_file_keeps_nothing() -> None:
    assert k.kept_results(tiny_model()) is None


def test_only_the_parts_that_are_missing_or_do_not_fit_are_computed(model: Model) -> None:
    store = k.kept_results(model)
    asked: list[list[str]] = []

    def compute(parts: list[str]) -> dict[str, dict[str, int]]:
        asked.append(parts)
        return {part: {"length": len(part)} for part in parts}

    settings = {part: {"part": part} for part in ("a", "bb", "ccc")}
    some = {part: settings[part] for part in ("bb", "a")}
    assert k.computed_once(store, "lengths", some, compute) == {
        "bb": {"length": 2},
        "a": {"length": 1},
    }
    every = k.computed_once(store, "lengths", settings, compute)
    assert list(every) == ["a", "bb", "ccc"] and every["bb"] == {"length": 2}
    k.computed_once(store, "lengths", settings, compute, lambda content: content["length"] != 1)
    k.computed_once(None, "lengths", some, compute)
    assert asked == [["bb", "a"], ["ccc"], ["a"], ["bb", "a"]]
