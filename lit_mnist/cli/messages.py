"""Messages of jsonargparse, rewritten to name the key, quote the value and suggest the nearest
match.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from ..errors import nearest

_UNKNOWN = (
    re.compile(r"[Uu]nrecognized arguments: (?P<keys>.+)"),
    re.compile(r"[Kk]ey '(?P<keys>[^']+)' is not expected"),
    re.compile(r"No action for key '(?P<keys>[^']+)'"),
    re.compile(r"Option '(?P<keys>[^']+)' is not accepted"),
)
_KEY = re.compile(r'[Pp]arser key "([^"]+)"')
_CLASS = re.compile(r"class_path[ =]'([\w.]+)'")
_MEMBER = re.compile(r"<class '([\w.]+)'>")
_NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_NO_CLASS = re.compile(r"Expected a dot import path string: (\S+)|(No module named '\S+')")
_REQUIRED = re.compile(r"arguments are required: (.+)")
_EXPECTED = re.compile(r"Expected an? (?:<class ')?([\w.]+)")
_VALUE = re.compile(r"(?:Given|Got) value: (?:NestedArg\(key='\w+', val='(.*?)'\)|(\S*))")
_KINDS = re.compile(r"Subtypes: \[(.+)\]\n|Expected a (.+)\. Got")
_WORDS = re.compile(r"(?:typing\.)?Literal\[([^\]]*)\]")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Sequence": "a list",
    "list": "a list",
    "NoneType": "null",
}
_CLASSES = {
    "model.optimizer": "lit_mnist.training.optimizers.Adam",
    "model.schedule": "lit_mnist.training.schedules.Cosine",
    "trainer.callbacks": "lightning.pytorch.callbacks.EarlyStopping",
}  # an example of each option that takes a class
_FILLED_IN = ("self", "params", "optimizer")  # parameters that are no settings
_LONGEST = 400
_SHOWN = 12  # a list of every option would bury the message


def explain(message: str, known: Iterable[str]) -> str:
    """Return `message` on at most two lines; `known` lists the accepted dotted keys."""
    message = re.sub(r"^(error: )+", "", message.strip())
    place = _place(message)
    for pattern in _UNKNOWN:
        if match := pattern.search(message):
            return _unknown(match["keys"], place, list(known))
    if "arguments are required: fit.model.network" in message:
        return (
            "fit needs --config: a YAML file that describes model.network, such as configs/cnn.yaml"
        )
    if place is not None and (text := _explained(message, place)):
        return text
    message = re.sub(
        r'Parser key "([^"]+)":?', r"\1:", re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", message)
    )
    lines = [line.strip(" -\t") for line in message.splitlines() if line.strip()]
    text = re.sub(r":;", ":", "; ".join(dict.fromkeys(lines)))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


@dataclass(frozen=True)
class _Place:
    """Where an error is: the option, the setting within it, and the class that the option names."""

    option: str
    setting: str | None
    kind: type | None
    named: bool  # the configuration names the class: its settings are below init_args

    @property
    def prefix(self) -> str:
        """The dotted key above the class' settings."""
        return f"{self.option}.init_args" if self.named else self.option

    @property
    def key(self) -> str:
        """The dotted key of the wrong value."""
        return self.option if self.setting is None else f"{self.prefix}.{self.setting}"

    @property
    def accepted(self) -> str:
        """What the option takes: a class, or settings of a class that it knows itself."""
        if self.kind is None or self.named:
            example = f", such as {_CLASSES[self.option]}" if self.option in _CLASSES else ""
            return f"the full name of a class{example}"
        return f"{', '.join(self.settings)}, or null"

    @property
    def settings(self) -> list[str]:
        """The dotted keys of the class' settings."""
        if self.kind is None:
            return []
        names = inspect.signature(self.kind).parameters
        return [f"{self.prefix}.{name}" for name in names if name not in _FILLED_IN]


def _place(message: str) -> _Place | None:
    keys = list(dict.fromkeys(_KEY.findall(message)))
    if not keys:
        return None
    given = _CLASS.search(message)
    members = _MEMBER.findall(message)
    ours = [name for name in members if name.startswith("lit_mnist.")]
    path = given[1] if given else next(iter(ours), None)
    named = given is not None and path not in members
    setting = keys[-1] if len(keys) > 1 else None
    return _Place(keys[0], setting, None if path is None else _attribute(path), named)


def _attribute(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError):
        return None
    return found if isinstance(found, type) else None


def _explained(message: str, place: _Place) -> str | None:
    """Return the message for a value that is no class, lacks a setting, or has another type."""
    if match := _NO_ATTRIBUTE.search(message):
        module, name = match.groups()
        choices = _classes(importlib.import_module(module))
        return f"{place.option}: no class {module}.{name}; {nearest(f'{module}.{name}', choices)}"
    if match := _REQUIRED.search(message):
        return f"{place.option} needs {match[1]}; accepted: {', '.join(place.settings)}"
    value = _value(message)
    accepted = _accepted(message, value, place)
    return None if accepted is None else f"{place.key} = {value!r} cannot work; {accepted}"


def _value(message: str) -> str:
    values = [match[1] or match[2] for match in _VALUE.finditer(message)]
    plain = [value for value in values if not value.startswith("Namespace(")]
    if not plain and (match := _NO_CLASS.search(message)):
        return match[1] or ""
    return next(iter(plain), "").rstrip(".")


def _accepted(message: str, value: str, place: _Place) -> str | None:
    """Return the accepted words, types or classes as a clause; None where the message has none."""
    kinds = _KINDS.search(message)
    listed = kinds[1] or kinds[2] if kinds else ""
    words = re.findall(r"[^\s,']+", " ".join(_WORDS.findall(listed)))
    if words:
        others = re.sub(r"<class 'NoneType'>|[,\s]", "", _WORDS.sub("", listed))
        return None if others else nearest(value, dict.fromkeys(words))
    names = [name.rpartition(".")[2] for name in _EXPECTED.findall(message)]
    types = [_TYPES[name] for name in dict.fromkeys(names) if name in _TYPES]
    if place.setting is not None:
        types = [kind for kind in types if kind != _TYPES["NoneType"]]
    elif types in ([], [_TYPES["NoneType"]]) and (place.kind or _NO_CLASS.search(message)):
        return f"accepted: {place.accepted}"
    return f"accepted: {' or '.join(types)}" if types else None


def _classes(module: ModuleType) -> list[str]:
    """Return the full names of the public classes that a module or its own modules define."""
    return [
        f"{module.__name__}.{name}"
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__.startswith(module.__name__)
        and not (name.startswith("_") or inspect.isabstract(value))
        and not issubclass(value, Exception)
    ]


def _unknown(keys: str, place: _Place | None, known: list[str]) -> str:
    key = keys.split()[0].split("=")[0].lstrip("-")
    if place is not None and not key.startswith(place.option):
        known = place.settings or known
        key = f"{place.prefix}.{key}" if place.settings else f"{place.option}.{key}"
    level = key.rpartition(".")[0]
    near = [name for name in known if name.rpartition(".")[0] == level] or known
    choices = nearest(key, near)
    if len(near) > _SHOWN:
        choices = choices.split("Accepted:")[0] + "see --help for what is accepted"
    return f"unknown key or option {key!r}; {choices}"
