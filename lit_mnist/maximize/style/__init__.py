"""Neural style transfer with any network. Nothing here draws."""

from .losses import Weights, content_loss, gram, mean_gram, style_loss
from .networks import PRESETS, layers_for, open_network
from .record import StyleTransfer
from .settings import Settings
from .transfer import style_transfer

__all__ = [
    "PRESETS",
    "Settings",
    "StyleTransfer",
    "Weights",
    "content_loss",
    "gram",
    "layers_for",
    "mean_gram",
    "open_network",
    "style_loss",
    "style_transfer",
]
