"""JavaScript modules -> one script, so that a page opens from disk: browsers load no modules from ``file://``.

Each module becomes a function that is called once and returns what it exports. Understood are the forms that the
page's own modules use: ``import { a, b } from "./x.js";`` and ``export`` before a function, class or const.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) ([\w$]+))", re.MULTILINE)
_UNREAD = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def bundle(read: Callable[[str], str], entry: str) -> str:
    """Return the script of module `entry` and of all that it imports; `read` gives a module's text by its path.

    Raises ValueError naming a line of a form that is not understood, or modules that import each other in a circle.
    """
    done: dict[str, str] = {}
    _add(read, entry, done, ())
    return "\n".join(done.values())


def _add(
    read: Callable[[str], str], path: str, done: dict[str, str], above: tuple[str, ...]
) -> None:
    if path in above:
        raise ValueError(f"modules import each other in a circle: {' -> '.join((*above, path))}")
    if path in done:
        return
    text = read(path)
    for _, source in _IMPORT.findall(text):
        _add(read, _resolved(path, source), done, (*above, path))
    done[path] = _wrapped(path, text)


def _wrapped(path: str, text: str) -> str:
    exports = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(lambda match: _taken(path, *match.groups()), text))
    if unread := _UNREAD.search(body):
        raise ValueError(f"{path}: {unread[0]!r} is no form of import or export that is understood")
    return f"const {_name(path)} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();"


def _taken(path: str, names: str, source: str) -> str:
    return f"const {{ {names} }} = {_name(_resolved(path, source))};\n"


def _resolved(path: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), source))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
