"""Messages of jsonargparse, rewritten to name the key, quote the value and suggest the nearest
match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import nearest

_UNKNOWN = (
    re.compile(r"[Uu]nrecognized arguments: (?P<keys>.+)"),
    re.compile(r"[Kk]ey '(?P<keys>[^']+)' is not expected"),
    re.compile(r"No action for key '(?P<keys>[^']+)'"),
    re.compile(r"Option '(?P<keys>[^']+)' is not accepted"),
)
_VALUE = re.compile(r"(?P<key>[\w.]+)\"?:.*(?:Given|Got) value: (?P<value>\S*)", re.S)
_KINDS = re.compile(r"Subtypes: \[(.+)\]\n|Expected a (.+)\. Got")
_WORDS = re.compile(r"(?:typing\.)?Literal\[([^\]]*)\]")
_LONGEST = 400
_SHOWN = 12  # a list of every option would bury the message


def explain(message: str, known: Iterable[str]) -> str:
    """Return `message` on at most two lines; `known` lists the accepted dotted keys."""
    message = re.sub(r"^(error: )+", "", message.strip())
    for pattern in _UNKNOWN:
        if match := pattern.search(message):
            return _unknown(match["keys"], message, list(known))
    if "arguments are required: fit.model.network" in message:
        return (
            "fit needs --config: a YAML file that describes model.network, such as configs/cnn.yaml"
        )
    if choice := _choice(message):
        return choice
    message = re.sub(
        r'Parser key "([^"]+)":?', r"\1:", re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", message)
    )
    lines = [line.strip(" -\t") for line in message.splitlines() if line.strip()]
    text = re.sub(r":;", ":", "; ".join(dict.fromkeys(lines)))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _choice(message: str) -> str | None:
    """Return the message for a value that should be one of several words; None for other
    messages.
    """
    match = _VALUE.search(message)
    kinds = _KINDS.search(message)
    accepted = kinds[1] or kinds[2] if kinds else ""
    if (
        match is None
        or re.sub(r"<class 'NoneType'>|[,\s]", "", _WORDS.sub("", accepted))
        or not accepted
    ):
        return None
    words = re.findall(r"[^\s,']+", " ".join(_WORDS.findall(accepted)))
    suggestion = nearest(match["value"], dict.fromkeys(words))
    return f"{match['key']} = {match['value']!r} cannot work; {suggestion}"


def _unknown(keys: str, message: str, known: list[str]) -> str:
    key = keys.split()[0].split("=")[0].lstrip("-")
    prefix = re.search(r'[Pp]arser key "([^"]+)"', message)
    full = f"{prefix[1]}.{key}" if prefix and not key.startswith(prefix[1]) else key
    level = full.rpartition(".")[0]
    near = [name for name in known if name.rpartition(".")[0] == level] or known
    choices = nearest(full, near)
    if len(near) > _SHOWN:
        choices = choices.split("Accepted:")[0] + "see --help for what is accepted"
    return f"unknown key or option {full!r}; {choices}"
