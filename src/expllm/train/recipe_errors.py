"""Validates values from a file as pydantic dataclasses; errors are one line that names the key."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_T = TypeVar("_T")
_EXPECTED: Final = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "dict": "keys and values",
}
"""By the first word of pydantic's error types."""


def validated(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
    """An instance of the pydantic dataclass `kind`.

    Args:
        where: Path of the section, which messages put before a key: `train`, `stages.align`.

    Raises:
        UsageError: a key is unknown, or a value has the wrong type or is out of range.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: expected keys and values, not {values!r}")
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            raise UsageError(f"unknown key {where}.{key}: {nearest_name(str(key), names)}")
    try:
        return kind(**values)
    except ValidationError as error:
        raise UsageError(_line(error.errors(include_url=False), values, where)) from None


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or all of them."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"


def _line(errors: "list[ErrorDetails]", values: Mapping[str, Any], where: str) -> str:
    """The first problem; of a union's alternatives, the one that speaks of a key inside a given mapping."""
    key = str(errors[0]["loc"][0])
    of_key = [error for error in errors if error["loc"][0] == key]
    given = values.get(key)
    inside = [error for error in of_key if isinstance(given, dict) and error["loc"][-1] in given]
    error = (inside or of_key)[0]
    path = f"{where}.{key}.{error['loc'][-1]}" if inside else f"{where}.{key}"
    shown = list(error["input"]) if isinstance(error["input"], tuple) else error["input"]
    return f"{path} is {shown!r}: {_expected(error)}"


def _expected(error: "ErrorDetails") -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "greater_than_equal":
        return f"at least {context['ge']:g}"
    if kind == "less_than_equal":
        return f"at most {context['le']:g}"
    if kind == "literal_error":
        return f"use {context['expected']}"
    if kind in ("missing", "too_long"):
        return "two values"
    return _EXPECTED.get(kind.partition("_")[0], error["msg"])
