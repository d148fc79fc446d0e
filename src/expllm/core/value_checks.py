"""Validates values from a file as pydantic dataclasses; errors are one line that names the key."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ConfigDict, ValidationError

from expllm.core.errors import ExpllmError, UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_T = TypeVar("_T")
STRICT: Final = ConfigDict(strict=True)
"""No number for a truth value, no text for a number; no mapping for a dataclass inside."""
KNOWN: Final = ConfigDict(extra="forbid")
"""For dataclasses inside others, whose unknown keys pydantic would pass over."""
_EXPECTED: Final = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "keys and values",
    "dataclass": "keys and values",
}
"""By the first word of pydantic's error types."""


def validated(
    kind: type[_T], values: Mapping[str, Any], where: str = "", error: type[ExpllmError] = UsageError
) -> _T:
    """An instance of the pydantic dataclass `kind`.

    Args:
        where: Path of the section, which messages put before a key: `train`, `stages.align`.
        error: What is raised.

    Raises:
        UsageError, or `error`: a key is missing or unknown, or a value has the wrong type or is out of range.
    """
    if not isinstance(values, Mapping):
        raise error(f"{where}: expected keys and values, not {values!r}")
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            raise error(f"unknown key {_dotted(where, key)}: {nearest_name(str(key), names)}")
    try:
        return kind(**values)
    except ValidationError as problem:
        raise error(_line(problem.errors(include_url=False), values, where)) from None


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or all of them."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"


def _line(errors: "list[ErrorDetails]", values: Mapping[str, Any], where: str) -> str:
    """The first problem; of a union's alternatives, the one that leads to a key inside a given mapping."""
    of_key = [error for error in errors if error["loc"][:1] == errors[0]["loc"][:1]]
    error = max(of_key, key=lambda one: len(list(_keys(one, values))))
    path, kind = _dotted(where, *_keys(error, values)), error["type"]
    if kind == "missing" and isinstance(error["loc"][-1], str):
        return f"lacks the key {_dotted(path, error['loc'][-1])!r}"
    if kind == "unexpected_keyword_argument":
        return f"unknown key {path}: remove it"
    if kind == "value_error":  # a validator of ours: "must be rising"
        return f"{path} {error['ctx']['error']}"
    shown = list(error["input"]) if isinstance(error["input"], tuple) else error["input"]
    return f"{path} is {shown!r}: {_expected(error)}"


def _keys(error: "ErrorDetails", values: Mapping[str, Any]) -> Iterator[str]:
    """The keys that lead to what is wrong; pydantic also names places in lists and branches of unions."""
    place: object = values
    for step in error["loc"]:
        if isinstance(place, Mapping) and step in place:
            place = place[step]
            yield str(step)


def _dotted(*names: str) -> str:
    return ".".join(filter(None, names))


def _expected(error: "ErrorDetails") -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "greater_than_equal":
        return f"at least {context['ge']:g}"
    if kind == "less_than_equal":
        return f"at most {context['le']:g}"
    if kind in ("literal_error", "enum"):
        return f"use {context['expected']}"
    if kind in ("missing", "too_long"):
        return "two values"
    return _EXPECTED.get(kind.partition("_")[0], error["msg"])
