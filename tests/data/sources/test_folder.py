"""Folders of pictures: their parts, damaged files, large folders, sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import DataError, DataOptions, Dataset, load_dataset, prepare
from lit_mnist.spec import NetworkSpec
from tests.data.files import bars, write_folder

COLOUR, GREY = (12, 12, 3), (12, 12, 1)


def one_unit(
    shape: tuple[int, int, int], units: int = 1, activation: str = "sigmoid"
) -> NetworkSpec:
    """A network of one dense layer."""
    return NetworkSpec.from_dict(
        {
            "input_shape": shape,
            "layers": [
                {"type": "flatten", "name": "Flatten"},
                {"type": "dense", "name": "Output", "units": units, "activation": activation},
            ],
        }
    )


def test_a_folder_without_a_test_part_draws_one_from_each_class(tmp_path: Path) -> None:
    write_folder(tmp_path, 20)
    read = load_dataset("folder", tmp_path, shape=COLOUR)
    assert read.class_names == ("lying", "standing") and read.train_images.shape == (16, *COLOUR)
    assert np.bincount(read.test_labels).tolist() == [2, 2] and "no test folder: 4 pictures" in str(
        read.note
    )
    images, labels = bars(20, colour=True)
    everything = np.concatenate([read.train_images, read.test_images])
    originals = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert {image.tobytes() for image in everything} == set(originals)
    assert [originals[image.tobytes()] for image in read.test_images] == read.test_labels.tolist()
    again = load_dataset("folder", tmp_path, shape=COLOUR)
    other = load_dataset("folder", tmp_path, shape=COLOUR, split_seed=1)
    assert (again.test_images == read.test_images).all() and (
        other.test_images != read.test_images
    ).any()


def test_parts_of_a_folder_are_used_as_they_are_called(tmp_path: Path) -> None:
    for part, n in (("train", 12), ("val", 6), ("test", 4)):
        write_folder(tmp_path / part, n, seed=n)
    prepared = prepare(DataOptions("folder", tmp_path, standardize="unit"), network=one_unit(GREY))
    assert [len(part) for part in (prepared.train, prepared.validation, prepared.test)] == [
        12,
        6,
        4,
    ]
    assert prepared.train.images.shape == (12, 12, 12) and prepared.dataset.note is None
    assert prepared.validation.id(0) == "train:12" and prepared.test.id(0) == "test:0"


def test_validation_never_means_one_class(tmp_path: Path) -> None:
    """Folders list one class after the other; so may arrays, where that is said."""
    write_folder(tmp_path / "pictures", 200)
    options = DataOptions("folder", tmp_path / "pictures", standardize="unit")
    assert np.bincount(prepare(options, network=one_unit(GREY)).validation.labels).min() > 2
    images, labels = bars(200)
    order = np.argsort(labels, kind="stable")
    np.savez(
        tmp_path / "sorted.npz",
        x_train=images[order],
        y_train=labels[order],
        x_test=images,
        y_test=labels,
    )
    options = DataOptions("arrays", tmp_path / "sorted.npz", standardize="unit")
    with pytest.raises(
        DataError, match="20 images set aside.*1 of the 2 classes.*--data.validation seeded"
    ):
        prepare(options)
    drawn = prepare(replace(options, validation="seeded")).validation
    assert np.bincount(drawn.labels).min() > 2


def test_damaged_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path, 12)
    (tmp_path / "lying" / "000.png").write_bytes(b"no picture")
    whole = (tmp_path / "standing" / "001.png").read_bytes()
    (tmp_path / "standing" / "001.png").write_bytes(whole[: len(whole) // 2])
    read = load_dataset("folder", tmp_path, shape=COLOUR)
    assert len(read.train_labels) + len(read.test_labels) == 10
    for name in ("2 damaged files", "000.png", "001.png"):
        assert name in str(read.note)
    with pytest.raises(DataError, match=r"000\.png.*not a readable image.*on_damaged"):
        load_dataset("folder", tmp_path, shape=COLOUR, on_damaged="error")


def test_large_folders_are_mapped_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_folder(tmp_path / "data", 20)
    (tmp_path / "data" / "lying" / "000.png").write_bytes(b"no picture")
    plain = load_dataset("folder", tmp_path / "data", shape=COLOUR)
    mapped = load_dataset("folder", tmp_path / "data", shape=COLOUR, memory_fraction=1e-9)
    assert isinstance(mapped.train_images.base, np.memmap) or isinstance(
        mapped.train_images, np.memmap
    )
    assert not isinstance(plain.train_images, np.memmap)
    assert_equal(plain, mapped)
    files = sorted((tmp_path / "cache").rglob("*.npy"))
    assert len(files) == 2
    written = [file.stat().st_mtime_ns for file in files]
    assert_equal(
        plain, load_dataset("folder", tmp_path / "data", shape=COLOUR, memory_fraction=1e-9)
    )
    assert [file.stat().st_mtime_ns for file in files] == written  # the file serves again
    for file in files:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    assert_equal(
        plain, load_dataset("folder", tmp_path / "data", shape=COLOUR, memory_fraction=1e-9)
    )


def assert_equal(one: Dataset, other: Dataset) -> None:
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.note == other.note and one.class_names == other.class_names


def test_folders_that_cannot_work(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", 8)
    write_folder(tmp_path / "test", 4, ("lying", "upright"))
    with pytest.raises(DataError, match="upright.*accepted.*standing"):
        load_dataset("folder", tmp_path, shape=COLOUR)
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="one folder of pictures a class"):
        load_dataset("folder", tmp_path / "empty", shape=COLOUR)
    (tmp_path / "empty" / "b").mkdir()
    with pytest.raises(DataError, match=r"empty.a: holds no pictures.*\.jpg"):
        load_dataset("folder", tmp_path / "empty", shape=COLOUR)
    with pytest.raises(DataError, match="needs --data.root"):
        load_dataset("folder", shape=COLOUR)
    with pytest.raises(DataError, match="nowhere.*no such file or folder"):
        load_dataset("folder", tmp_path / "nowhere", shape=COLOUR)


def test_pictures_of_own_sizes_take_the_networks(tmp_path: Path) -> None:
    write_folder(tmp_path, 8, size=(40, 24))
    Image.new("L", (300, 7), 90).save(tmp_path / "lying" / "grey.png")
    board = (
        np.indices((240, 240)).sum(0) % 2 * 255
    )  # finer than any pixel of the small picture: an even grey
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "lying" / "board.png")
    read = load_dataset("folder", tmp_path, shape=(10, 20, 3))
    assert read.image_shape == (10, 20, 3)
    assert any(
        np.abs(image.astype(int) - 128).max() < 3
        for image in (*read.train_images, *read.test_images)
    )
