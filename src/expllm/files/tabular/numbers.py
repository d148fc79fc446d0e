"""Cells as numbers."""

import math
import re
from typing import Any, Final

MISSING_WORDS: Final = frozenset(
    (
        *("", ".", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "nan", "-nan", "na", "n/a", "n.a."),
        *("#n/a", "<na>", "null", "(null)", r"\n", "none", "nil", "missing", "undefined"),
    )
)
"""What R, pandas, Excel, SPSS, databases and people write where there is no value, in any case."""

_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?|[+-]?,\d+")
_DOT_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
_DECIMAL_DOT: Final = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")


def number(cell: Any) -> float | None:
    """A cell as a number; None for an empty cell, NaN or a word for a missing value.

    Raises:
        ValueError: it is something else; the message quotes it.
    """
    if cell is None:
        return None
    if isinstance(cell, bool):
        raise ValueError(f"{cell!r} is not a number")
    if isinstance(cell, str):
        text = cell.strip().replace("\N{MINUS SIGN}", "-")
        if text.casefold() in MISSING_WORDS:
            return None
        cell = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text.replace("_", "?")
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{str(cell)[:40]!r} is not a number") from None
    if math.isinf(value):
        raise ValueError(f"{str(cell)[:40]!r} is not a finite number")
    return None if math.isnan(value) else value


def comma_is_decimal(cells: list[str], delimiter: str) -> bool:
    """Whether the numbers of a table have a decimal comma: most of those that show which mark they have.

    `1,234` shows it only beside others. Alone it is a decimal where the comma does not part cells.
    """
    sure = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell)]
    dots = [cell for cell in cells if _DECIMAL_DOT.fullmatch(cell)]
    if sure or dots:
        return len(sure) > len(dots)
    return delimiter != "," and any(_THOUSANDS.fullmatch(cell) for cell in cells)


def with_decimal_point(cell: str) -> str:
    """A cell of a table with decimal commas: `1.234,5` becomes `1234.5`; what is no number stays."""
    text = cell.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text.replace(".", "") if _DOT_THOUSANDS.fullmatch(text) else cell
