"""JSON and JSON Lines, told apart by what is in them."""

import json
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from expllm.core.errors import RecordError
from expllm.files.tabular.encodings import encoding_of
from expllm.files.tabular.table_rows import TableRow


class _TwiceNamed(dict[str, Any]):
    """An object in which a key stands twice, or that holds such an object: which of the two counts?"""

    def __init__(self, values: dict[str, Any], key: str) -> None:
        super().__init__(values)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What the decoder makes of an object; Python's own takes the last of two values without a word."""
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        return _TwiceNamed(values, next(key for key, count in counts.items() if count > 1))
    for value in values.values():
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, _TwiceNamed):
                return _TwiceNamed(values, inner.key)
    return values


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def json_rows(path: Path) -> Iterator[TableRow]:
    """The objects of a JSON array, of JSON Lines (read line by line), or a single one.

    A line that is no object is a row with a problem. What stands behind a fault in an array cannot be found
    any more: it is one row with a problem, the last.

    Raises:
        RecordError: it cannot be read, is not text, or is nested too deeply.
    """
    encoding = encoding_of(path)
    try:
        # Only \n and \r\n end a line: U+2028 and its like are letters of a string, a file's name for example.
        with open(path, encoding=encoding, newline="\n") as file:
            first = next((line for line in file if line.strip()), "")
            if first.lstrip().startswith("[") or not _whole(first):
                file.seek(0)
                text = file.read()
                if (values := _values(text)) is not None:
                    yield from values
                    return
            file.seek(0)
            yield from _lines(file)
    except RecursionError:
        raise RecordError(f"{path}: the JSON is nested too deeply") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as text ({error})") from None


def _whole(line: str) -> bool:
    try:
        json.loads(line.rstrip().removesuffix(","))
    except ValueError:
        return False
    return True


def _values(text: str) -> Iterator[TableRow] | None:
    """The rows of an array, or a single object written over several lines; None for JSON Lines."""
    try:
        value = _DECODER.decode(text)
    except ValueError:
        if text.lstrip().startswith("["):
            return _of_broken_array(text)
        return _one_after_another(text) if _spans_lines(text) else None
    return (_row(number, one) for number, one in enumerate(value if isinstance(value, list) else [value], 1))


def _spans_lines(text: str) -> bool:
    """Whether a text begins with an object over several lines."""
    begin = _skip(text, 0)
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except ValueError:
        return False
    return isinstance(value, dict) and "\n" in text[begin:end]


def _one_after_another(text: str) -> Iterator[TableRow]:
    """Objects written over several lines each, as `jq` prints them, with or without commas between."""
    yield from _scanned(text, _skip(text, 0))


def _of_broken_array(text: str) -> Iterator[TableRow]:
    """What can be read of an array that is damaged, and where it ends instead of its bracket."""
    end = yield from _scanned(text, _skip(text, text.index("[") + 1), closing="]")
    if end is not None:
        rest = "is not valid JSON" if end.at < len(text) else "is cut short: it does not end with ]"
        yield TableRow(end.number + 1, problem=f"the array {rest}")


class _End(NamedTuple):
    """Where a run of values ended, and how many there were."""

    at: int
    number: int


def _scanned(text: str, at: int, closing: str = "") -> Generator[TableRow, None, _End | None]:
    """Values one behind the other, with or without commas between, up to `closing` or the text's end.

    Returns:
        None where one cannot be read: what is behind it is lost.
    """
    number = 0
    while at < len(text) and not (closing and text[at] == closing):
        number += 1
        try:
            value, at = _DECODER.raw_decode(text, at)
        except ValueError as error:
            yield TableRow(
                number, problem=f"not JSON, or cut short, and all behind it is lost ({_why(error)})"
            )
            return None
        yield _row(number, value)
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at
    return _End(at, number)


def _why(error: ValueError) -> str:
    """The decoder's words; Python's own are about its settings."""
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number has too many digits"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _lines(file: Iterator[str]) -> Iterator[TableRow]:
    number = 0
    for line_number, line in enumerate(file, start=1):
        if line.strip():
            number += 1
            try:
                value = _DECODER.decode(line.rstrip().removesuffix(","))
            except ValueError as error:
                reason = f"line {line_number} is not JSON, or cut short ({_why(error)})"
                yield TableRow(number, problem=reason)
            else:
                yield _row(number, value)


def _row(number: int, value: Any) -> TableRow:
    if not isinstance(value, dict):
        return TableRow(number, problem="not a JSON object")
    if isinstance(value, _TwiceNamed):
        return TableRow(number, value, f"the key {value.key!r} is there twice: leave one of them")
    return TableRow(number, value)
