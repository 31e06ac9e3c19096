"""Files written completely or not at all, and YAML with the floats of YAML 1.2."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError, nearest

_FAILED = (errno.EIO, errno.ENOSPC, errno.EDQUOT)  # the content may not be on the disk
_SLUG = re.compile(r"[^A-Za-z0-9_.-]+")
_KNOWN = re.compile(
    r"(?:train|test):\d+|\w+:pre", re.ASCII
)  # ids and layers: unique though their colon is replaced
_LONGEST = 100  # characters of a name, an ending not counted; file systems take 255 bytes


def expand(path: str | Path) -> Path:
    """Return a path that a user gave, with ``~`` and environment variables expanded."""
    return Path(_expanded(str(path)))


def expand_argument(argument: str) -> str:
    """Return a command-line argument with ``~`` and variables expanded.

    Shells leave quoted arguments and ``--out=~/x`` as they are.
    """
    option, equals, value = argument.partition("=")
    return (
        f"{option}={_expanded(value)}" if equals and option.startswith("-") else _expanded(argument)
    )


def _expanded(path: str) -> str:
    return os.path.expanduser(os.path.expandvars(path))


class WriteError(UserError):
    """A file that cannot be written: no such folder, no permission, disk full."""


def file_name(*parts: object) -> str:
    """Return a file name, such as ``features_test-19_Conv2D_1-pre``.

    It joins parts such as ``("features", "test:19", "Conv2D_1:pre")``.

    Separators and characters outside ASCII become ``-``. A part that is changed, and a name that is
    cut, end in a digest, so that different parts give different names.
    """
    whole = "_".join(_slug(str(part)) for part in parts)
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - 9]}-{_digest(repr(tuple(map(str, parts))))}"


def _slug(part: str) -> str:
    slug = _SLUG.sub("-", part).strip("-.") or "x"
    return slug if slug == part or _KNOWN.fullmatch(part) else f"{slug}-{_digest(part)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path`, making its folders, and return it.

    Raises WriteError naming file and reason.
    """
    path = expand(path)
    beside = path.with_name(f".{path.name[:40]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # where a folder is a file, there is nothing to remove
            beside.unlink(missing_ok=True)
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


def write_text(path: str | Path, content: str) -> Path:
    """Write UTF-8 text; as `write_bytes`."""
    return write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> Path:
    """Write JSON (arrays as lists, NaN and infinity as null); as `write_bytes`."""
    return write_text(path, to_json(content) + "\n")


def to_json(content: Any) -> str:
    """Return strict JSON of plain values, arrays, paths and NumPy numbers.

    NaN and infinity become null.
    """
    return json.dumps(_plain(content), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case float():
            return value if np.isfinite(value) else None
        case Path():
            return str(value)
    return value


def _sync_folder(folder: Path) -> None:
    """Bring a folder's new entry to the disk. Windows and some file systems cannot sync folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _FAILED:
            raise
    finally:
        os.close(descriptor)


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file, read as UTF-8; raise UserError naming file and reason."""
    import yaml

    try:
        return yaml.load(expand(path).read_text(encoding="utf-8"), _yaml_loader())
    except OSError as error:
        raise UserError(
            f"--config {path}: cannot be read ({error.strerror}); accepted: a YAML file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not YAML ({_yaml_problem(error)})") from error


def read_config(path: str | Path) -> Any:
    """Return the content of a configuration, merged over the file that its key ``base`` names.

    Raises UserError.

    The base's path is relative to the file. Mappings are merged key by key; a different class, and
    any other value, replaces the base's.
    """
    return with_base(read_yaml(path), path)


def with_base(content: Any, path: str | Path, above: tuple[Path, ...] = ()) -> Any:
    """Return the `content` of the configuration under `path` over its base's; raise UserError."""
    if not isinstance(content, Mapping) or "base" not in content:
        return content
    own = {key: value for key, value in content.items() if key != "base"}
    name = content["base"]
    file = expand(path).resolve()
    base = file.parent / str(name)
    if not isinstance(name, str) or not base.is_file():
        raise UserError(
            f"--config {path}: base = {name!r}: no such file; accepted: a YAML file beside this one"
        )
    above = (*above, file)
    if base.resolve() in above:
        raise UserError(
            f"--config {path}: base = {name!r} leads back to a file that is based on it"
        )
    return _merged(with_base(read_yaml(base), base, above), own)


def _merged(base: Any, own: Any) -> Any:
    """Return `own` merged over `base`, key by key unless they name different classes."""
    if not isinstance(base, Mapping) or not isinstance(own, Mapping):
        return own
    if "class_path" in own and own["class_path"] != base.get("class_path"):
        return own
    return {**base, **{key: _merged(base.get(key), value) for key, value in own.items()}}


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of YAML `text`, such as an option's.

    Raises UserError naming its `source` and the reason.
    """
    import yaml

    try:
        return yaml.load(text, _yaml_loader())
    except yaml.YAMLError as error:
        raise UserError(f"{source} {text}: not YAML ({_yaml_problem(error)})") from error


def _yaml_problem(error: Exception) -> str:
    """Return what is wrong and where, without the text that PyYAML quotes."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())[:200]
    return problem if mark is None else f"line {mark.line + 1}: {problem}"


@functools.cache
def _yaml_loader() -> type:
    """Return PyYAML's safe loader with YAML 1.2's floats, which refuses a key that stands twice.

    PyYAML itself reads ``1e-6`` as a string, and takes the last of equal keys.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            # here, since keys that `<<` merges are not yet among the mapping's own
            node = super().compose_mapping_node(anchor)
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                    continue
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
            return node

    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return Loader


def shipped_configurations() -> dict[str, Path]:
    """Return name -> path of the configurations in the package: ``cnn`` is ``configs/cnn.yaml``."""
    package = Path(__file__).parent
    installed = package / "configs"
    checkout = package.parent / "configs"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def configuration_path(name: str) -> str:
    """Return the path that ``--config NAME`` means: a file, or a shipped configuration.

    Raises UserError where `name` is neither and cannot be a path, with the nearest shipped name.
    """
    shipped = shipped_configurations()
    if Path(name).is_file() or Path(name).name != name or Path(name).suffix:
        return name
    if name not in shipped:
        raise UserError(
            f"--config {name}: no such file or shipped configuration; {nearest(name, shipped)}"
        )
    return str(shipped[name])


def with_configuration_paths(argv: Sequence[str]) -> list[str]:
    """Return `argv` with shipped configurations' names after ``--config`` and ``-c`` as paths."""
    options = ("--config", "-c")
    result: list[str] = []
    for argument in argv:
        option, equals, value = argument.partition("=")
        if result and result[-1] in options:
            argument = configuration_path(argument)
        elif option == "--config" and equals:
            argument = f"{option}={configuration_path(value)}"
        result.append(argument)
    return result
