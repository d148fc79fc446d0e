"""What `expllm data check` prints. File names come from outside, so they are never markup."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from expllm.cli.cot_view import Narrow, text
from expllm.data.about import CAPTIONS, OWN
from expllm.data.check import CheckReport, MissingPlace

MOST_PLACES: Final = 8
"""Files that are named of each kind of trouble; the others are counted, and all of them stand in the JSON."""


def report_view(report: CheckReport) -> RenderableType:
    """A check in sentences and tables."""
    return Narrow(tuple(_parts(report)))


def _parts(report: CheckReport) -> Iterator[RenderableType]:
    faces = "pictures" if report.kind == CAPTIONS else "faces"
    yield text(f"{report.about.title}: {report.samples:,} of {report.rows:,} rows are {faces}.", "bold")
    yield text(_opened(report))
    if any(label for row in report.counts.values() for label in row):
        yield _classes(report)
    yield from (text(line) for line in _totals(report))
    yield from _places("missing", report.missing, "red")
    yield from _places("cannot be read", report.unreadable, "red")
    yield from _places("fewer than published", report.short, "red")
    yield from _places("duplicates", report.doubles, "yellow")
    yield from _places("one of several frames", report.animated, "yellow")
    if report.doubt:
        yield text(f"Note: {report.doubt}.", "yellow")
    if report.left_out:
        yield _left_out(report)
    if report.is_whole:
        yield text("The data set is complete.", "green")
    else:
        yield text("The data set is incomplete.", "bold red")
    yield Text()
    if report.about is not OWN:
        yield text(f"To obtain it: {report.about.obtain}.", "dim")
    yield text(f"Terms: {report.about.terms}", "dim")
    yield text(f"Fingerprint: {report.fingerprint}", "dim")


def _opened(report: CheckReport) -> str:
    if report.opened is None:
        return "No picture was opened."
    return f"{report.opened:,} pictures were opened and are whole."


def _classes(report: CheckReport) -> Table:
    """A row for each split and label; published counts beside those found, where they are known."""
    known = report.about.classes
    table = _table("split", "label", "faces", *(("published",) if known else ()))
    for split, found in report.counts.items():
        published = {str(label): count for label, count in known.get(split, {}).items()}
        for label in dict.fromkeys((*published, *sorted(found))):
            count = f"{found.get(label, 0):,}"
            beside = f"{published[label]:,}" if label in published else ""
            table.add_row(text(split or "-"), text(label or "-"), count, *((beside,) if known else ()))
    return table


def _totals(report: CheckReport) -> Iterator[str]:
    """Rows beside what was published; only where the whole of it was looked at."""
    for split, published in report.about.totals.items():
        said = " or ".join(f"{count:,}" for count in published)
        if not split and report.split is None:
            yield f"Rows: {report.rows:,}; published are {said} ({report.about.source})."
        elif split and report.split == split:
            yield f"Rows of {split}: {report.rows:,}; published are {said} ({report.about.source})."
        elif split in report.counts:
            found = sum(report.counts[split].values())
            yield f"Faces of {split}: {found:,}; published are {said} rows ({report.about.source})."


def _places(what: str, places: Sequence[MissingPlace], style: str) -> Iterator[RenderableType]:
    if not places:
        return
    yield text(f"{len(places):,} {what}:", style)
    for where, reason in places[:MOST_PLACES]:
        yield text(f"  {where}: {reason}")
    if len(places) > MOST_PLACES:
        yield text(f"  and {len(places) - MOST_PLACES:,} more (--json names all of them)")


def _left_out(report: CheckReport) -> Table:
    table = _table("left out because", "rows", words=1)
    ordered = sorted(report.left_out.items(), key=lambda item: -item[1])
    for reason, count in ordered[:MOST_PLACES]:
        table.add_row(text(reason), f"{count:,}")
    rest = sum(count for _, count in ordered[MOST_PLACES:])
    if rest:
        table.add_row(f"{len(ordered) - MOST_PLACES:,} other reasons", f"{rest:,}")
    return table


def _table(*headings: str, words: int = 2) -> Table:
    """A table whose first columns hold words, and the others figures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < words else "right", overflow="fold")
    return table
