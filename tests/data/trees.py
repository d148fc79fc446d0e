"""Small data sets in the real formats, made on the spot."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from expllm.core.vocabulary import label_set
from expllm.data import Dataset
from expllm.data.readers.ferplus import VOTES


def picture_file(path: Path, shade: int = 128) -> Path:
    """A small JPEG or PNG, by suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)
    return path


def encoded(shade: int = 128) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (48, 48), shade).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def write_csv(path: Path, rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def votes_of(**votes: int) -> dict[str, int]:
    """Ten votes; those that are not given are 0."""
    return {name: votes.get(name, 0) for name in VOTES}


def ferplus_shard(path: Path, rows: Sequence[Mapping[str, int]], group: int = 2) -> Path:
    columns: dict[str, Any] = {
        "file_name": [f"fer{number:07d}.png" for number in range(len(rows))],
        "image": [encoded(number) for number in range(len(rows))],
    }
    for name in VOTES:
        columns[f"votes_{name}"] = pa.array([row[name] for row in rows], pa.int8())
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return path


def rafdb_tree(root: Path, lines: Sequence[str], missing: Sequence[str] = ()) -> Path:
    """`basic/` with the list of labels and one aligned picture a line."""
    basic = root / "basic"
    (basic / "EmoLabel").mkdir(parents=True)
    (basic / "EmoLabel" / "list_patition_label.txt").write_text("".join(f"{line}\n" for line in lines))
    (basic / "Image" / "aligned").mkdir(parents=True)
    for line in lines:
        name = line.split(" ")[0]
        if name not in missing:
            picture_file(basic / "Image" / "aligned" / name.replace(".", "_aligned."))
    return root


def labels_by_id(dataset: Dataset) -> dict[str, str | None]:
    return {sample.id: sample.expression and sample.expression.value for sample in dataset}


def write_people(path: Path, count: int = 120) -> Path:
    """Three faces of each person, in a CSV without a split."""
    labels, rows = label_set(7), []
    for n in range(count):
        for k in range(3):
            picture_file(path.parent / "faces" / f"{n}-{k}.png", n)
            rows.append((f"p{n}-{k}", f"faces/{n}-{k}.png", labels[(n + k) % 7].value, f"person {n}"))
    return write_csv(path, [("id", "image", "label", "identity"), *rows])
