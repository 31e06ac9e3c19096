"""EMNIST, CIFAR and gzipped MNIST, in their own formats."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from lit_mnist.data import DataError, Dataset, load_dataset
from tests.data.files import bars, idx_bytes


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
