"""Messages of jsonargparse, rewritten to name the key, quote the value and suggest the nearest
match.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import nearest

_UNKNOWN = (
    re.compile(r"[Uu]nrecognized arguments: (?P<keys>.+)"),
    re.compile(r"[Kk]ey '(?P<keys>[^']+)' is not expected"),
    re.compile(r"No action for key '(?P<keys>[^']+)'"),
    re.compile(r"Option '(?P<keys>[^']+)' is not accepted"),
    re.compile(r"does not accept option '(?P<keys>[^']+)'"),
)
_KEY = re.compile(r'[Pp]arser key "([^"]+)"')
_NAMED_CLASS = re.compile(r"class_path[ =]'([\w.]+)'|Import path (\S+) does not")
_PLAIN_CLASS = re.compile(r"<class '([\w.]+)'>")
_NO_CLASS = re.compile(
    "Expected a dot import path string|does not correspond to a subclass|Multiple subclasses"
    "|No module named|has no attribute|to be a subclass|[Nn]ot a valid subclass|callable class"
)
_NO_MAPPING = re.compile(r"no attribute 'keys'.*init_args=(.*)\)", re.S)
_NO_FILE = re.compile(r"Unable to load config '(.*?)'")
_REQUIRED = re.compile(r"arguments are required: (.+)")
_LINKED = re.compile(r'Linked "(\S+)" must be given via "(\S+)"')
_NO_VALUE = re.compile(r"argument (\S+): expected (?:at least )?one argument")
_FAILED = re.compile(r"Call to compute_fn of link .* failed: (.+)")
_EXPECTED = re.compile(r"(?:Expected an?|Not of type) (?:<class ')?([\w.]+)")
_VALUE = re.compile(
    r"(?:Given|Got) value: (?:NestedArg\(key='\w+', val=(?:'(.*?)'|(.*?))\)|(.*?))"
    r"(?=\. Got value: |\n|$)"
)
_UNION = re.compile(r"Subtypes: \[(.+)\]\n|Expected a (.+)\. Got")
_WORDS = re.compile(r"(?:typing\.)?Literal\[([^\]]*)\]")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Sequence": "a list",
    "list": "a list",
    "Iterable": "a list",
    "dict": "keys and values",
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or above",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number, 0 or above",
    "NoneType": "null",
}
# modules whose classes an option takes
_MODULES = {
    "model.optimizer": ("lit_mnist.training.optimizers", "torch.optim"),
    "model.schedule": ("lit_mnist.training.schedules", "torch.optim.lr_scheduler"),
    "trainer.callbacks": ("lightning.pytorch.callbacks", "lit_mnist.training.tensorboard"),
    "trainer.logger": ("lightning.pytorch.loggers",),
}
_FILLED_IN = ("self", "params", "optimizer")  # parameters that are no settings
_HIDDEN = ("help", "print_shtab", "print_config")
_SYNONYMS = {"lr": "learning_rate", "learning_rate": "lr"}
_LONGEST = 400
_LONGEST_VALUE = 80
_SHOWN = 12  # a list of every option would bury the message


def explain(message: str, known: Iterable[str]) -> str:
    """Return `message` on at most two lines; `known` lists the accepted dotted keys."""
    message = re.sub(r"^(error: )+", "", message.strip())
    place = _place(message)
    for pattern in _UNKNOWN:
        if match := pattern.search(message):
            if pattern is _UNKNOWN[0] and not match["keys"].startswith("-"):
                word = match["keys"].split()[0]
                return f"argument {word!r} belongs to no option; see --help for what is accepted"
            return _unknown(match["keys"], place, list(known))
    if "arguments are required: fit.model.network" in message:
        return (
            "fit needs --config: a YAML file that describes model.network, such as configs/cnn.yaml"
        )
    text = _of_the_command(message) if place is None else _of_a_value(message, place)
    return text or _shortened(message)


@dataclass(frozen=True)
class _Place:
    """Where an error is: an option, a setting of the class that it takes, and that class.

    With `named`, the configuration names the class, and its settings are below ``init_args``.
    """

    option: str
    setting: str | None
    path: str | None
    named: bool

    @property
    def prefix(self) -> str:
        """The dotted key above the class' settings."""
        return f"{self.option}.init_args" if self.named else self.option

    @property
    def key(self) -> str:
        """The dotted key of the wrong value."""
        return self.option if self.setting is None else f"{self.prefix}.{self.setting}"

    @property
    def settings(self) -> list[str]:
        """The dotted keys of the class' settings."""
        module, _, name = (self.path or "").rpartition(".")
        found = getattr(sys.modules.get(module), name, None)
        try:
            names = inspect.signature(found).parameters if isinstance(found, type) else {}
        except ValueError:  # a class of C
            return []
        return [f"{self.prefix}.{name}" for name in names if name not in _FILLED_IN]


def _place(message: str) -> _Place | None:
    keys = list(dict.fromkeys(_KEY.findall(message)))
    if not keys:
        return None
    given = _named_class(message)
    plain = _PLAIN_CLASS.findall(message)
    path = given or next((name for name in plain if name.startswith("lit_mnist.")), None)
    setting = keys[-1] if len(keys) > 1 and keys[-1] != keys[0] else None
    return _Place(keys[0], setting, path, given is not None and given not in plain)


def _named_class(message: str) -> str | None:
    match = _NAMED_CLASS.search(message)
    return None if match is None else match[1] or match[2]


def _of_the_command(message: str) -> str | None:
    """Return the text of an error that names no key of the configuration."""
    if match := _LINKED.search(message):
        return f"{match[1]} follows {match[2]}; accepted: --{match[2]}"
    if match := _REQUIRED.search(message):
        return f"needs --{match[1].replace(', ', ' and --')}; see --help for what is accepted"
    if match := _NO_VALUE.search(message):
        return f"{match[1]} has no value; see --help for what is accepted"
    if match := _FAILED.search(message):
        return match[1]
    if message.startswith("Does not validate") and "Errors:" in message:
        entries = [line.strip() for line in message.partition("Errors:")[2].splitlines()]
        reasons = [line[2:] for line in entries if line.startswith("- ")]
        reason = next((line for line in reasons if "Expected a" not in line), "")
        path = _named_class(message)
        if reason:
            return reason if path is None else f"{path.rpartition('.')[2]}: {reason}"
    return None


def _of_a_value(message: str, place: _Place) -> str | None:
    """Return the text of an error of one value of the configuration."""
    if match := _REQUIRED.search(message):
        owner = place.path.rpartition(".")[2] if place.named and place.path else place.option
        needs = f"{owner} needs {match[1]}"
        settings = ", ".join(key.rpartition(".")[2] for key in place.settings)
        where = f"{place.option}: {needs} in init_args" if place.named else needs
        return f"{where}; accepted: {settings}"
    if match := _NO_MAPPING.search(message):
        return _cannot_work(f"{place.option}.init_args", match[1], "keys and values")
    if match := _NO_FILE.search(message):
        return _cannot_work(place.option, match[1], f"keys below it, such as {place.option}.KEY")
    value = _value(message)
    types = [_TYPES[name] for name in _expected(message) if name in _TYPES]
    if place.setting is not None:  # null is the option's, not the setting's
        types = [kind for kind in types if kind != _TYPES["NoneType"]]
        return _cannot_work(place.key, value, " or ".join(types)) if types else None
    if words := re.findall(r"[^\s,']+", " ".join(_WORDS.findall(_union(message)))):
        others = [_TYPES[name] for name in ("bool", "NoneType") if _TYPES[name] in types]
        choices = [*words, *(word for kind in others for word in kind.split(" or "))]
        shown = nearest(str(value), dict.fromkeys(choices))
        return f"{place.option} = {_quoted(value)} cannot work; {shown}"
    if _NO_CLASS.search(message):
        return _no_class(message, place, value, types)
    return _cannot_work(place.option, value, " or ".join(types)) if types else None


def _expected(message: str) -> list[str]:
    names = (name.rpartition(".")[2] for name in _EXPECTED.findall(message))
    return list(dict.fromkeys(names))


def _union(message: str) -> str:
    match = _UNION.search(message)
    return "" if match is None else match[1] or match[2]


def _value(message: str) -> str | None:
    """Return the value as it was given; None where it is null or the message lacks it."""
    values = [next(filter(None, match.groups()), "") for match in _VALUE.finditer(message)]
    plain = [value.rstrip(".") for value in values if not value.startswith("Namespace(")]
    if plain:
        return None if plain[0] == "None" else plain[0]
    given = re.search(r"(?:import path string: |with name |to float: '|accessible: )(\w+)", message)
    return given[1] if given else None


def _quoted(value: str | None) -> str:
    if value is None:
        return "null"
    short = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..."
    return repr(short)


def _cannot_work(key: str, value: str | None, accepted: str) -> str:
    return f"{key} = {_quoted(value)} cannot work; accepted: {accepted}"


def _no_class(message: str, place: _Place, value: str | None, types: Sequence[str]) -> str:
    """Return the text for a value that is no class that the option takes."""
    given = _named_class(message) or value
    if place.settings and not place.named and place.option not in _MODULES:
        return _cannot_work(place.option, value, f"{', '.join(place.settings)}, or null")
    modules = _MODULES.get(place.option, ())
    close = _closest_class(given or "", modules)
    close = None if close == given else close
    hint = f"did you mean {close}? Accepted" if close else "accepted"
    classes = f"a class of {' or '.join(modules)}" if modules else "the full name of a class"
    accepted = " or ".join([classes, *types])
    return f"{place.option} = {_quoted(given)} cannot work; {hint}: {accepted}"


def _closest_class(given: str, modules: Sequence[str]) -> str | None:
    """Return the full name of the class of `modules` whose own name is most like that given."""
    names = {
        name: f"{module}.{name}"
        for module in reversed(modules)
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, type) and not name.startswith("_")
    }
    close = difflib.get_close_matches(given.rpartition(".")[2], names, 1, 0.6)
    return names[close[0]] if close else None


def _shortened(message: str) -> str:
    message = re.sub(
        r'Parser key "([^"]+)":?', r"\1:", re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", message)
    )
    lines = [line.strip(" -\t") for line in message.splitlines() if line.strip()]
    text = re.sub(r":;", ":", "; ".join(dict.fromkeys(lines)))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _unknown(keys: str, place: _Place | None, known: list[str]) -> str:
    """Return the text for an unknown key: of the class that an option takes, or of the command."""
    known = [name for name in known if name.rpartition(".")[2] not in _HIDDEN]
    key = keys.split()[0].split("=")[0].lstrip("-")
    if place is not None and not key.startswith(place.option):
        known = place.settings or known
        key = f"{place.prefix}.{key}" if place.settings else f"{place.option}.{key}"
    level, _, last = key.rpartition(".")
    near = [name for name in known if name.rpartition(".")[0] == level]
    same = [
        name for name in near or known if name.rpartition(".")[2] in (last, _SYNONYMS.get(last))
    ]
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    choices = nearest(key, near or known)
    if same or elsewhere:
        choices = f"did you mean {(same or elsewhere)[0]!r}? Accepted: {', '.join(near or known)}"
    if len(near or known) > _SHOWN:
        choices = choices.split("Accepted:")[0] + "see --help for what is accepted"
    return f"unknown key or option {key!r}; {choices}"
