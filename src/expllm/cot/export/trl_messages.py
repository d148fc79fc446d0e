"""Conversations with pictures as TRL's trainers take them: `messages` whose parts say where `images` go."""

import json
from pathlib import Path
from typing import Any

from expllm.cot.explanation import CotRecord
from expllm.cot.export import rounds
from expllm.cot.export.parquet_export import image_cell, sharded
from expllm.cot.export.selection import Selection, label_of


def trl_folder(selection: Selection, folder: Path, most: int | None = None) -> dict[str, list[str]]:
    """Parquet under `data/`, pictures inside; returns split -> names of its files.

    Args:
        most: Bytes of a file before it is compressed; None: those of every export.

    Raises:
        ExpllmError: a picture is not where it was.
    """

    def row(record: CotRecord, data: bytes | None) -> dict[str, Any]:
        label = label_of(record)
        return {
            "id": record.id,
            "images": [] if data is None else [image_cell(record, data)],
            "messages": _messages(record, selection, pictured=data is not None),
            "expression": label and label.value,
        }

    return sharded(selection, folder, _schema(), row, most)


def _messages(record: CotRecord, selection: Selection, *, pictured: bool) -> list[dict[str, Any]]:
    found = []
    for number, (question, answer) in enumerate(rounds.rounds(record, selection.labels)):
        shown = [{"type": "image"}] if pictured and number == 0 else []
        found += [
            {"role": "user", "content": [*shown, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
    return found


def _schema() -> Any:
    """The columns, with the features as `datasets` keeps them in a Parquet file."""
    import pyarrow as pa

    text: dict[str, str] = {"dtype": "string", "_type": "Value"}
    part = {"type": text, "text": text}
    features = {
        "id": text,
        "images": {"feature": {"_type": "Image"}, "_type": "List"},
        "messages": {
            "feature": {"role": text, "content": {"feature": part, "_type": "List"}}, "_type": "List"
        },
        "expression": text,
    }  # fmt: skip
    parts = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
    columns = {
        "id": pa.string(),
        "images": pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", parts)])),
        "expression": pa.string(),
    }
    return pa.schema(columns).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
