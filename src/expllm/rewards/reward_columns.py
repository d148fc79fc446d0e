"""Columns of a data set as TRL hands them on: lists, arrays and tensors; names, JSON, numbers, and gaps.

A gap is None or NaN, as pandas writes it. What cannot be read is refused in one line and never passed over: a
column that counts for nothing teaches something else than was meant.
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from numbers import Real
from typing import Any, Final

from expllm.chat.final_text import final_text
from expllm.core.errors import RecordError
from expllm.core.vocabulary import AUVector, Expression

CompletionText = str | Sequence[Mapping[str, Any]]
"""A text, or messages with `content`: a text, or parts with `text`."""
_WHOLE: Final = (str, bytes, Mapping)
"""What has a length and is no column."""


def completion_text(completion: CompletionText) -> str:
    """The answer in a completion: of messages the last one, without the reasoning before it.

    Raises:
        RecordError: it is neither a text nor messages.

    >>> completion_text([{"role": "assistant", "content": "<think>Joy?</think>The brows are raised."}])
    'The brows are raised.'
    """
    if isinstance(completion, str):
        return final_text(completion).text
    if isinstance(completion, bytes | Mapping) or not _sized(completion):
        raise RecordError(
            f"a completion is a {type(completion).__name__}: give a text, or a list of messages"
        )
    message = completion[-1] if len(completion) else {}
    if not isinstance(message, Mapping):
        raise RecordError(f"a message is a {type(message).__name__}: give objects with role and content")
    return final_text(_content(message.get("content"))).text


def _content(content: Any) -> str:
    if content is None or isinstance(content, str):  # a message that only calls tools has none
        return content or ""
    return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content)


def column_rows(completions: Sequence[CompletionText], *columns: Any) -> Iterable[tuple[Any, ...]]:
    """Each text with its values of some columns; a column that is missing has None everywhere.

    Raises:
        RecordError: a column has another length, or is none.
    """
    filled = [_column(column, len(completions)) for column in columns]
    return zip(map(completion_text, completions), *filled, strict=False)


def _column(column: Any, count: int) -> Iterable[Any]:
    if column is None:
        return repeat(None)
    if isinstance(column, _WHOLE) or not _sized(column):
        raise RecordError(
            f"a column is a {type(column).__name__}: give a list, one value for each completion"
        )
    if len(column) not in (0, count):
        raise RecordError(f"{count} completions and {len(column)} values: give one for each")
    return column if len(column) else repeat(None)


def _sized(value: Any) -> bool:
    return isinstance(value, Collection) or (hasattr(value, "__len__") and hasattr(value, "__getitem__"))


def measured_units(row: Any) -> AUVector | None:
    """What was measured of a face; None where nothing was.

    Args:
        row: Name -> intensity; 24 numbers in FEAFA's order, or 31 with those of FACS alone; either as JSON;
            or None.

    Raises:
        RecordError: it is none of these.
        VocabularyError: a name is unknown, a value is outside 0-1, or there are not as many numbers.
    """
    value = _parsed(row, "aus")
    if value is None or isinstance(value, AUVector):
        found = value
    elif isinstance(value, Mapping):
        found = AUVector({name: None if _gap(one) else one for name, one in value.items()})
    elif _sized(value):
        found = AUVector.from_array(math.nan if one is None else one for one in value)
    else:
        raise RecordError(
            f"aus is a {type(value).__name__}: give names with intensities, or 24 or 31 numbers"
        )
    return found if found is not None and found.measured else None


def true_label(value: Any, column: str = "label") -> Expression | None:
    """The expression that a value of a column names; None for a gap.

    Raises:
        RecordError: it is a number, or no text: data sets number their labels differently.
        VocabularyError: there is no such expression.
    """
    if _gap(value):
        return None
    if isinstance(value, str):
        return Expression.parse(value)
    raise RecordError(
        f"{column} is {value!r}, and every data set numbers its labels differently: give names "
        "(ClassLabel.int2str)"
    )


def label_shares(value: Any) -> Mapping[str, float | None] | None:
    """Probabilities by expression, also as JSON; None for a gap.

    Raises:
        RecordError: it is something else.
    """
    found = _parsed(value, "label_probabilities")
    if found is None or isinstance(found, Mapping):
        return found and {name: None if _gap(share) else share for name, share in found.items()}
    raise RecordError(f"label_probabilities is a {type(found).__name__}: give expressions with probabilities")


def _parsed(value: Any, column: str) -> Any:
    """A value, read if it is JSON; None for a gap."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except ValueError:
            raise RecordError(f"{column} is the text {value[:40]!r}: give JSON, or an object") from None
    return None if _gap(value) else value


def _gap(value: Any) -> bool:
    """Whether nothing is known: None, NaN, pandas' NA."""
    nan = isinstance(value, Real) and math.isnan(value)
    return value is None or nan or type(value).__name__ == "NAType"
