"""YAML files, read with YAML 1.2's floats: PyYAML alone takes ``1e-6`` for a string."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from .errors import UserError


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
                              list("-+0123456789"))


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file; raise UserError naming file and reason."""
    try:
        return yaml.load(Path(path).read_text(), _Loader)
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror}); accepted: a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not YAML ({' '.join(str(error).split())[:200]})") from error
