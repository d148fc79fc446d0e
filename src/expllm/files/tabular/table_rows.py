"""What every file of rows is read into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TableRow:
    """One row of a file.

    Attributes:
        number: Its place, from 1; the header and blank lines do not count.
        cells: Column -> cell: text from CSV, any JSON value, any value of Parquet.
        problem: Why the row cannot be used as it stands; `cells` are those that could be read.
    """

    number: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
