"""A drawing of a network's description as a graph of boxes, in plain SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ..spec import INPUT, LayerInfo, NetworkSpec

# width and height of a box, distances across and down
_BOX = (190, 46)
_GAP = (26, 30)
_MARGIN = 16
_COLORS = {
    "conv": "#dbe9f6",
    "depthwise_conv": "#dbe9f6",
    "separable_conv": "#dbe9f6",
    "transposed_conv": "#dbe9f6",
    "dense": "#e3dcf2",
    "distances": "#e3dcf2",
    "pool": "#fdebd3",
    "global_pool": "#fdebd3",
    "batch_norm": "#e2f0d9",
    "layer_norm": "#e2f0d9",
    "group_norm": "#e2f0d9",
    "shared": "#dbe9f6",
}
_MERGES = "#fbdcdc"

Corner = tuple[float, float]  # left and top of a box


def network_svg(spec: NetworkSpec) -> str:
    """Return the network as SVG: one box for each layer, from the input at the top down to the
    outputs.
    """
    rows = _rows(spec)
    corners = _corners(spec, rows)
    width = max(left for left, _ in corners.values()) + _BOX[0] + _MARGIN + _bend(len(rows)) * 0.75
    height = max(top for _, top in corners.values()) + _BOX[1] + _MARGIN
    edges = [
        _edge(corners, source, name) for name, sources in spec.sources.items() for source in sources
    ]
    boxes = [_box(corners[INPUT], INPUT, _shape(spec.input_shape), "#ffffff", False)]
    boxes += [_layer(corners[info.name], info, info.name in spec.kept) for info in spec.table]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="12">'
    )
    arrow = (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>'
    )
    return "\n".join([head, arrow, *edges, *boxes, "</svg>", ""])


def _rows(spec: NetworkSpec) -> list[list[str]]:
    """Return layers by their longest distance from the input; each is near the layers that it
    reads.
    """
    depth = {INPUT: 0}
    for name, sources in spec.sources.items():
        depth[name] = 1 + max(depth[source] for source in sources)
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name, row in depth.items():
        rows[row].append(name)
    at: dict[str, float] = {INPUT: 0.0}
    for row in rows[1:]:
        row.sort(
            key=lambda name: (
                sum(at[source] for source in spec.sources[name]) / len(spec.sources[name])
            )
        )
        at |= {name: column - (len(row) - 1) / 2 for column, name in enumerate(row)}
    return rows


def _corners(spec: NetworkSpec, rows: Sequence[Sequence[str]]) -> dict[str, Corner]:
    """Return the corner of each box; each row is centred."""
    widest = max(map(len, rows))
    corners = {}
    for number, row in enumerate(rows):
        first = _MARGIN + (widest - len(row)) / 2 * (_BOX[0] + _GAP[0])
        for column, name in enumerate(row):
            corners[name] = (
                first + column * (_BOX[0] + _GAP[0]),
                _MARGIN + number * (_BOX[1] + _GAP[1]),
            )
    return corners


def _edge(corners: Mapping[str, Corner], source: str, target: str) -> str:
    """Return an arrow between boxes; it leaves and arrives at the side if other boxes are in
    between.
    """
    (x1, y1), (x2, y2) = corners[source], corners[target]
    rows = (y2 - y1) / (_BOX[1] + _GAP[1])
    if rows > 1.5 and abs(x1 - x2) < _BOX[0]:
        start = (x1 + _BOX[0], y1 + _BOX[1] / 2)
        end = (x2 + _BOX[0], y2 + _BOX[1] / 2)
        bend = _bend(rows)
        path = (
            f"M{start[0]:g} {start[1]:g}C{start[0] + bend:g} {start[1]:g} {end[0] + bend:g} "
            f"{end[1]:g} {end[0]:g} {end[1]:g}"
        )
    else:
        start = (x1 + _BOX[0] / 2, y1 + _BOX[1])
        end = (x2 + _BOX[0] / 2, y2)
        half = (y2 - y1 - _BOX[1]) / 2
        path = (
            f"M{start[0]:g} {start[1]:g}C{start[0]:g} {start[1] + half:g} {end[0]:g} "
            f"{end[1] - half:g} {end[0]:g} {end[1]:g}"
        )
    return f'<path d="{path}" fill="none" stroke="#666" marker-end="url(#end)"/>'


def _bend(rows: float) -> float:
    return min(14 + 8 * rows, 100)


def _layer(corner: Corner, info: LayerInfo, is_output: bool) -> str:
    kind = info.type if info.activation in (None, "linear") else f"{info.type}, {info.activation}"
    color = _COLORS.get(info.type, _MERGES if len(info.inputs) > 1 else "#f0f0f0")
    return _box(corner, info.name, f"{kind}  {_shape(info.output_shape)}", color, is_output)


def _box(corner: Corner, name: str, detail: str, color: str, is_output: bool) -> str:
    left, top = corner
    middle = left + _BOX[0] / 2
    stroke = ' stroke="#222" stroke-width="2"' if is_output else ' stroke="#999"'
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{_BOX[0]}" height="{_BOX[1]}" rx="5" '
        f'fill="{color}"{stroke}/>'
        f'<text x="{middle:g}" y="{top + 19:g}" text-anchor="middle" '
        f'font-weight="bold"{_fitted(name, 24)}>'
        f"{escape(name)}</text>"
        f'<text x="{middle:g}" y="{top + 36:g}" text-anchor="middle" '
        f'fill="#444"{_fitted(detail, 29)}>'
        f"{escape(detail)}</text>"
    )


def _fitted(text: str, fits: int) -> str:
    """Return attributes that squeeze a text which is too long for its box."""
    return (
        f' textLength="{_BOX[0] - 12}" lengthAdjust="spacingAndGlyphs"' if len(text) > fits else ""
    )


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
