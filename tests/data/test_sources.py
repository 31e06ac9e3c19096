"""Data sets of one's own and by torchvision: small files in the formats that people have them
in.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import DataError, DataOptions, Dataset, load_dataset, prepare
from lit_mnist.spec import NetworkSpec
from tests.data.files import bars, idx_bytes, write_folder

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


# ---- folders of pictures


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


# ---- tables and arrays


def kaggle(images: np.ndarray, labels: np.ndarray, header: bool = True) -> str:
    rows = [
        ",".join(map(str, [label, *image.ravel()]))
        for image, label in zip(images, labels, strict=True)
    ]
    names = ",".join(["label", *(f"pixel{i}" for i in range(images[0].size))])
    return "\n".join(([names] if header else []) + rows) + "\n"


@pytest.mark.parametrize("header", [True, False])
def test_csv_tables(tmp_path: Path, header: bool) -> None:
    (train, train_labels), (test, test_labels) = bars(10), bars(4, seed=1)
    (tmp_path / "mnist_train.csv").write_text(kaggle(train, train_labels, header))
    (tmp_path / "mnist_test.csv").write_text(kaggle(test, test_labels, header))
    read = load_dataset("csv", tmp_path)
    assert (read.train_images == train).all() and (read.test_images == test).all()
    assert read.test_labels.tolist() == test_labels.tolist() and read.note is None


def test_kaggles_test_table_without_labels_is_no_test_part(tmp_path: Path) -> None:
    images, labels = bars(20)
    (tmp_path / "train.csv").write_text(kaggle(images, labels))
    (tmp_path / "test.csv").write_text(
        kaggle(images, labels).replace("label,", "", 1).replace("\n0,", "\n").replace("\n1,", "\n")
    )
    read = load_dataset("csv", tmp_path)
    assert (len(read.train_labels), len(read.test_labels)) == (
        16,
        4,
    ) and "no test part: 4 images" in str(read.note)
    assert len(load_dataset("csv", tmp_path / "train.csv").train_labels) == 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,a,b,c,d\n0,1,2,3,4\n1,1,2,x,4\n", ["table_train.csv", "'x'"]),
        ("label,a,b,c,d\n0,1,2,3,4\n1,1,2,3\n", ["table_train.csv", "row 2"]),
        ("label,a,b,c,d\n0,1,2,3,400\n1,1,2,3,4\n", ["400", "0 to 255"]),
        ("label,a,b,c,d,e\n0,1,2,3,4,5\n1,1,2,3,4,5\n", ["5 pixels", "square"]),
        ("label,a,b,c,d\n", ["0 lines"]),
    ],
)
def test_csv_tables_that_cannot_work(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "table_train.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        load_dataset("csv", tmp_path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


ARRAYS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]] = {
    "keras": lambda x, y: {"x_train": x[:8], "y_train": y[:8], "x_test": x[8:], "y_test": y[8:]},
    "medmnist": lambda x, y: {
        "train_images": x[:8],
        "train_labels": y[:8, None],
        "test_images": x[8:],
        "test_labels": y[8:, None],
    },
    "fractions": lambda x, y: {
        "x_train": x[:8, ..., None] / 255,
        "y_train": y[:8].astype(float),
        "x_test": x[8:, ..., None] / 255,
        "y_test": y[8:].astype(float),
    },
    "channels first, one-hot": lambda x, y: {
        "X_train": x[:8, None],
        "y_train": np.eye(2)[y[:8]],
        "X_test": x[8:, None],
        "y_test": np.eye(2)[y[8:]],
    },
    "rows, words": lambda x, y: {
        "x_train": x[:8].reshape(8, -1),
        "y_train": np.array(["a", "b"])[y[:8]],
        "x_test": x[8:].reshape(4, -1),
        "y_test": np.array(["a", "b"])[y[8:]],
    },
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays(tmp_path: Path, form: str) -> None:
    images, labels = bars(12)
    arrays = ARRAYS[form](images, labels)
    np.savez(tmp_path / "all.npz", **arrays)
    for name, array in arrays.items():
        (tmp_path / "each").mkdir(exist_ok=True)
        np.save(tmp_path / "each" / f"{name}.npy", array)
    for place in ("all.npz", "each"):
        read = load_dataset("arrays", tmp_path / place)
        assert (read.train_images == images[:8]).all() and (read.test_images == images[8:]).all()
        assert read.test_labels.tolist() == labels[8:].tolist()
        assert read.class_names == (("a", "b") if "words" in form else ("0", "1"))


def test_arrays_that_cannot_work(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=np.zeros(3))
    np.save(tmp_path / "b.npy", np.array([{"code": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "c.npz", x_train=np.zeros((3, 4, 4)), y_train=np.zeros(2, int))
    (tmp_path / "d.npz").write_bytes(b"text")
    for name, words in (
        ("a.npz", "holds the arrays first; accepted: x_train with y_train"),
        ("b.npy", "cannot be read"),
        ("c.npz", "3 images and 2 labels"),
        ("d.npz", "cannot be read as arrays"),
    ):
        with pytest.raises(DataError, match=words):
            load_dataset("arrays", tmp_path / name)


# ---- EMNIST, CIFAR, gzipped MNIST


def test_emnist_is_upright_and_its_letters_start_at_0(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    upright, _ = bars(6, 28)
    for part in ("train", "test"):
        stem = f"emnist-letters-{part}"
        turned = gzip.compress(idx_bytes(upright.transpose(0, 2, 1)))
        (raw / f"{stem}-images-idx3-ubyte.gz").write_bytes(turned)
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([1, 2, 3, 24, 25, 26])))
    read = load_dataset("emnist", tmp_path, emnist_split="letters", download=False)
    assert (read.train_images == upright).all() and read.test_labels.tolist() == [
        0,
        1,
        2,
        23,
        24,
        25,
    ]
    assert read.class_names[0] == "a" and len(read.class_names) == 26
    with pytest.raises(DataError, match=r"emnist-balanced-train-images.*download is off.*by hand"):
        load_dataset("emnist", tmp_path, download=False)


def test_emnists_classes_are_torchvisions() -> None:
    from torchvision.datasets import EMNIST

    from lit_mnist.data.sources.emnist import CLASS_NAMES

    theirs = {
        split: tuple(name for name in names if name != "N/A")
        for split, names in EMNIST.classes_split_dict.items()
    }
    assert theirs == CLASS_NAMES


def pickled_part(n: int, keys: tuple[str, ...]) -> bytes:
    images = np.arange(n * 3072, dtype=np.uint32).astype(np.uint8).reshape(n, 3072)
    return pickle.dumps({"data": images, **{key: [i % 10 for i in range(n)] for key in keys}})


@pytest.mark.parametrize(
    ("name", "key", "meta"),
    [("cifar10", "labels", "label_names"), ("cifar100", "fine_labels", "fine_label_names")],
)
def test_cifar_in_its_own_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str, meta: str
) -> None:
    from torchvision import datasets

    cls = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    folder = tmp_path / cls.base_folder
    folder.mkdir()
    for listed, attribute in ((cls.train_list, "train_list"), (cls.test_list, "test_list")):
        sums = []
        for file, _ in listed:
            (folder / file).write_bytes(pickled_part(4, (key,)))
            sums.append([file, hashlib.md5((folder / file).read_bytes()).hexdigest()])
        monkeypatch.setattr(cls, attribute, sums)
    (folder / cls.meta["filename"]).write_bytes(
        pickle.dumps({meta: [f"class {i}" for i in range(10)]})
    )
    digest = hashlib.md5((folder / cls.meta["filename"]).read_bytes()).hexdigest()
    monkeypatch.setattr(cls, "meta", cls.meta | {"md5": digest})
    read = load_dataset(name, tmp_path, download=False)
    first = np.arange(3072, dtype=np.uint32).astype(np.uint8).reshape(3, 32, 32).transpose(1, 2, 0)
    assert (read.train_images[0] == first).all() and read.image_shape == (32, 32, 3)
    assert read.test_labels.tolist() == [0, 1, 2, 3] and read.class_names[3] == "class 3"
    with pytest.raises(DataError, match=r"not found.*download is off.*by hand"):
        load_dataset(name, tmp_path / "elsewhere", download=False)


def test_gzipped_idx_files_lie_directly_in_the_root_too(
    mnist: Dataset, mnist_root: Path, tmp_path: Path
) -> None:
    for file in sorted((mnist_root / "MNIST" / "raw").glob("t*-ubyte")):
        content = file.read_bytes()
        if "train-images" in file.name:
            (tmp_path / file.name).symlink_to(file)
        else:
            (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(content, 1))
    read = load_dataset("mnist", tmp_path, download=False)
    assert (read.test_images == mnist.test_images).all() and (
        read.train_labels == mnist.train_labels
    ).all()
    cut = tmp_path / "t10k-images-idx3-ubyte.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: not a whole gzip file"):
        load_dataset("mnist", tmp_path, download=False)


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
