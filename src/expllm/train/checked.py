"""Values out of a file become a frozen dataclass, or an error that names the key and the nearest one."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from expllm.core.errors import UsageError

Made = TypeVar("Made")


def made(kind: type[Made], values: Mapping[str, Any], where: str) -> Made:
    """A value of the dataclass `kind`.

    Args:
        where: What messages put before a key.

    Raises:
        UsageError: a key is unknown, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: holds keys and values, not {values!r}")
    assert is_dataclass(kind)
    types = get_type_hints(kind)
    names = [one.name for one in fields(kind)]
    for key in values:
        if key not in names:
            raise UsageError(f"unknown key {where}.{key}: {nearest(str(key), names)}")
    checked = {key: _checked(value, types[key], f"{where}.{key}") for key, value in values.items()}
    return kind(**checked)


def at_least(values: object, where: str, least: int, names: Iterable[str]) -> None:
    """Raises UsageError where an attribute is below `least`, or not a number; None is fine."""
    for name in names:
        value = getattr(values, name)
        if value is not None and not value >= least:  # NaN is not either
            raise UsageError(f"{where}.{name} is {value}: at least {least}")


_PLAIN: Final = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _checked(value: Any, kind: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _one_of(value, get_args(kind), where)
    if origin is Literal:
        if value not in get_args(kind):
            raise UsageError(f"{where} is {value!r}: one of {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        kinds = get_args(kind)
        if not isinstance(items, list | tuple):
            raise UsageError(f"{where} is {value!r}: a list")
        if Ellipsis not in kinds and len(items) != len(kinds):
            raise UsageError(f"{where} is {value!r}: {len(kinds)} values")
        return tuple(_checked(item, kinds[0], where) for item in items)
    if origin is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{where} is {value!r}: keys and values")
        kind = get_args(kind)[1]
        if kind is Any:
            return value
        return {key: _checked(one, kind, f"{where}.{key}") for key, one in value.items()}
    return _plain(value, kind, where)


def _plain(value: Any, kind: type, where: str) -> Any:
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 5e-4 as a text
        with suppress(ValueError):
            value = float(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"{where} is {value!r}: {_PLAIN[kind]}")
    return value


def _one_of(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    if isinstance(value, dict):  # so that what is wrong inside is told
        kinds = tuple(kind for kind in kinds if get_origin(kind) is dict) or kinds
    problems = []
    for kind in kinds:
        if kind is NoneType:
            continue
        try:
            return _checked(value, kind, where)
        except UsageError as error:
            problems.append(error)
    raise problems[0]


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant, or all there is."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
