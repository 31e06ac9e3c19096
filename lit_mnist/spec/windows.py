"""How layers scan their input, and which patch of the image a unit sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Shape = tuple[int, ...]
Number = int | Fraction


@dataclass(frozen=True)
class Window:
    """How one axis pair is scanned: kernel, stride and padding before, each as ``(rows, columns)``.

    An enlarging layer scans with a stride below 1; kernel and padding may then be fractions too,
    and the window is the smallest regular one around what each unit sees.
    """

    kernel: tuple[Number, Number] = (1, 1)
    stride: tuple[Number, Number] = (1, 1)
    before: tuple[Number, Number] = (0, 0)


@dataclass(frozen=True)
class Patch:
    """What units see of the input, by axis: size, distance of neighbours, start of the first."""

    size: tuple[Number, ...]
    jump: tuple[Number, ...]
    start: tuple[Number, ...]
    whole: bool = False

    def seen_through(self, window: Window | None, image: Sequence[int]) -> Patch:
        """Return the patch of the units of a layer that scans units of this patch."""
        if window is None or self.whole:
            return whole_image(image)
        start = tuple(
            s - b * j for s, b, j in zip(self.start, window.before, self.jump, strict=True)
        )
        size = tuple(
            f + (k - 1) * j for f, k, j in zip(self.size, window.kernel, self.jump, strict=True)
        )
        return Patch(
            size, tuple(j * s for j, s in zip(self.jump, window.stride, strict=True)), start
        )


def whole_image(image: Sequence[int]) -> Patch:
    """Return the patch of units that see all of an image of this height and width."""
    return Patch(tuple(image), (1, 1), (0, 0), True)


def merged(patches: Sequence[Patch], image: Sequence[int]) -> Patch:
    """Return the smallest patch around all `patches`; the whole image if their steps differ."""
    first = patches[0]
    if any(patch.whole or patch.jump != first.jump for patch in patches):
        return whole_image(image)
    start = tuple(min(ends) for ends in zip(*(patch.start for patch in patches), strict=True))
    ends = [tuple(s + f for s, f in zip(patch.start, patch.size, strict=True)) for patch in patches]
    end = tuple(max(sides) for sides in zip(*ends, strict=True))
    return Patch(tuple(e - s for e, s in zip(end, start, strict=True)), first.jump, start)


def in_pixels(
    patch: Patch,
) -> tuple[tuple[int, int], tuple[int | float, int | float], tuple[int, int]]:
    """Return size, jump and start of the smallest patch of whole pixels around this one."""
    start = tuple(math.floor(s) for s in patch.start)
    size = tuple(
        math.ceil(f + s) - whole for f, s, whole in zip(patch.size, patch.start, start, strict=True)
    )
    jump = tuple(int(j) if j == int(j) else float(j) for j in patch.jump)
    return (size[0], size[1]), (jump[0], jump[1]), (start[0], start[1])


def reach(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns that a dilated kernel spans."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def same_padding(
    shape: Shape, kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return ``((top, bottom), (left, right))`` of TensorFlow's 'same' padding for a `shape`.

    The total is ``max((ceil(n/s) - 1) s + k - n, 0)``, the smaller half of it before.
    """
    totals = [
        max((-(-n // s) - 1) * s + k - n, 0)
        for n, k, s in zip(shape[:2], kernel, stride, strict=True)
    ]
    return tuple((total // 2, total - total // 2) for total in totals)


def padding_before(
    shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> tuple[int, int]:
    """Return the rows and columns that are added before the image."""
    if padding == "valid":
        return (0, 0)
    rows, columns = same_padding(shape, kernel, stride)
    return rows[0], columns[0]


def enlarging(size: tuple[int, int], bilinear: bool) -> Window:
    """Return the window of an enlargement by whole factors, with nearest or bilinear sampling.

    With factor ``u``, unit i is at ``(i + 0.5) / u - 0.5`` of the input's units. Bilinear reads the
    two around it; nearest reads ``floor(i / u)``. Both differ from ``i / u`` by less than a unit.
    """
    kernel = []
    before = []
    for u in size:
        spread = Fraction(u - 1, u)
        if bilinear and u > 1:
            offset = Fraction(1 - u, 2 * u)
            kernel.append(2 + spread)
            before.append(spread - offset)
        else:
            kernel.append(1 + spread)
            before.append(spread)
    return Window(
        (kernel[0], kernel[1]), (Fraction(1, size[0]), Fraction(1, size[1])), (before[0], before[1])
    )
