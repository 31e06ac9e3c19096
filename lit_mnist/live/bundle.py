"""Bundling of JavaScript modules into one script, since browsers load no modules from ``file://``.

Each module becomes a function that is called once and returns its exports. Supported are the forms
that the page uses: ``import { a, b } from "./x.js";`` and ``export`` before a function, class or
const.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) ([\w$]+))", re.MULTILINE)
_UNREAD = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def bundle(read: Callable[[str], str], entry: str) -> str:
    """Return the script of module `entry` and its imports; `read` returns the text of a module by
    its path.

    Raises ValueError for an unsupported form of import or export, and for circular imports.
    """
    scripts: dict[str, str] = {}
    _add(read, entry, scripts, ())
    return "\n".join(scripts.values())


def _add(
    read: Callable[[str], str], path: str, scripts: dict[str, str], importers: tuple[str, ...]
) -> None:
    if path in importers:
        raise ValueError(f"circular imports: {' -> '.join((*importers, path))}")
    if path in scripts:
        return
    text = read(path)
    for _, source in _IMPORT.findall(text):
        _add(read, _resolved(path, source), scripts, (*importers, path))
    scripts[path] = _wrapped(path, text)


def _wrapped(path: str, text: str) -> str:
    exports = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(lambda match: _import(path, *match.groups()), text))
    if unread := _UNREAD.search(body):
        raise ValueError(f"{path}: {unread[0]!r} is not a supported form of import or export")
    return f"const {_name(path)} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();"


def _import(path: str, names: str, source: str) -> str:
    return f"const {{ {names} }} = {_name(_resolved(path, source))};\n"


def _resolved(path: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), source))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
