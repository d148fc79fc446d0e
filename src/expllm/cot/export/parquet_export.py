"""Exports as Parquet: one table, or a folder that `datasets` loads with its pictures."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from expllm.core.vocabulary import AU_NAMES
from expllm.cot.explanation import CotRecord
from expllm.cot.export.parts import named_parts, row_bytes
from expllm.cot.export.selection import Selection, flat, picture, picture_name
from expllm.files.atomic_folders import durable_file

GROUP_ROWS: Final = 1000
GROUP_BYTES: Final = 16 * 2**20
"""A row group is written when it has so many rows or so many bytes of pictures: more is never in memory."""

SHARD_BYTES: Final = 256 * 2**20
"""A file of the folder has at most so many bytes before it is compressed; shards can be read side by side."""

_TEXT: Final = (
    "expression split status reason text key_observations overall_emotional_interpretation conclusion"
).split()
_COLUMNS: Final[Mapping[str, str]] = {
    "id": "string",
    **dict.fromkeys(_TEXT, "string"),
    "predictions": "list",
    "rounds": "int32",
    "hinted": "bool",
    **dict.fromkeys(AU_NAMES, "float64"),
    **dict.fromkeys("au_source writer model prompt_hash".split(), "string"),
    **dict.fromkeys("grounding recall".split(), "float64"),
    "refusals": "int32",
    "drafts": "int32",
}
MakeRow = Callable[[CotRecord, bytes | None], dict[str, Any]]
_PLACE: Final = {"image_path": "string", "image_row": "int64", "image_column": "string"}


def schema_of(columns: Mapping[str, str], *, pictures: bool = False) -> Any:
    """The Arrow schema; with pictures, a struct of bytes and path that `datasets` knows as an Image."""
    import pyarrow as pa

    types = {
        "string": pa.string(), "list": pa.list_(pa.string()), "bool": pa.bool_(), "int32": pa.int32(),
        "int64": pa.int64(), "float64": pa.float64(),
    }  # fmt: skip
    fields = [(name, types[kind]) for name, kind in columns.items()]
    if pictures:
        fields.insert(1, ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    return pa.schema(fields)


def hub_schema(*, pictures: bool) -> Any:
    """The schema of the folder, with the features as `datasets` keeps them in a Parquet file."""
    # "Sequence" is what releases of `datasets` before 4 know; the later ones read it as a List.
    features: dict[str, Any] = {
        name: {"feature": _value("string"), "_type": "Sequence"} if kind == "list" else _value(kind)
        for name, kind in _COLUMNS.items()
    }
    if pictures:
        features = {"id": features.pop("id"), "image": {"_type": "Image"}, **features}
    kept = json.dumps({"info": {"features": features}})
    return schema_of(_COLUMNS, pictures=pictures).with_metadata({"huggingface": kept})


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


class TableFile:
    """Rows into a Parquet file, a row group at a time."""

    def __init__(self, file: IO[bytes], schema: Any) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", store_schema=True)
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, row: dict[str, Any], size: int = 0) -> None:
        self._rows.append(row)
        self._bytes += size
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0

    def finish(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Else pyarrow would try to end a broken-off file when it is collected, and complain aloud."""
        with suppress(Exception):
            self._writer.close()
        self._writer.is_open = False


@contextmanager
def table_file(file: IO[bytes], schema: Any) -> Iterator[TableFile]:
    """A table that is ended if the block ends well."""
    table = TableFile(file, schema)
    try:
        yield table
        table.finish()
    finally:
        table.abandon()


def parquet_file(selection: Selection, file: IO[bytes]) -> None:
    """One table with a record a row; `image_path` says where the picture was."""
    with table_file(file, schema_of({**_COLUMNS, **_PLACE})) as table:
        for record in selection:
            table.add(flat(record))


def hub_folder(selection: Selection, folder: Path, most: int | None = None) -> dict[str, list[str]]:
    """Shards under `data/`, pictures inside; returns split -> names of its files.

    Args:
        most: Bytes of a file before it is compressed; None: `SHARD_BYTES`.

    Raises:
        ExpllmError: a picture is not where it was.
    """
    return sharded(selection, folder, hub_schema(pictures=selection.pictured), _hub_row, most)


def sharded(
    selection: Selection, folder: Path, schema: Any, row: MakeRow, most: int | None = None
) -> dict[str, list[str]]:
    """Shards under `data/` by split; returns split -> names of its files.

    Args:
        row: Makes a record's row of the schema, given its picture.
        most: As `hub_folder`.

    Raises:
        ExpllmError: a picture is not where it was.
    """
    with ExitStack() as stack:
        shards: dict[str, _Shards] = {}
        for record in selection:
            split = split_word(record.split)
            if split not in shards:
                files = _Shards(folder / "data", split, schema, row, most or SHARD_BYTES)
                shards[split] = stack.enter_context(files.opened())
            shards[split].add(record)
    return {split: shards[split].named() for split in sorted(shards)}


def image_cell(record: CotRecord, data: bytes) -> dict[str, Any]:
    """A picture as `datasets` keeps one in a column."""
    return {"bytes": data, "path": picture_name(record, data)}


def _hub_row(record: CotRecord, data: bytes | None) -> dict[str, Any]:
    return flat(record) if data is None else {**flat(record), "image": image_cell(record, data)}


def split_word(split: str | None) -> str:
    """A split's name as the hub writes it: `train`, `validation`, `test`, or a word without odd signs."""
    word = re.sub(r"\W+", "_", split or "train", flags=re.ASCII).strip("_") or "train"
    return {"valid": "validation", "val": "validation"}.get(word, word)


class _Shards:
    """The files of one split. The next one begins when one is full; named when their number is known."""

    def __init__(self, folder: Path, split: str, schema: Any, row: MakeRow, most: int) -> None:
        self._folder = folder
        self._split = split
        self._schema = schema
        self._row = row
        self._most = most
        self._bytes = 0
        self._parts: list[Path] = []
        self._stack = ExitStack()
        self._table: TableFile | None = None

    @contextmanager
    def opened(self) -> Iterator["_Shards"]:
        self._folder.mkdir(exist_ok=True)
        with self._stack:
            yield self

    def add(self, record: CotRecord) -> None:
        data = picture(record)
        row = self._row(record, data)
        size = row_bytes(row)
        if self._table is None or (self._bytes and self._bytes + size > self._most):
            self._table = self._next()
        self._bytes += size
        self._table.add(row, size)

    def _next(self) -> TableFile:
        self._stack.close()
        self._bytes = 0
        self._parts.append(self._folder / f"{self._split}-{len(self._parts):05d}")
        file = self._stack.enter_context(durable_file(self._parts[-1], "wb"))
        return self._stack.enter_context(table_file(file, self._schema))

    def named(self) -> list[str]:
        return [f"data/{name}" for name in named_parts(self._parts, ".parquet")]
