"""A model -> one HTML page that holds its network, its pictures and the program that runs them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np

from .. import __version__
from ..data.images import HANDWRITTEN, file_adaptation
from ..data.reader import no_digit
from ..figures.canvas import SEQUENTIAL, SIGNED
from ..report.encode import colours
from ..runs.model import Model
from .bundle import bundle
from .network import check_size, description, encoded, scaling, weights
from .records import Records, records
from .samples import Samples, samples


def live_page(model: Model) -> str:
    """Return the whole page; it needs nothing but itself. Raises UserError for a network that it cannot run."""
    check_size(model.spec)
    return render(model, samples(model), records(model))


def render(model: Model, chosen: Samples, known: Records) -> str:
    """Return the page of a model with these pictures and records."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(module("page.html"))
    return template.render(
        title=_title(model),
        network=model.spec,
        how=file_adaptation(model.spec.input_shape, model.dataset),
        version=__version__,
        style=module("style.css"),
        script=bundle(module, "main.js"),
        data=_json(page_data(model, chosen, known)),
    )


def module(path: str) -> str:
    """Return the text of one of the page's own files."""
    return files("lit_mnist.live").joinpath("page", path).read_text(encoding="utf-8")


def page_data(model: Model, chosen: Samples, known: Records) -> dict[str, Any]:
    """Return all that the page's program reads, as plain values."""
    return {
        "names": model.class_names,
        "network": description(model.network),
        "weights": encoded(weights(model.network)),
        "scaling": scaling(model),
        "reader": {"way": _way(model), "shape": model.spec.input_shape},
        "noDigit": _no_digit(model),
        "colours": {"sequential": colours(SEQUENTIAL), "signed": colours(SIGNED)},
        "samples": {
            "pixels": encoded(chosen.pixels.astype(np.uint8)),
            "labels": chosen.labels.tolist(),
            "names": chosen.names,
            "source": chosen.source,
            "logits": chosen.logits.astype(float).tolist(),
        },
        "top": known.top_images,
        "wanted": known.wanted,
        "verdict": known.verdict,
    }


def _title(model: Model) -> str:
    run = model.run
    return f"{run.parent.name} / {run.name}" if run else model.path.name


def _way(model: Model) -> str:
    """How pictures are brought to the network's input; the cases of `lit_mnist.data.images.image_file`."""
    if model.spec.input_shape[2] != 1 or model.dataset == "folder":
        return "resized"
    return "handwritten" if model.dataset in HANDWRITTEN else "framed"


def _no_digit(model: Model) -> dict[str, Any] | None:
    """The rule that tells other things from digits; for MNIST's networks alone, as in ``predict``."""
    if model.dataset != "mnist" or _way(model) != "handwritten":
        return None
    return {
        "intercept": no_digit.INTERCEPT,
        "weights": no_digit.WEIGHTS,
        "sure": no_digit.SURE,
    }


def _json(values: dict[str, Any]) -> str:
    text = json.dumps(values, separators=(",", ":"), allow_nan=False, default=np.ndarray.tolist)
    return text.replace("<", "\\u003c")
