"""Layout of Python statements as Black and ruff format do it, for the few forms that exports
write.
"""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 88  # the default of Black and ruff
_OPEN = "([{"
_CLOSE = ")]}"
_OPERATORS = (" + ", " - ", " * ", " / ")


def reflow(head: str, expression: str, indent: int = 0, comment: str | None = None) -> list[str]:
    """Return the lines of ``head expression``, such as ``x = F.relu(x)``, with a comment after or
    above it.

    A long expression is split as Black splits it: at its last brackets, at the commas inside them,
    or at its operators.
    """
    margin = " " * indent
    note = f"  # {comment}" if comment else ""
    if len(margin + head + expression + note) <= WIDTH:
        return [margin + head + expression + note]
    above = [f"{margin}# {comment}"] if comment else []
    return above + _split(head, expression, "", indent)


def _split(head: str, expression: str, tail: str, indent: int) -> list[str]:
    margin = " " * indent
    whole = margin + head + expression + tail
    if len(whole) <= WIDTH:
        return [whole]
    parts = list(_parts(expression, (", ",)))
    if len(parts) > 1:  # a tuple without brackets
        return [f"{margin}{head}(", *_each(parts, indent + 4), f"{margin}){tail}"]
    if len(list(_parts(expression, _OPERATORS))) > 1:
        return _operation(head, expression, tail, indent)
    start = _last_brackets(expression)
    if start is None:
        return [whole]
    body = expression[start + 1 : -1]
    inner = " " * (indent + 4)
    if len(margin + head + expression[: start + 1]) > WIDTH >= len(inner + expression):
        return [f"{margin}{head}(", inner + expression, f"{margin}){tail}"]
    lines = (
        [inner + body]
        if len(inner + body) <= WIDTH
        else _each(list(_parts(body, (", ",))), indent + 4)
    )
    return [margin + head + expression[: start + 1], *lines, margin + expression[-1] + tail]


def _each(items: list[str], indent: int) -> list[str]:
    return [line for item in items for line in _split("", item, ",", indent)]


def _operation(head: str, expression: str, tail: str, indent: int) -> list[str]:
    margin = " " * indent
    inner = " " * (indent + 4)
    if len(inner + expression) <= WIDTH:
        return [f"{margin}{head}(", inner + expression, f"{margin}){tail}"]
    outer = (" + ", " - ") if len(list(_parts(expression, (" + ", " - ")))) > 1 else _OPERATORS
    lines: list[str] = []
    operator = ""
    rest = expression
    for operand in _parts(expression, outer):
        lines += _split(operator, operand, "", indent + 4)
        rest = rest[len(operand) :]
        operator = rest[1:3]
        rest = rest[3:]
    return [f"{margin}{head}(", *lines, f"{margin}){tail}"]


def _parts(text: str, separators: tuple[str, ...]) -> Iterator[str]:
    """Yield the parts between `separators` (all of one length) that are outside brackets and
    quotes.
    """
    start = 0
    for place, depth in enumerate(_depths(text)):
        if depth == 0 and place >= start and text.startswith(separators, place):
            yield text[start:place]
            start = place + len(separators[0])
    yield text[start:].removesuffix(",")


def _last_brackets(text: str) -> int | None:
    """Return where the last brackets open, if `text` ends with their end."""
    if not text or text[-1] not in _CLOSE:
        return None
    depths = list(_depths(text))
    return max(place for place, depth in enumerate(depths) if depth == 0 and text[place] in _OPEN)


def _depths(text: str) -> Iterator[int]:
    """Yield how many brackets are open before each character; a quote counts as one more
    bracket.
    """
    depth = 0
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in _CLOSE:
            depth -= 1
        yield depth + quoted
        if not quoted and character in _OPEN:
            depth += 1
