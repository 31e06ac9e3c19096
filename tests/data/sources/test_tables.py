"""Tables of pixels and arrays, in the forms that people have them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lit_mnist.data import DataError, load_dataset
from tests.data.files import bars


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
