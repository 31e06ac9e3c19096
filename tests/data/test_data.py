"""Files, standardisation, splits, permutations, augmentation, and images by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.preprocessing import StandardScaler

from lit_mnist.data import (
    DataError,
    DataOptions,
    Dataset,
    Standardizer,
    load_dataset,
    permutation,
    prepare,
)
from lit_mnist.data.augment import Augmentation, distort
from lit_mnist.data.images import read_images
from lit_mnist.data.prepare import split_indices

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def digits_options(**values: object) -> DataOptions:
    return DataOptions(dataset="digits", **values)


# ---- files


def test_mnist_is_the_official_one(mnist: Dataset) -> None:
    assert mnist.train_images.shape == (60_000, 28, 28) and mnist.test_images.shape == (
        10_000,
        28,
        28,
    )
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        (FILES[0], lambda content: content[:-1], ["47040015 bytes", "truncated"]),
        (FILES[1], lambda content: content[:7], ["7 bytes", "header"]),
        (
            FILES[2],
            lambda content: content[:4000] + b"\x07" + content[4001:],
            ["SHA-256", "altered"],
        ),
        (
            FILES[3],
            lambda content: b"\x00\x00\x08\x03" + content[4:],
            ["magic number 2051", "2049"],
        ),
        (
            FILES[2],
            lambda content: content[:4] + b"\x00\x00\x27\x0f" + content[8:],
            ["(9999, 28, 28)", "(10000, 28, 28)"],
        ),
    ],
)
def test_damaged_files_are_named(
    mnist_root: Path, tmp_path: Path, file: str, damage, words: list[str]
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        if name != file:
            (raw / name).symlink_to(mnist_root / "MNIST" / "raw" / name)
    (raw / file).write_bytes(damage((mnist_root / "MNIST" / "raw" / file).read_bytes()))
    with pytest.raises(DataError) as caught:
        load_dataset(
            "mnist", tmp_path, fallback="digits"
        )  # a damaged file is an error, fallback or not
    assert all(word in str(caught.value) for word in [file, *words]), str(caught.value)


def test_missing_mnist_is_an_error_that_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path / "deep" / "root")
    words = (str(tmp_path), FILES[0], "download failed", "--data.root", "digits")
    assert all(word in str(caught.value) for word in words)
    assert not list(tmp_path.iterdir())  # the folders that the download made


def test_fallback_says_so(tmp_path: Path) -> None:
    dataset = load_dataset("mnist", tmp_path, fallback="digits")
    assert dataset.name == "digits" and "mnist is NOT used" in dataset.note
    assert load_dataset("digits").note is None


def test_torchvision_reads_the_same(mnist: Dataset, mnist_root: Path) -> None:
    from torchvision.datasets import MNIST

    theirs = MNIST(mnist_root, train=False, download=False)
    assert (theirs.data.numpy() == mnist.test_images).all() and (
        theirs.targets.numpy() == mnist.test_labels
    ).all()


def test_digits_are_stratified(digits: Dataset) -> None:
    assert (len(digits.train_labels), len(digits.test_labels)) == (1437, 360)
    shares = [
        np.bincount(labels) / len(labels) for labels in (digits.train_labels, digits.test_labels)
    ]
    assert abs(shares[0] - shares[1]).max() < 0.005  # one image of 360 is 0.0028
    assert digits.train_images.dtype == np.uint8 and digits.train_images.max() == 255


# ---- standardisation


def test_per_pixel_is_scikit_learns(digits: Dataset) -> None:
    ours = Standardizer.fit("per_pixel", digits.train_images)
    theirs = StandardScaler().fit(digits.train_images.reshape(1437, -1).astype(np.float64))
    assert np.allclose(ours.mean.ravel(), theirs.mean_, rtol=1e-13)
    assert np.allclose(ours.scale.ravel(), theirs.scale_, rtol=1e-12)
    flat = digits.test_images.reshape(360, -1).astype(np.float64)
    # ours is cast to float32 once, at the end: at most half a unit in the last place from the
    # float64 value
    assert np.allclose(
        ours.apply(digits.test_images).reshape(360, -1), theirs.transform(flat), rtol=2**-23, atol=0
    )


@pytest.mark.parametrize(
    "kind", ["per_pixel", "per_pixel_all", "global", "unit", "mean_removed", "none"]
)
def test_inverse_gives_the_pixels_back(digits: Dataset, kind: str) -> None:
    fitted = Standardizer.fit(kind, digits.train_images)
    values = fitted.apply(digits.test_images)
    assert values.dtype == np.float32
    # float32 keeps 24 bits: a value v is off by |v| 2^-24, times the scale when it is inverted
    assert np.abs(fitted.invert(values) - digits.test_images).max() < 1e-4
    again = Standardizer.from_dict(fitted.to_dict())
    assert (again.apply(digits.test_images) == values).all()


def test_pixels_that_never_vary(mnist: Dataset) -> None:
    """Facts of MNIST: 67 pixels never vary over the training images, 65 over all 70,000."""
    for images, constant in (
        (mnist.train_images, 67),
        (np.concatenate([mnist.train_images, mnist.test_images]), 65),
    ):
        fitted = Standardizer.fit("per_pixel", images)
        assert (images == images[0]).all(0).sum() == constant == (fitted.scale == 1.0).sum()


def test_the_scaler_sees_the_training_split_alone(mnist_root: Path) -> None:
    prepared = prepare(DataOptions(root=mnist_root))
    expected = Standardizer.fit("per_pixel", prepared.dataset.train_images[:54_000])
    assert (prepared.standardizer.mean == expected.mean).all()
    assert abs(prepared.train.images.mean()) < 1e-6
    assert abs(prepared.test.images.mean()) > 1e-4  # the test images were not fitted on


def test_clipping_is_off_unless_asked_for(digits: Dataset) -> None:
    free, bound = (Standardizer.fit("per_pixel", digits.train_images, clip) for clip in (None, 3.0))
    assert (
        np.abs(free.apply(digits.test_images)).max()
        > 3
        >= np.abs(bound.apply(digits.test_images)).max()
    )


# ---- splits and orders


def test_tail_validation_is_keras_rule() -> None:
    train, validation, test = split_indices(DataOptions(validation_fraction=0.1), 60_000, 70_000)
    assert (train == np.arange(54_000)).all() and (validation == np.arange(54_000, 60_000)).all()
    assert (test == np.arange(60_000, 70_000)).all()


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.01, 0.99),
    st.sampled_from(["tail", "seeded"]),
    st.sampled_from(["official", "reshuffled"]),
    st.integers(0, 2**31),
)
def test_splits_share_nothing_and_lose_nothing(
    fraction: float, validation: str, split: str, seed: int
) -> None:
    options = DataOptions(
        validation_fraction=fraction, validation=validation, split=split, split_seed=seed
    )
    parts = split_indices(options, 600, 700)
    assert sorted(np.concatenate(parts)) == list(range(700))
    assert len(parts[2]) == 100
    if split == "official":
        assert set(parts[2]) == set(range(600, 700))


def test_ids_name_the_source_image() -> None:
    prepared = prepare(
        digits_options(
            split="reshuffled", validation="seeded", validation_fraction=0.2, standardize="none"
        )
    )
    part, index = prepared.test.id(7).split(":")
    source = prepared.dataset.train_images if part == "train" else prepared.dataset.test_images
    assert (source[int(index)] == prepared.test.images[7]).all()


def test_permutations_are_one_for_each_seed_and_epoch() -> None:
    first = permutation(1, 0, 1000)
    assert sorted(first) == list(range(1000)) and (first == permutation(1, 0, 1000)).all()
    for other in (permutation(1, 1, 1000), permutation(2, 0, 1000)):
        assert (first == other).mean() < 0.02


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"standardize": "per_pixle"}, ["'per_pixle'", "did you mean 'per_pixel'"]),
        ({"split": "random"}, ["'random'", "official"]),
        ({"validation_fraction": 1.5}, ["1.5"]),
        ({"validation_fraction": 0.0}, ["validation_fraction"]),
        ({"validate_on": "train"}, ["'train'", "validation, test, none"]),
        ({"clip": -1.0}, ["-1.0"]),
    ],
)
def test_options_that_cannot_work(options: dict, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        prepare(digits_options(**options))
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---- augmentation


def test_no_distortion_is_the_identity() -> None:
    images = torch.rand(5, 1, 28, 28)
    moved = distort(images, Augmentation().draw(1, 0, 5, 28, 28), torch.zeros(1, 1, 28, 28))
    assert torch.allclose(moved, images, atol=1e-5)


def test_shift_moves_by_whole_pixels_and_fills_with_the_background() -> None:
    images = torch.rand(1, 1, 28, 28)
    matrix = torch.tensor(
        [[[1.0, 0, 2 * 3 / 28], [0, 1, 0]]]
    )  # the source lies three pixels to the right
    moved = distort(images, matrix, torch.full((1, 1, 28, 28), -0.5))
    assert torch.allclose(moved[..., :-3], images[..., 3:], atol=1e-4)
    assert torch.allclose(moved[..., -3:], torch.tensor(-0.5), atol=1e-4)


def test_random_distortions_stay_within_their_bounds() -> None:
    matrices = Augmentation(rotation=12, scale=0.12, shift=2).draw(3, 4, 4000, 28, 28)
    angle = torch.rad2deg(torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    zoom = torch.linalg.det(matrices[:, :, :2]).sqrt()
    assert (
        11.9 < angle.abs().max() <= 12.001
        and 2.0001 / 14 > matrices[:, :, 2].abs().max() > 1.95 / 14
    )
    assert 1 / 1.1201 <= zoom.min() < 0.9 and 1.13 < zoom.max() <= 1 / 0.8799
    assert (
        matrices == Augmentation(rotation=12, scale=0.12, shift=2).draw(3, 4, 4000, 28, 28)
    ).all()


# ---- images by name


def test_images_by_id(mnist_root: Path) -> None:
    images = read_images(["test:19", "train:31727", "test:51"], root=mnist_root)
    assert images.labels.tolist() == [4, 1, 3] and images.pixels.shape == (3, 28, 28)


def drawn_digit(size: tuple[int, int], ink: int, paper: int) -> Image.Image:
    """A seven: two strokes."""
    image = np.full(size[::-1], paper, np.uint8)
    height, width = image.shape
    image[height // 5 : height // 4, width // 3 : 2 * width // 3] = ink
    image[height // 4 : 4 * height // 5, 3 * width // 5 : 2 * width // 3] = ink
    return Image.fromarray(image)


def test_files_of_any_size_and_polarity_give_one_digit(tmp_path: Path) -> None:
    names = []
    drawn = (("a.png", 300, 0, 255), ("b.png", 300, 255, 0), ("c.bmp", 600, 20, 240))
    for name, size, ink, paper in drawn:
        drawn_digit((size, size), ink, paper).save(tmp_path / name)
        names.append(str(tmp_path / name))
    first, second, third = read_images(names).pixels
    assert np.abs(first - second).max() < 1 and np.abs(first - third).mean() < 3
    assert first[0, 0] == 0 and first.max() > 250  # light on dark


def test_pictures_for_other_data_sets_are_laid_into_the_frame(
    digits: Dataset, tmp_path: Path
) -> None:
    Image.fromarray(digits.test_images[3]).save(tmp_path / "dark.png")
    Image.fromarray(255 - digits.test_images[3]).save(tmp_path / "light.png")
    Image.new("L", (50, 100), 200).save(tmp_path / "tall.png")
    names = [str(tmp_path / name) for name in ("dark.png", "light.png", "tall.png")]
    dark, light, tall = read_images(names, "digits").pixels
    assert (dark == digits.test_images[3]).all()
    assert (light == digits.test_images[3]).all()
    assert tall[:, 7:21] == pytest.approx(55)
    assert not tall[:, :7].any() and not tall[:, 21:].any()


def test_transparent_paper_is_white(tmp_path: Path) -> None:
    opaque = drawn_digit((100, 100), 0, 255)
    clear = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=Image.fromarray(255 - np.asarray(opaque)))
    clear.save(tmp_path / "clear.png")
    opaque.save(tmp_path / "opaque.png")
    pixels = read_images([str(tmp_path / "clear.png"), str(tmp_path / "opaque.png")]).pixels
    assert np.abs(pixels[0] - pixels[1]).max() < 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.png", ["none.png", "no such file", "test:19"]),
        ("text.png", ["text.png", "not a readable image"]),
        ("blank.png", ["blank.png", "nothing but background"]),
    ],
)
def test_images_that_cannot_be_had(tmp_path: Path, name: str, words: list[str]) -> None:
    (tmp_path / "text.png").write_text("not an image")
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    with pytest.raises(DataError) as caught:
        read_images([str(tmp_path / name)])
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_id_out_of_range(mnist_root: Path) -> None:
    with pytest.raises(DataError, match="test:10000.*test:0 to test:9999"):
        read_images(["test:10000"], root=mnist_root)


def test_copying_the_layout_is_all_it_takes(mnist_root: Path, tmp_path: Path) -> None:
    shutil.copytree(mnist_root / "MNIST" / "raw", tmp_path / "MNIST" / "raw")
    assert load_dataset("mnist", tmp_path, download=False).name == "mnist"
