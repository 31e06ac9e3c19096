"""Components: specks and shadows are left out, pieces kept, pages read in lines."""

from __future__ import annotations

import numpy as np
import pytest

from lit_mnist.data import Dataset
from lit_mnist.data.reader import Digit, read_digits
from lit_mnist.data.reader.components import digits_of_page, lines_of, writing
from lit_mnist.runs.model import Model

from .pages import composed, drawn
from .test_digit import right


def blocks(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    """A mask of filled boxes (top, left, bottom, right)."""
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


BODY = (15, 20, 45, 26)


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        ((15, 28, 18, 40), True),  # the bar of a five, close by
        ((30, 37, 44, 41), True),  # a heavy stroke further away
        ((2, 2, 4, 6), False),  # a speck in the corner
        ((5, 50, 8, 55), False),  # a blot far away
        ((12, 28, 15, 60), True),  # a stroke that the picture cuts off
        ((0, 0, 13, 60), False),  # the border's shadow
    ],
    ids=["bar", "stroke", "speck", "blot", "cut", "shadow"],
)
def test_pieces_of_one_digit(piece: tuple[int, int, int, int], kept: bool) -> None:
    mask = blocks(BODY, piece)
    result = writing(mask, mask.astype(float))
    assert (result == (mask if kept else blocks(BODY))).all()


def test_a_digit_that_touches_the_border_is_kept_where_it_is_all_there_is() -> None:
    mask = blocks((0, 20, 60, 26))
    assert (writing(mask, mask.astype(float)) == mask).all()


def test_nothing_stays_nothing() -> None:
    empty = np.zeros((20, 20), bool)
    assert not writing(empty, empty.astype(float)).any()
    assert digits_of_page(empty, empty.astype(float)) == []


def test_lines_are_read_from_the_top_and_the_left() -> None:
    boxes = np.array(
        [[50, 5, 80, 20], [8, 40, 40, 60], [12, 5, 38, 20], [55, 40, 75, 60], [48, 70, 82, 80]]
    )
    assert lines_of(boxes, [0, 1, 2, 3, 4]) == [[2, 1], [0, 3, 4]]


def values(lines: list[list[Digit]]) -> list[np.ndarray]:
    return [digit.pixels for line in lines for digit in line]


@pytest.mark.mnist
def test_composed_pages(mnist: Dataset, trained: Model) -> None:
    generator, correct = np.random.default_rng(2), 0
    for page in range(4):
        part = slice(15 * page, 15 * page + 15)
        lines = read_digits(composed(mnist.test_images[part], 5, generator))
        assert [len(line) for line in lines] == [5, 5, 5]
        correct += right(trained, values(lines), mnist.test_labels[part])
    assert correct >= 57  # of 60


@pytest.mark.mnist
@pytest.mark.parametrize(
    "lines", [["142"], ["2071"], ["7", "1", "4", "0"], ["21", "47", "10"]], ids="/".join
)
def test_drawn_pages(lines: list[str], mnist: Dataset, trained: Model) -> None:
    result = read_digits(drawn(lines))
    assert [len(line) for line in result] == [len(line) for line in lines]
    labels = np.array([int(digit) for digit in "".join(lines)])
    assert right(trained, values(result), labels) == len(labels)


def test_boxes_hold_the_digits_of_a_large_page() -> None:
    page = np.kron(drawn(["71"]), np.ones((20, 20)))  # 3600 pixels wide: worked on at 2048
    boxes = [digit.box for digit in read_digits(page)[0]]
    for top, left, bottom, right_ in boxes:
        inside = page[int(top) : int(bottom) + 1, int(left) : int(right_) + 1] < 128
        assert inside.sum() > 0.2 * (page < 128).sum()
    margins = [-20, -20, 20, 20]
    rims = [(np.array(box) + margins).astype(int) for box in boxes]
    dark = sum((page[top:bottom, left:right_] < 128).sum() for top, left, bottom, right_ in rims)
    assert dark == (page < 128).sum()
