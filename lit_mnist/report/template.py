"""Templates of self-contained HTML pages, and data inside them."""

from __future__ import annotations

import json
from typing import Any

import jinja2
import numpy as np

from ..runs.model import Model


def page_template(text: str) -> jinja2.Template:
    """Return the template of a page; values are escaped, and an undefined one is an error."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)


def script_json(values: dict[str, Any]) -> str:
    """Return plain values and arrays as JSON that is safe inside a script element."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False, default=np.ndarray.tolist)
    return text.replace("<", "\\u003c")


def page_title(model: Model) -> str:
    """Return the title of a page about a model: its run, else the name of its file."""
    run = model.run
    return f"{run.parent.name} / {run.name}" if run else model.path.name
