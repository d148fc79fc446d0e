"""Parquet with a column of pictures and a column of labels; pictures are never loaded here."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from expllm.core.errors import RecordError, VocabularyError
from expllm.data.dataset import DatasetSource
from expllm.data.readers import au_rows
from expllm.data.readers.cells import any_split, cell_text, find_columns, read_aus, read_label
from expllm.data.readers.shards import ParquetShard, footer_digest
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.faces.au_tables import unit_columns
from expllm.files.tabular.parquetfile import open_parquet, parquet_header, parquet_rows


def load_parquet_images(shards: list[ParquetShard]) -> DatasetSource:
    """Shards of one family, or a single table of action units."""
    if len(shards) == 1 and au_rows.is_au_table(columns_of(shards[0])) and picture_column(shards[0]) is None:
        return au_rows.load_au_rows(shards[0].path)
    return DatasetSource(shards[0].family, "parquet", lambda: _all_rows(shards))


def columns_of(shard: ParquetShard) -> tuple[str, ...]:
    return parquet_header(shard.path)


def records(shard: ParquetShard, columns: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(row of the file, cells) with these columns only: others are not read from the disk.

    Raises:
        RecordError: the file is damaged.
    """
    for row in parquet_rows(shard.path, columns):
        yield row.number - 1, row.cells


def _all_rows(shards: list[ParquetShard]) -> Iterator[DatasetRow]:
    for shard in shards:
        yield from _rows(shard)


def _rows(shard: ParquetShard) -> Iterator[DatasetRow]:
    header = columns_of(shard)
    columns, units = find_columns(header), unit_columns(header)
    if "label" not in columns or ("image" not in columns and not units):
        raise RecordError(
            f"{shard.path}: needs a column 'label' or 'expression' and a column 'image' or action units; "
            f"it has {', '.join(header)[:200]}"
        )
    image = picture_column(shard)
    wanted = {column for meaning, column in columns.items() if meaning != "image"} | set(units.values())
    names, content = _class_names(shard, columns["label"]), footer_digest(shard.path)
    for number, cells in records(shard, [name for name in header if name in wanted]):
        where = f"{shard.path.name} row {number}"
        split = any_split(cell_text(cells, columns, "split")) or shard.split
        ref = ImageRef(path=str(shard.path), row=number, column=image) if image else None
        key = f"{shard.family}/{split or 'all'}/{shard.first_row + number:06d}"
        try:
            yield DatasetRow.of(where, _sample(cells, columns, units, names, key, ref, split), content)
        except VocabularyError as error:
            yield DatasetRow(where, reason=str(error), split=split)


def _sample(
    cells: Mapping[str, Any],
    columns: Mapping[str, str],
    units: Mapping[str, str],
    names: list[str],
    key: str,
    image: ImageRef | None,
    split: str | None,
) -> Sample:
    def cell(meaning: str) -> str | None:
        return cell_text(cells, columns, meaning) or None

    aus, label = read_aus(cells, units), cells.get(columns["label"])
    if names and isinstance(label, int) and 0 <= label < len(names):
        label = names[label]
    return Sample(
        id=cell("id") or key,
        expression=read_label(label),
        aus=aus,
        image=image,
        split=split,
        identity=cell("identity"),
        text=cell("text"),
        au_source=(cell("au_source") or "parquet") if aus is not None else None,
    )


def picture_column(shard: ParquetShard) -> str | None:
    """The column that holds encoded pictures: bytes, or the hub's struct of bytes and path."""
    import pyarrow

    with open_parquet(shard.path) as file:
        schema = file.schema_arrow
    for name in schema.names:
        kind = schema.field(name).type
        if pyarrow.types.is_struct(kind):
            kind = kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else kind
        if pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
            return str(name)
    return None


def _class_names(shard: ParquetShard, column: str) -> list[str]:
    """Names of numbered classes, as `datasets` keeps them in the schema; empty if it does not."""
    with open_parquet(shard.path) as file:
        metadata = file.schema_arrow.metadata or {}
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    return [str(name) for name in names]
