"""The live page of a model: one HTML file with its network, samples and the program that runs
them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

from .. import __version__
from ..data.images import HANDWRITTEN, file_adaptation
from ..data.reader import no_digit
from ..figures.canvas import SEQUENTIAL, SIGNED
from ..report.encode import base64_of, colours
from ..report.template import page_template, page_title, script_json
from ..runs.model import Model
from .bundle import bundle
from .network import check_size, description, scaling, weights
from .records import Records, records
from .samples import Samples, samples


def live_page(model: Model) -> str:
    """Return the page, which needs no other file; raise UserError for a network that it cannot
    run.
    """
    check_size(model.spec)
    return render(model, samples(model), records(model))


def render(model: Model, chosen: Samples, known: Records) -> str:
    """Return the page of a model with these samples and recorded results."""
    return page_template(module("page.html")).render(
        title=page_title(model),
        network=model.spec,
        how=file_adaptation(model.spec.input_shape, model.dataset),
        version=__version__,
        style=module("style.css"),
        script=bundle(module, "main.js"),
        data=script_json(page_data(model, chosen, known)),
    )


def module(path: str) -> str:
    """Return the text of a file of the page."""
    return files("lit_mnist.live").joinpath("page", path).read_text(encoding="utf-8")


def page_data(model: Model, chosen: Samples, known: Records) -> dict[str, Any]:
    """Return all data that the page's program reads, as plain values."""
    return {
        "names": model.class_names,
        "network": description(model.network),
        "weights": base64_of(weights(model.network)),
        "scaling": scaling(model),
        "reader": {"way": _adaptation(model), "shape": model.spec.input_shape},
        "noDigit": _no_digit(model),
        "colours": {"sequential": colours(SEQUENTIAL), "signed": colours(SIGNED)},
        "samples": {
            "pixels": base64_of(chosen.pixels.astype(np.uint8)),
            "labels": chosen.labels.tolist(),
            "names": chosen.names,
            "source": chosen.source,
            "logits": chosen.logits.astype(float).tolist(),
        },
        "top": known.top_images,
        "preferred": known.preferred,
        "verdict": known.verdict,
    }


def _adaptation(model: Model) -> str:
    """Return how a picture becomes the network's input, as `lit_mnist.data.images.image_file` does
    it.
    """
    if model.spec.input_shape[2] != 1 or model.dataset == "folder":
        return "resized"
    return "handwritten" if model.dataset in HANDWRITTEN else "framed"


def _no_digit(model: Model) -> dict[str, Any] | None:
    """Return the rule that recognises pictures of no digit, as in ``predict``; only for MNIST."""
    if model.dataset != "mnist" or _adaptation(model) != "handwritten":
        return None
    return {
        "intercept": no_digit.INTERCEPT,
        "weights": no_digit.WEIGHTS,
        "sure": no_digit.SURE,
    }
