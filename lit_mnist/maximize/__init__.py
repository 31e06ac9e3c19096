"""Activation maximisation: images that activate maps, units and classes most. Nothing here
draws.
"""

from .ascent import Ascent, ascend
from .checks import MaximizeError
from .inputs import Box, Fluctuations, Standardised, constraint_for
from .maximization import MaximizationResult, Settings, maximize_classes, maximize_maps
from .presets import PRESETS, recipe
from .quality import Quality, Reference, assess, reference
from .rows import Rows, rows_for
from .stages import Stage
from .start_search import Search, search
from .style import StyleTransfer, style_transfer

__all__ = [
    "PRESETS",
    "Ascent",
    "Box",
    "Fluctuations",
    "MaximizeError",
    "Quality",
    "Reference",
    "Rows",
    "Search",
    "Settings",
    "Stage",
    "Standardised",
    "StyleTransfer",
    "MaximizationResult",
    "ascend",
    "assess",
    "constraint_for",
    "maximize_classes",
    "maximize_maps",
    "recipe",
    "reference",
    "rows_for",
    "search",
    "style_transfer",
]
