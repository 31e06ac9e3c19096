"""Images that maps and classes want: activation maximisation. Nothing here draws."""

from .ascent import Ascent, Rows, Stage, ascend, rows_for
from .checks import MaximizeError
from .constraint import Box, Standardised, constraint_for
from .presets import PRESETS, recipe
from .quality import Quality, assess
from .reference import Reference, reference
from .search import Search, search
from .starts import Fluctuations
from .transfer import Transfer, style_transfer
from .wanted import Settings, WantedImages, maximize_classes, maximize_maps

__all__ = ["PRESETS", "Ascent", "Box", "Fluctuations", "MaximizeError", "Quality", "Reference", "Rows", "Search",
           "Settings", "Stage", "Standardised", "Transfer", "WantedImages", "ascend", "assess", "constraint_for",
           "maximize_classes", "maximize_maps", "recipe", "reference", "rows_for", "search", "style_transfer"]
