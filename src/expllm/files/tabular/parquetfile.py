"""Parquet: the rows of one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import MissingData, RecordError
from expllm.files.tabular.table_rows import TableRow

_BATCH: Final = 2048


def open_parquet(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`; only its footer is read.

    Raises:
        MissingData: there is no such file.
        RecordError: it is no Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except FileNotFoundError:
        raise MissingData(f"{path}: no such file") from None
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise RecordError(f"{path}: not a whole Parquet file ({reason}); copy or download it again") from None


def parquet_header(path: Path) -> tuple[str, ...]:
    """The names of a Parquet file's columns."""
    with open_parquet(path) as file:
        return tuple(file.schema_arrow.names)


def plain_columns(path: Path) -> tuple[str, ...]:
    """The columns that hold numbers and texts: no pictures, no structures, no lists."""
    import pyarrow

    with open_parquet(path) as file:
        schema = file.schema_arrow
    types = pyarrow.types
    odd = (types.is_nested, types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return tuple(name for name in schema.names if not any(is_odd(schema.field(name).type) for is_odd in odd))


def starts_as_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # whoever opens it as text says why


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[TableRow]:
    """Every row with these columns only: others are not read from the disk.

    Raises:
        RecordError: the file is damaged; the message says after which row.
    """
    import pyarrow

    number = 0
    with open_parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for cells in batch.to_pylist():
                    number += 1
                    yield TableRow(number, cells)
        except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise RecordError(f"{path}: cannot be read after row {number} ({reason})") from None
