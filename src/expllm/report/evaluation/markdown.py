"""The tables of a report as Markdown, to be put into a paper or a README."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from expllm.core.errors import one_line
from expllm.report.evaluation.paper_tables import Column, ReportTable

_SIGN: Final = 'Columns marked "paper" hold published figures'


def is_our_markdown(path: Path) -> bool:
    """Whether a file may be overwritten with tables: it is not there, or holds such tables."""
    try:
        return _SIGN in path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    except OSError:
        return not path.exists()


def tables_markdown(title: str, tables: Sequence[ReportTable], left_out: Sequence[str], source: str) -> str:
    """A document of tables; rows of the reported runs are bold, columns say whose figures they hold.

    Args:
        title: Its heading.
        tables: In their order.
        left_out: Sentences about what is not there.
        source: Where the paper's figures come from.
    """
    return "\n".join(_lines(title, tables, left_out, source))


def _lines(title: str, tables: Sequence[ReportTable], left_out: Sequence[str], source: str) -> Iterator[str]:
    yield f"# {_cell(title)}\n"
    yield f"{_SIGN}: {source}."
    yield 'Columns marked "here" were computed from saved answers, with 95 % intervals in brackets.\n'
    for table in tables:
        yield f"## {_cell(table.heading)}\n"
        yield _row([_head(column) for column in table.columns])
        yield _row(["---", *("---:" for _ in table.columns[1:])])
        for row, own in zip(table.rows, table.own, strict=True):
            name = _cell(row[0])
            yield _row([f"**{name}**" if own else name, *map(_cell, row[1:])])
        yield ""
        yield from (f"{_cell(note)}\n" for note in table.notes)
    if left_out:
        yield "## Left out\n"
        yield from (f"* {_cell(line)}" for line in left_out)
        yield ""


def _head(column: Column) -> str:
    return _cell(f"{column.name} ({column.source})" if column.source else column.name)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """One line in which nothing begins a new cell, markup or HTML."""
    plain = one_line(text)
    for mark in "\\|*_`[]<>":
        plain = plain.replace(mark, f"\\{mark}")
    # In a figure's interval brackets are meant, and no link can come of them.
    return plain.replace("\\[", "[").replace("\\]", "]") if "](" not in plain.replace("\\", "") else plain
