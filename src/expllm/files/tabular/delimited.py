"""CSV and its kin: any usual delimiter, decimal mark and encoding, told by what is in the file."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Final

from expllm.core.errors import RecordError
from expllm.files.tabular.encodings import encoding_of
from expllm.files.tabular.numbers import comma_is_decimal, with_decimal_point
from expllm.files.tabular.table_rows import TableRow

DELIMITERS: Final = (",", ";", "\t", "|")
SNIFFED_ROWS: Final = 500
"""Rows whose numbers say which decimal mark a table has."""

_LONGEST_LINE: Final = 1 << 20
_LOOKED_AT: Final = 20
"""Lines among which the header is."""
FEWEST_BELOW_A_TITLE: Final = 3
BLANK: Final = " "
REPEATED: Final = "the header once more: tables were joined here"


@dataclass(frozen=True)
class DelimitedFile:
    """A CSV file: its header, and its rows as often as they are asked for, in constant memory.

    Raises:
        RecordError: on use: it cannot be read, or is not text.
    """

    path: Path

    @cached_property
    def encoding(self) -> str:
        """How the text is encoded."""
        return encoding_of(self.path)

    @cached_property
    def delimiter(self) -> str:
        """What parts the cells: as Excel's first line `sep=;` says, else what gives most columns."""
        return self._start.delimiter

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, without the blanks around them; R leaves that of row names out: ""."""
        names, *rows = [row.cells for row in islice(self._raw(), 1 + SNIFFED_ROWS)] or [[]]
        header = tuple(name.strip() for name in names)
        unnamed = bool(rows) and all(len(row) == len(header) + 1 and row[-1].strip() for row in rows)
        return ("", *header) if unnamed else header

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether numbers are written as 0,5."""
        sample = islice(self._raw(), 1, 1 + SNIFFED_ROWS)
        return comma_is_decimal([cell.strip() for row in sample for cell in row.cells], self.delimiter)

    def rows(self) -> Iterator[TableRow]:
        """Every row behind the header. Rows of empty cells at the end of a file are none."""
        header, number, blank = self.header, 0, 0
        raw = self._raw()
        next(raw, None)
        for row in raw:
            if not row.problem and not any(cell.strip() for cell in row.cells):
                blank += 1
                continue
            for _ in range(blank):  # a row of empty cells before others is one: a frame without a face
                number += 1
                yield TableRow(number, dict.fromkeys(header, ""))
            number, blank = number + 1, 0
            again = tuple(cell.strip() for cell in row.cells) == header
            yield TableRow(number, problem=REPEATED) if again else self._row(number, row)

    def _row(self, number: int, raw: "_RawRow") -> TableRow:
        texts = [with_decimal_point(cell) for cell in raw.cells] if self.decimal_comma else raw.cells
        cells = dict(zip(self.header, texts, strict=False))
        return TableRow(number, cells, raw.problem or _wrong_length(raw.cells, self.header))

    def _raw(self) -> Iterator["_RawRow"]:
        """The cells of each line that is not blank, the header first."""
        try:
            with open(self.path, encoding=self.encoding, newline="") as file:
                for _ in range(self._start.lines):
                    file.readline()
                yield from _raw_rows(file, self.delimiter)
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"{self.path}: cannot be read as text ({error})") from None

    @cached_property
    def _start(self) -> "_Start":
        with open(self.path, encoding=self.encoding, newline="") as file:
            lines = [line for _ in range(_LOOKED_AT) if (line := file.readline(_LONGEST_LINE))]
        return _start_of(lines)


@dataclass(frozen=True)
class _Start:
    """How a table begins.

    Attributes:
        lines: That stand before the header: blank ones, `sep=;`, comments, a title.
        delimiter: What parts the cells.
    """

    lines: int
    delimiter: str


def _start_of(lines: list[str]) -> _Start:
    told = None
    written = [(place, line) for place, line in enumerate(lines) if line.strip()]
    if written and (told := _told_delimiter(written[0][1])) is not None:
        del written[0]
    while len(written) > 1 and _is_above(written[0][1], written[1][1], told):
        del written[0]
    if not written:
        return _Start(len(lines), told or DELIMITERS[0])
    header, below = written[0][1], written[1][1] if len(written) > 1 else ""
    return _Start(written[0][0], told or _delimiter_of(header, below))


def _is_above(line: str, below: str, told: str | None) -> bool:
    """Whether a line is a comment or a title, and not the header: that below it has other cells."""
    counts = [len(_cells(one, told or _delimiter_of(one, ""))) for one in (line, below)]
    if line.lstrip().startswith("#"):
        return below.lstrip().startswith("#") or counts[0] != counts[1]
    return counts[0] == 1 and counts[1] >= FEWEST_BELOW_A_TITLE


def _delimiter_of(header: str, below: str) -> str:
    """What gives most columns; blanks where nothing else parts the header, and the row below it as well."""
    best = max(DELIMITERS, key=lambda delimiter: len(_cells(header, delimiter)))
    names, cells = len(_cells(header, BLANK)), len(_cells(below, BLANK))
    aligned = names > 1 and cells - names in (0, 1)  # R writes names of rows, and none for their column
    return BLANK if aligned and len(_cells(header, best)) == 1 and len(_cells(below, best)) == 1 else best


@dataclass(frozen=True)
class _RawRow:
    cells: list[str] = field(default_factory=list)
    problem: str = ""


class _Lines:
    """Lines that can be gone back to: a stray quotation mark would swallow all those behind it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self._taken.append(line)
        return line

    def begin_row(self) -> None:
        self._taken.clear()

    def keep_first_only(self) -> None:
        """Gives the lines of a broken row, but for its first, out once more."""
        self._again.extendleft(reversed(self._taken[1:]))


def _raw_rows(file: IO[str], delimiter: str) -> Iterator[_RawRow]:
    lines = _Lines(file)
    # OpenFace 2 puts a blank behind each comma, in the header too.
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.keep_first_only()
            yield _RawRow(problem=f"not valid CSV ({error})")
            continue
        if cells:
            yield _RawRow(cells)


def _wrong_length(cells: list[str], header: tuple[str, ...]) -> str:
    """What is wrong with the number of cells; empty if nothing is."""
    if not cells or len(cells) == len(header):
        return ""
    if len(cells) < len(header):
        return f"cut off after {len(cells)} of {len(header)} cells"
    if not any(cell.strip() for cell in cells[len(header) :]):
        return ""  # a delimiter at the end of the line
    return f"{len(cells)} cells, but there are {len(header)} columns"


def _told_delimiter(line: str) -> str | None:
    told = line.strip("\r\n").lower()
    return told[4] if len(told) == 5 and told.startswith("sep=") else None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []
