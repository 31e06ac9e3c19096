"""Files appear whole or not at all, and what cannot be written is said in one error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lit_mnist.errors import UserError
from lit_mnist.files import WriteError, file_name, read_config, write_bytes
from tests.conftest import ROOT


def test_files_replace_what_was_there_and_leave_nothing_beside(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        assert write_bytes(tmp_path / "new" / "a.bin", content).read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("place", ["taken/a.bin", "taken/below/a.bin", "folder"])
def test_what_cannot_be_written_is_one_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(WriteError, match=f"{place}: cannot be written"):
        write_bytes(tmp_path / place, b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "taken"]
    assert (tmp_path / "taken").read_text() == "mine"


def test_file_names_say_what_they_are_of() -> None:
    assert file_name("features", "test:19", "Conv2D_1:pre") == "features_test-19_Conv2D_1-pre"
    assert file_name("softmax", "digit.png") == "softmax_digit.png"


def test_file_names_differ_where_their_parts_do(tmp_path: Path) -> None:
    images = [
        "一.png",
        "二.png",
        "a/1.png",
        "b/1.png",
        "a-1.png",
        "ä.png",
        "ö.png",
        "",
        "/",
        "x" * 300,
        "x" * 301,
        "一" * 200 + ".png",
        "\udcff.png",
        "a b.png",
        "a  b.png",
    ]
    names = [file_name("features", image, "Conv2D_1") for image in images]
    assert len(set(names)) == len(images)
    for name in names:
        assert name.isascii() and "/" not in name
        assert write_bytes(tmp_path / f"{name}.png", b"1").name == f"{name}.png"
    assert len(list(tmp_path.iterdir())) == len(images)


def test_a_very_long_name_can_be_written(tmp_path: Path) -> None:
    """What is written beside the file needs a name that the file system takes as well."""
    assert write_bytes(tmp_path / ("x" * 250), b"1").read_bytes() == b"1"


def test_threads_that_write_one_file_leave_one_whole(tmp_path: Path) -> None:
    contents = [bytes([i]) * 200_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_bytes(tmp_path / "one", content), contents))
    assert (tmp_path / "one").read_bytes() in contents and [
        path.name for path in tmp_path.iterdir()
    ] == ["one"]


def write_configs(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_configuration_lies_over_its_base(tmp_path: Path) -> None:
    """Mappings merge; other values, lists and classes of another name replace; a base may have one
    too.
    """
    write_configs(
        tmp_path,
        first="{seed: 1, a: {b: 1, c: [1, 2]}, o: {class_path: X, init_args: {rate: 1, decay: 2}}}",
        second="{base: first.yaml, a: {c: [3]}, o: {class_path: X, init_args: {rate: 3}}}",
        third="{base: second.yaml, a: {b: null}, o: {class_path: Y, init_args: {power: 4}}}",
    )
    second = read_config(tmp_path / "second.yaml")
    assert second == {
        "seed": 1,
        "a": {"b": 1, "c": [3]},
        "o": {"class_path": "X", "init_args": {"rate": 3, "decay": 2}},
    }
    assert read_config(tmp_path / "third.yaml") == second | {
        "a": {"b": None, "c": [3]},
        "o": {"class_path": "Y", "init_args": {"power": 4}},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: absent.yaml", "base = 'absent.yaml': no such file"),
        ("base: 3", "base = 3: no such file"),
        ("base: self.yaml", "base = 'self.yaml' leads back"),
        ("base: other.yaml", "base = 'self.yaml' leads back"),
    ],
)
def test_a_base_that_cannot_be_is_named(text: str, message: str, tmp_path: Path) -> None:
    write_configs(tmp_path, self=text, other="base: self.yaml")
    with pytest.raises(UserError, match=message):
        read_config(tmp_path / "self.yaml")


def test_bfloat16_is_the_default_network_in_another_precision() -> None:
    plain, bfloat16 = (
        read_config(ROOT / "configs" / f"{name}.yaml") for name in ("cnn", "cnn_bf16")
    )
    assert bfloat16["trainer"].pop("precision") == "auto"
    assert bfloat16["trainer"].pop("callbacks") is None
    assert plain["trainer"].pop("callbacks")
    assert {**bfloat16, "recipe": "keras"} == plain
