"""Analyses -> text, JSON, JSON Lines, CSV, Parquet or HTML, one input at a time.

Memory does not grow with the number of inputs. Where it goes: `expllm.files.atomic`.
"""

import csv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self

from expllm.core.errors import UsageError
from expllm.core.records import FaceAnalysis
from expllm.report.columns import OutputRow, row_maker

if TYPE_CHECKING:
    from expllm.files.images import Picture

OUTPUT_FORMATS: Final = ("text", "json", "jsonl", "csv", "parquet", "html")
BINARY_FORMATS: Final = ("parquet",)
TABLE_FORMATS: Final = ("csv", "parquet")
PARQUET_BATCH: Final = 512
"""Rows that are kept in memory before they are written as one row group."""


def format_for(output: str | None, chosen: str | None) -> str:
    """The format: as chosen, else by the suffix of the output file, else text.

    Raises:
        UsageError: unknown format or suffix, or Parquet without a file.
    """
    if chosen is not None and chosen not in OUTPUT_FORMATS:
        raise UsageError(f"no format {chosen!r}: use one of {', '.join(OUTPUT_FORMATS)}")
    suffix = Path(output).suffix.lower().lstrip(".") if output else ""
    by_suffix = {"txt": "text", "htm": "html", "ndjson": "jsonl", "pq": "parquet"}.get(suffix, suffix)
    if chosen is None and output and by_suffix not in OUTPUT_FORMATS:
        raise UsageError(f"cannot tell the format of {output!r}: add --format {'|'.join(OUTPUT_FORMATS)}")
    format_ = chosen or (by_suffix if output else "text")
    if format_ in BINARY_FORMATS and not output:
        raise UsageError(f"{format_} goes into a file: add -o FILE.{format_}")
    return format_


class OutputWriter:
    """Writes the analyses of one input after another. Subclasses say how."""

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        """Takes the analyses of one input, and its picture where there is one."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:  # a broken-off file is thrown away, so nothing needs to be ended
            self.finish()

    def finish(self) -> None:
        """Writes what belongs at the end."""


class TerminalWriter(OutputWriter):
    """What a person reads: see `cli.view`. `render` turns analyses into something that rich prints."""

    def __init__(self, file: IO[str], render: Callable[[list[FaceAnalysis]], Any]) -> None:
        from rich.console import Console

        self._file = file
        self._console = Console(file=file, highlight=False, soft_wrap=False)
        self._render = render

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        if analyses:
            with self._console.capture() as drawn:  # written by us: on a closed pipe rich would exit with 1
                self._console.print(self._render(analyses))
            self._file.write(drawn.get())
            self._file.flush()


class JsonLinesWriter(OutputWriter):
    """One face a line."""

    def __init__(self, file: IO[str], landmarks: bool = False) -> None:
        self._file = file
        self._landmarks = landmarks

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        for analysis in analyses:
            self._file.write(analysis.to_json(landmarks=self._landmarks) + "\n")


class JsonWriter(JsonLinesWriter):
    """One array of faces."""

    def __init__(self, file: IO[str], landmarks: bool = False) -> None:
        super().__init__(file, landmarks)
        self._separator = "[\n"

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        for analysis in analyses:
            self._file.write(self._separator + analysis.to_json(landmarks=self._landmarks))
            self._separator = ",\n"

    def finish(self) -> None:
        self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")


class CsvWriter(OutputWriter):
    """One face a row, the header first, even if no row follows."""

    def __init__(self, file: IO[str], row_of: Callable[[FaceAnalysis], OutputRow]) -> None:
        self._row_of = row_of
        blank = row_of(FaceAnalysis(input="", status="no_face"))
        self._table = csv.DictWriter(file, list(blank), lineterminator="\n")
        self._table.writeheader()

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        self._table.writerows(self._row_of(analysis) for analysis in analyses)


class ParquetWriter(OutputWriter):
    """One face a row; columns keep their type where every value is missing."""

    def __init__(self, file: IO[bytes], row_of: Callable[[FaceAnalysis], OutputRow]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._row_of = row_of
        blank = row_of(FaceAnalysis(input="", status="no_face"))
        self._schema = pa.schema([(name, _arrow_type(name)) for name in blank])
        self._table_of = pa.Table.from_pylist
        self._parquet = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[OutputRow] = []

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        self._rows += [self._row_of(analysis) for analysis in analyses]
        if len(self._rows) >= PARQUET_BATCH:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:  # else pyarrow would try to end a broken-off file when it is collected, and complain aloud
            with suppress(Exception):
                self._parquet.close()
            self._parquet.is_open = False

    def finish(self) -> None:
        self._flush()
        self._parquet.close()

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_table(self._table_of(self._rows, schema=self._schema))
            self._rows = []


def _arrow_type(column: str) -> Any:
    import pyarrow as pa

    from expllm.report.columns import INTEGER_COLUMNS, TEXT_COLUMNS

    if column in INTEGER_COLUMNS or column.endswith("_c"):
        return pa.int32()
    return pa.string() if column in TEXT_COLUMNS else pa.float64()


class HtmlWriter(OutputWriter):
    """One self-contained page."""

    def __init__(self, file: IO[str]) -> None:
        from expllm.report import HtmlReport

        self._page = HtmlReport(file).__enter__()

    def write(self, analyses: list[FaceAnalysis], picture: "Picture | None") -> None:
        self._page.add(picture, analyses)

    def finish(self) -> None:
        self._page.__exit__(None, None, None)


def writer_for(
    format_: str,
    file: IO[Any],
    *,
    columns: str = "expllm",
    explain: bool = True,
    landmarks: bool = False,
    render: Callable[[list[FaceAnalysis]], Any],
) -> OutputWriter:
    """The writer of a format.

    Raises:
        UsageError: the format or the column set does not exist.
    """
    row_of = row_maker(columns, explain=explain)
    makers: dict[str, Callable[[], OutputWriter]] = {
        "text": lambda: TerminalWriter(file, render),
        "json": lambda: JsonWriter(file, landmarks),
        "jsonl": lambda: JsonLinesWriter(file, landmarks),
        "csv": lambda: CsvWriter(file, row_of),
        "parquet": lambda: ParquetWriter(file, row_of),
        "html": lambda: HtmlWriter(file),
    }
    return makers[format_]()
