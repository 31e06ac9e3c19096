"""Which connected components of ink are writing, and which are specks, shadows or the desk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .resample import edge_distance, label

_SPECK = 0.02  # of the writing's ink; smaller pieces are never strokes
_PIECE = 0.15  # of the writing's ink; larger pieces are strokes unless far, smaller ones if close
# of the writing's size
_FAR = 0.5
_CLOSE = 0.15
_ALONG = 0.5  # of its size; a component with more of the border is a shadow or a desk
_BODY = 0.5  # of the tallest component's height: a digit by itself on a page of digits


@dataclass(frozen=True)
class Components:
    """Connected components, numbered from 1 in `labels` (H, W), with boxes and border pixels."""

    labels: np.ndarray
    ink: np.ndarray
    boxes: np.ndarray
    at_border: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, contrast: np.ndarray) -> Components:
        """Find the components of `mask` (H, W), neighbours by side or corner."""
        labels = label(mask, corners=True)
        count = int(labels.max())
        border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
        ink = ndimage.sum_labels(contrast, labels, np.arange(1, count + 1))
        slices = [part for part in ndimage.find_objects(labels) if part is not None]
        boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in slices]
        at_border = np.bincount(border, minlength=count + 1)[1:]
        return cls(labels, np.asarray(ink), np.array(boxes).reshape(-1, 4), at_border)

    @property
    def heights(self) -> np.ndarray:
        """Rows that each component spans."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def sizes(self) -> np.ndarray:
        """The longer side of each component's box."""
        return np.maximum(self.heights, self.boxes[:, 3] - self.boxes[:, 1])

    def mask(self, indices: list[int]) -> np.ndarray:
        """Return the pixels of the components with these indices, counted from 0."""
        return np.isin(self.labels, np.asarray(indices) + 1)


def writing(mask: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return the part of `mask` (H, W) that belongs to one digit; empty if there is none.

    The heaviest component is the digit's body, with a preference for one that does not touch the
    border. Pieces join it by weight and distance.
    """
    pieces = Components.of(mask, contrast)
    if not len(pieces.ink):
        return mask
    body = int(np.argmax(np.where(pieces.at_border > 0, 0.1 * pieces.ink, pieces.ink)))
    return pieces.mask([body, *_pieces_of(pieces, body)])


def _pieces_of(pieces: Components, body: int) -> list[int]:
    if len(pieces.ink) == 1:
        return []
    gaps = _distances(pieces.labels, body + 1) / pieces.sizes[body]
    weight = pieces.ink / pieces.ink[body]
    near = np.where(weight >= _PIECE, _FAR, _CLOSE)
    along = pieces.at_border >= _ALONG * pieces.sizes  # a stroke that is cut off crosses the border
    inside = ~along | (pieces.at_border[body] > 0)
    joins = (weight >= _SPECK) & inside & (gaps < near)
    return [int(index) for index in np.flatnonzero(joins) if index != body]


def _distances(labels: np.ndarray, body: int) -> np.ndarray:
    """Return the distance in pixels of each component, from 1, to the component `body`."""
    distance = edge_distance(labels != body)
    gaps = np.full(labels.max() + 1, np.inf)
    marked = labels > 0
    np.minimum.at(gaps, labels[marked], distance[marked])
    return gaps[1:]


def digits_of_page(mask: np.ndarray, contrast: np.ndarray) -> list[list[np.ndarray]]:
    """Return a mask (H, W) for each digit of a page, line by line from the top, left to right.

    Tall components are digits; smaller pieces join the digit next to them (the bar of a five), if
    any.
    """
    pieces = Components.of(mask, contrast)
    inside = np.flatnonzero((pieces.at_border == 0) & (pieces.sizes >= 6))
    if not len(inside):
        return []
    height = _usual_height(pieces.heights[inside])
    bodies = [int(index) for index in inside if pieces.heights[index] >= _BODY * height]
    owners = {body: [body] for body in bodies}
    for index in set(inside.tolist()) - set(bodies):
        owner, gap = _nearest(pieces.boxes, index, bodies)
        if gap < _CLOSE * height and pieces.ink[index] >= _SPECK * pieces.ink[owner]:
            owners[owner].append(index)
    return [[pieces.mask(owners[body]) for body in line] for line in lines_of(pieces.boxes, bodies)]


def _usual_height(heights: np.ndarray) -> float:
    """Return the median height of components at least half as tall as the tallest."""
    return float(np.median(heights[heights >= _BODY * heights.max()]))


def _nearest(boxes: np.ndarray, index: int, bodies: list[int]) -> tuple[int, float]:
    """Return the body whose box is nearest to a piece's, and the gap between them."""
    top, left, bottom, right = boxes[index]
    others = boxes[bodies]
    down = np.maximum(0, np.maximum(others[:, 0] - bottom, top - others[:, 2]))
    across = np.maximum(0, np.maximum(others[:, 1] - right, left - others[:, 3]))
    gaps = np.hypot(down, across)
    return bodies[int(gaps.argmin())], float(gaps.min())


def lines_of(boxes: np.ndarray, indices: list[int]) -> list[list[int]]:
    """Sort boxes (top, left, bottom, right) into lines from the top, and each line from the left.

    Two boxes are in one line if the middle of each lies between the other's top and bottom.
    """
    lines: list[list[int]] = []
    for index in sorted(indices, key=lambda index: boxes[index][1]):
        line = next((line for line in lines if _side_by_side(boxes[line[-1]], boxes[index])), None)
        if line is None:
            lines.append([index])
        else:
            line.append(index)
    return sorted(lines, key=lambda line: float(np.mean(boxes[line][:, [0, 2]])))


def _side_by_side(first: np.ndarray, second: np.ndarray) -> bool:
    middles = (first[0] + first[2]) / 2, (second[0] + second[2]) / 2
    return bool(second[0] <= middles[0] < second[2] and first[0] <= middles[1] < first[2])
