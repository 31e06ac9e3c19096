"""A network's description drawn as a graph of boxes, as plain SVG text."""

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
    "pool": "#fdebd3",
    "global_pool": "#fdebd3",
    "batch_norm": "#e2f0d9",
    "layer_norm": "#e2f0d9",
    "group_norm": "#e2f0d9",
    "shared": "#dbe9f6",
}
_MERGES = "#fbdcdc"

Place = tuple[float, float]  # left and top of a box


def network_svg(spec: NetworkSpec) -> str:
    """Return the network as an SVG picture: a box a layer, from the input at the top down to the outputs."""
    rows = _rows(spec)
    places = _places(spec, rows)
    width = max(left for left, _ in places.values()) + _BOX[0] + _MARGIN + _bend(len(rows)) * 0.75
    height = max(top for _, top in places.values()) + _BOX[1] + _MARGIN
    edges = [
        _edge(places, source, name) for name, sources in spec.sources.items() for source in sources
    ]
    boxes = [_box(places[INPUT], INPUT, _shape(spec.input_shape), "#ffffff", False)]
    boxes += [_layer(places[info.name], info, info.name in spec.kept) for info in spec.table]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="12">'
    )
    arrow = (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>'
    )
    return "\n".join([head, arrow, *edges, *boxes, "</svg>", ""])


def _rows(spec: NetworkSpec) -> list[list[str]]:
    """Layers by their distance from the input, along the longest way; neighbours near what they read."""
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
        at |= {name: place - (len(row) - 1) / 2 for place, name in enumerate(row)}
    return rows


def _places(spec: NetworkSpec, rows: Sequence[Sequence[str]]) -> dict[str, Place]:
    """Boxes row by row, each row centred; a long way past other layers bends around them."""
    widest = max(map(len, rows))
    places = {}
    for number, row in enumerate(rows):
        first = _MARGIN + (widest - len(row)) / 2 * (_BOX[0] + _GAP[0])
        for place, name in enumerate(row):
            places[name] = (
                first + place * (_BOX[0] + _GAP[0]),
                _MARGIN + number * (_BOX[1] + _GAP[1]),
            )
    return places


def _edge(places: Mapping[str, Place], source: str, target: str) -> str:
    """An arrow from box to box; one past other boxes of its column leaves and arrives at the side."""
    (x1, y1), (x2, y2) = places[source], places[target]
    rows = (y2 - y1) / (_BOX[1] + _GAP[1])
    if rows > 1.5 and abs(x1 - x2) < _BOX[0]:
        start = (x1 + _BOX[0], y1 + _BOX[1] / 2)
        end = (x2 + _BOX[0], y2 + _BOX[1] / 2)
        bend = _bend(rows)
        path = (
            f"M{start[0]:g} {start[1]:g}C{start[0] + bend:g} {start[1]:g} {end[0] + bend:g} {end[1]:g} "
            f"{end[0]:g} {end[1]:g}"
        )
    else:
        start = (x1 + _BOX[0] / 2, y1 + _BOX[1])
        end = (x2 + _BOX[0] / 2, y2)
        half = (y2 - y1 - _BOX[1]) / 2
        path = (
            f"M{start[0]:g} {start[1]:g}C{start[0]:g} {start[1] + half:g} {end[0]:g} {end[1] - half:g} "
            f"{end[0]:g} {end[1]:g}"
        )
    return f'<path d="{path}" fill="none" stroke="#666" marker-end="url(#end)"/>'


def _bend(rows: float) -> float:
    return min(14 + 8 * rows, 100)


def _layer(place: Place, info: LayerInfo, is_output: bool) -> str:
    kind = info.type if info.activation in (None, "linear") else f"{info.type}, {info.activation}"
    color = _COLORS.get(info.type, _MERGES if len(info.inputs) > 1 else "#f0f0f0")
    return _box(place, info.name, f"{kind}  {_shape(info.output_shape)}", color, is_output)


def _box(place: Place, name: str, detail: str, color: str, is_output: bool) -> str:
    left, top = place
    middle = left + _BOX[0] / 2
    stroke = ' stroke="#222" stroke-width="2"' if is_output else ' stroke="#999"'
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{_BOX[0]}" height="{_BOX[1]}" rx="5" fill="{color}"{stroke}/>'
        f'<text x="{middle:g}" y="{top + 19:g}" text-anchor="middle" font-weight="bold"{_fitted(name, 24)}>'
        f"{escape(name)}</text>"
        f'<text x="{middle:g}" y="{top + 36:g}" text-anchor="middle" fill="#444"{_fitted(detail, 29)}>'
        f"{escape(detail)}</text>"
    )


def _fitted(text: str, fits: int) -> str:
    """Squeeze a text that is too long for its box."""
    return (
        f' textLength="{_BOX[0] - 12}" lengthAdjust="spacingAndGlyphs"' if len(text) > fits else ""
    )


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
